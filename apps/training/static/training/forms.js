"use strict";
// Forms that are sent by htmx: what was typed stays until the server has it, and each sending has a key of its own, so
// that sending the same again after a lost connection does nothing twice.
const sentWith = new WeakMap();  // the values of each request
const keyedBy = new WeakMap();   // the values that a form's key was used for

function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function say(form, text) {
  const place = form.querySelector("[data-says]");
  if (place) place.textContent = text;
}

/** The token as the browser has it now: signing in again, in another tab as well, changes it. */
function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
}

/** Why the server did not take it, as a sentence. */
function refusal(status, headers, text) {
  if (status === 0) return "No connection. Your text is kept: send it again in a moment.";
  if (status >= 500) return "The server could not accept this. Your text is kept: send it again in a moment.";
  if ((headers || "").startsWith("text/plain")) return text;
  return "This could not be sent. Your text is kept: reload the page and send it again.";
}

document.body.addEventListener("htmx:configRequest", (event) => {
  const { elt, formData, headers } = event.detail;
  const token = csrfToken();
  if (token) {
    headers["X-CSRFToken"] = token;
    if (formData.has("csrfmiddlewaretoken")) formData.set("csrfmiddlewaretoken", token);
  }
  if (!elt.matches("form[data-keyed]")) return;
  const values = JSON.stringify([...formData].filter(([name]) => !elt.querySelector(`[data-key][name="${CSS.escape(name)}"]`) && name !== "csrfmiddlewaretoken").map(([name, value]) => [name, String(value.name ?? value)]));
  if (keyedBy.has(elt) && keyedBy.get(elt) !== values) {  // something else than what the key may have been used for
    for (const key of elt.querySelectorAll("[data-key]")) {
      key.value = freshKey();
      formData.set(key.name, key.value);
    }
  }
  keyedBy.set(elt, values);
});
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches("form[data-keyed]")) return;
  say(form, "");
  if (form.dataset.keyed === "menu") form.closest("[popover]").hidePopover();
  sentWith.set(event.detail.xhr, drafts.values(form));
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  const { elt: form, xhr, successful } = event.detail;
  if (!form.matches("form[data-keyed]")) return;
  if (successful) accepted(form, sentWith.get(xhr) || {});
  else if (xhr.status !== 401) {
    const why = refusal(xhr.status, xhr.getResponseHeader("Content-Type"), xhr.responseText);
    if (form.dataset.keyed === "menu") toast(why, "bad"); else say(form, why);
  }
});

function accepted(form, sent) {
  const now = drafts.acceptByName(form, sent) || form;
  keyedBy.delete(now);
  for (const key of now.querySelectorAll("[data-key]")) key.value = freshKey();
  const isUsed = now.contains(document.activeElement) || document.activeElement === document.body;
  if (form.dataset.keyed === "stay" && isUsed) now.querySelector("textarea, input:not([type=hidden])")?.focus();
  const fold = form.closest("details");
  if (fold && form.dataset.keyed === "fold") { fold.open = false; fold.querySelector("summary").focus(); }
  if (form.dataset.keyed === "dialog") form.closest("dialog")?.close();
  document.getElementById("live")?.dispatchEvent(new Event("refresh"));
}

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
