"use strict";
// Live counters below text areas: characters, and for the idea about how many sentences. The server decides.
for (const area of document.querySelectorAll("textarea[data-limit]")) {
  const limit = Number(area.dataset.limit);
  const sentences = Number(area.dataset.sentences || 0);
  const counter = document.createElement("p");
  counter.className = "counter";
  counter.id = `${area.id}_counter`;
  area.after(counter);
  area.setAttribute("aria-describedby", `${area.getAttribute("aria-describedby") || ""} ${counter.id}`.trim());
  const show = () => {
    const text = area.value.trim();
    const used = [...text].length;
    let words = `${used.toLocaleString("en")} of ${limit.toLocaleString("en")} characters`;
    let over = used > limit;
    if (sentences) {
      const body = text.replace(/\b(?:e\.g|i\.e|etc|vs|dr|mr|mrs|ms|no)\./gi, "").replace(/^\s*(?:[-*•]|\(?(?:\d{1,3}|[A-Za-z])[.)])\s/gm, "");
      const count = body.split(/[.!?…]+(?=\s|$)|(?![.!?])\p{Sentence_Terminal}+/u).filter((part) => /[\p{L}\p{N}]/u.test(part)).length;
      words += `, about ${count} of ${sentences} sentences`;
      over = over || count > sentences;
    }
    counter.textContent = over ? `${words}: too long` : words;
    counter.classList.toggle("over", over);
  };
  area.addEventListener("input", show);
  show();
}
