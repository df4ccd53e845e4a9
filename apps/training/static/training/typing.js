"use strict";
// The patient's words while they are written, in place of the dots. They are shown and no more: the message itself comes
// with the next refresh, from what is stored, and takes their place. Screen readers are told of the message alone.
let heard = null;  // {url, source, parts}

function hear() {
  const url = document.querySelector(".typing[data-heard]")?.dataset.heard || "";
  if (heard && heard.url !== url) {
    heard.source.close();
    heard = null;
  }
  if (url && !heard) heard = listenTo(url);
  showHeard();
}

function listenTo(url) {
  const source = new EventSource(url);
  const found = { url, source, parts: [] };
  source.addEventListener("text", (event) => {
    const { part, text } = JSON.parse(event.data);
    found.parts[part] = (found.parts[part] || "") + text;
    showHeard();
  });
  source.addEventListener("discarded", () => {
    found.parts = [];
    showHeard();
  });
  source.addEventListener("end", (event) => {
    source.close();
    found.parts = JSON.parse(event.data).parts || [];
    showHeard();
    refresh();
  });
  return found;
}

function showHeard() {
  const words = document.querySelector(".typing .words");
  if (!words) return;
  const text = heard ? heard.parts.filter(Boolean).join("\n") : "";
  words.textContent = text;
  words.hidden = !text;
  words.parentElement.querySelector(".dots").hidden = Boolean(text);
}

document.addEventListener("htmx:oobAfterSwap", hear);
hear();
