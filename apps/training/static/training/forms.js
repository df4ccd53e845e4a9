"use strict";
// Forms that are sent by htmx: what was typed stays until the server has it, and each sending has a key of its own, so
// that sending it again after a cut connection does nothing twice.
function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function say(form, text) {
  const place = form.querySelector("[data-says]");
  if (place) place.textContent = text;
}

document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches("form[data-keyed]")) say(event.detail.elt, "");
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches("form[data-keyed]")) return;
  const status = event.detail.xhr.status;
  if (event.detail.successful) {
    form.reset();
    for (const key of form.querySelectorAll("[data-key]")) key.value = freshKey();
    if (form.dataset.keyed === "stay") form.querySelector("textarea, input:not([type=hidden])")?.focus();
    const fold = form.closest("details");
    if (fold && form.dataset.keyed === "fold") { fold.open = false; fold.querySelector("summary").focus(); }
    document.getElementById("live")?.dispatchEvent(new Event("ring"));
  } else if (status === 0) {
    say(form, "There is no connection. What you wrote is kept: send it again in a moment.");
  } else if (status >= 500) {
    say(form, "The server could not take this. What you wrote is kept: send it again in a moment.");
  } else if (status !== 401) {
    const told = (event.detail.xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    say(form, told ? event.detail.xhr.responseText : "This could not be sent. Reload the page and try again.");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  if (!event.target.matches("textarea[data-enter-sends]") || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  if (event.target.value.trim()) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-note-on]");
  if (link) {
    event.preventDefault();
    document.getElementById("note-number").value = link.dataset.noteOn;
    document.getElementById("note-text").focus();
  }
  if (event.target.closest("[data-print]")) window.print();
});
