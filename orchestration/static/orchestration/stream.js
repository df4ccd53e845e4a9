"use strict";
// What the model of a running call says while it says it. What is stored takes its place when the call has ended.
for (const box of document.querySelectorAll("[data-stream]")) {
  const [shown, says] = box.children;
  const source = new EventSource(box.dataset.stream);
  let parts = null; // of this connection; until the first event the page shows what it was loaded with
  const show = (found) => { parts = found; shown.textContent = found.filter(Boolean).join("\n"); };
  const say = (text) => { if (says.textContent !== text) says.textContent = text; };
  source.addEventListener("open", () => say("Live."));
  source.addEventListener("error", () => say("Connecting again…"));
  source.addEventListener("text", (event) => {
    const { part, text } = JSON.parse(event.data);
    const found = parts || [];
    found[part] = (found[part] || "") + text;
    show(found);
  });
  source.addEventListener("discarded", () => { show([]); say("This is not the answer: another attempt begins."); });
  source.addEventListener("end", (event) => {
    source.close();
    const end = JSON.parse(event.data);
    show(end.parts || []);
    say(`The call has ended: ${end.status}. `);
    const again = document.createElement("a");
    again.href = location.href.split("#")[0];
    again.className = "orca-link";
    again.textContent = "Load its page again";
    says.append(again);
  });
}
