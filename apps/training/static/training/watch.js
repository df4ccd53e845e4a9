"use strict";
// Watching a session: notes on messages, and what is left to do when it has ended.
const tabOf = (panel) => document.getElementById(document.getElementById(panel).getAttribute("aria-labelledby"));

document.addEventListener("click", (event) => {
  const noteOn = event.target.closest("[data-note-on]");
  if (noteOn) {
    event.preventDefault();
    selectTab(tabOf("add-note"));
    document.getElementById("note-number").value = noteOn.dataset.noteOn;
    document.getElementById("note-text").focus();
    drafts.save(noteOn && document.querySelector("#add-note form"));
  }
  const there = event.target.closest("[data-to-message]");
  if (there) {
    event.preventDefault();
    const message = document.querySelector(`#messages [data-sequence="${there.dataset.toMessage}"]`);
    message?.scrollIntoView({ block: "center" });
    message?.querySelector("a, button")?.focus({ preventScroll: true });
  }
});

// A tab shows its box with the caret in it.
document.addEventListener("click", (event) => {
  const tab = event.target.closest(".direct [role=tab]");
  if (tab) document.getElementById(tab.getAttribute("aria-controls")).querySelector("textarea")?.focus();
});

function atTheEnd() {
  if (document.querySelector("[data-ended]") && document.querySelector(".direct [data-live-only][aria-selected=true]")) selectTab(tabOf("add-note"));
}

atTheEnd();
document.addEventListener("htmx:oobAfterSwap", atTheEnd);
