"use strict";
// What is typed is not lost. A form with data-draft="name" keeps what is in it in sessionStorage, by person and name:
// after a reload, a sign-in or a swap by htmx it is there again, with the focus. A box is cleared only when its value is
// what the server accepted.
const drafts = {
  key: (form) => `draft:${document.body.dataset.user}:${form.dataset.draft}`,

  controls: (form) => [...form.elements].filter((it) => it.name && it.matches(
    "textarea, select, input:not([type=hidden], [type=password], [type=file], [type=submit], [type=button])")),

  name: (control) => (["checkbox", "radio"].includes(control.type) ? `${control.name}=${control.value}` : control.name),

  value: (control) => (["checkbox", "radio"].includes(control.type) ? control.checked : control.value),

  initial(control) {
    if (["checkbox", "radio"].includes(control.type)) return control.defaultChecked;
    if (control.tagName !== "SELECT") return control.defaultValue;
    return ([...control.options].find((option) => option.defaultSelected) || control.options[0])?.value ?? "";
  },

  put(control, value) {
    if (["checkbox", "radio"].includes(control.type)) control.checked = value; else control.value = value;
  },

  /** What is in the form now. */
  values: (form) => Object.fromEntries(drafts.controls(form).map((it) => [drafts.name(it), drafts.value(it)])),

  read(key) {
    try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; }
  },

  write(key, values) {
    try {
      if (values && Object.keys(values).length) sessionStorage.setItem(key, JSON.stringify(values));
      else sessionStorage.removeItem(key);
    } catch { /* no room, or not allowed: then the draft lasts as long as the page */ }
  },

  save(form) {
    const changed = drafts.controls(form).filter((it) => drafts.value(it) !== drafts.initial(it));
    drafts.write(drafts.key(form), Object.fromEntries(changed.map((it) => [drafts.name(it), drafts.value(it)])));
  },

  /** Put the draft back; says whether that changed anything. */
  restore(form) {
    const kept = drafts.read(drafts.key(form));
    if (!kept) return false;
    const changed = drafts.controls(form).filter((it) => drafts.name(it) in kept && kept[drafts.name(it)] !== drafts.value(it));
    for (const control of changed) {
      drafts.put(control, kept[drafts.name(control)]);
      control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
    }
    return changed.length > 0;
  },

  /** The server accepted these values: clear each box that still holds its own. */
  accept(form, sent) {
    for (const control of drafts.controls(form)) {
      if (drafts.value(control) === sent[drafts.name(control)]) drafts.put(control, drafts.initial(control));
    }
    for (const file of form.querySelectorAll("input[type=file]")) file.value = "";
    if (form.dataset.draft) drafts.save(form);
  },

  /** As `accept`, for a form that may have been replaced or taken away meanwhile. */
  acceptByName(form, sent) {
    const now = form.isConnected || !form.dataset.draft ? form : document.querySelector(`form[data-draft="${CSS.escape(form.dataset.draft)}"]`);
    if (now) { drafts.accept(now, sent); return now; }
    const kept = drafts.read(drafts.key(form)) || {};
    drafts.write(drafts.key(form), Object.fromEntries(Object.entries(kept).filter(([name, value]) => sent[name] !== value)));
    return null;
  },
};

document.addEventListener("input", (event) => { const form = event.target.closest?.("form[data-draft]"); if (form) drafts.save(form); });
document.addEventListener("change", (event) => { const form = event.target.closest?.("form[data-draft]"); if (form) drafts.save(form); });

// --- a part of the page is replaced: what was typed, the focus and the caret move to the new one ---------------------

let held = null;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const it = document.activeElement;
  const form = event.detail.target.contains(it) && it.closest("form[data-draft]");
  held = form ? { draft: form.dataset.draft, name: it.name, id: it.id, from: it.selectionStart, to: it.selectionEnd } : null;
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  for (const form of document.querySelectorAll("form[data-draft]")) if (event.detail.target.contains(form) || !form.dataset.restored) restoreOnce(form);
  if (!held) return;
  const form = document.querySelector(`form[data-draft="${CSS.escape(held.draft)}"]`);
  const control = form && [...form.elements].find((it) => (held.id ? it.id === held.id : it.name === held.name));
  if (control && document.activeElement !== control) {
    control.focus({ preventScroll: true });
    if (typeof held.from === "number" && control.setSelectionRange) control.setSelectionRange(held.from, held.to);
  }
});

function restoreOnce(form) {
  form.dataset.restored = "yes";
  return drafts.restore(form);
}

// --- forms that the browser sends itself: the draft goes when the next page does not refuse it ------------------------

const SENT = "draft-sent:";

// On the window: by then every script has said whether it sends the form itself.
window.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.draft && !form.hasAttribute("hx-post") && !event.defaultPrevented) drafts.write(SENT + drafts.key(form), drafts.values(form));
});

function settleSent() {
  if (!document.body.dataset.user || document.body.classList.contains("error")) return;  // sign-in or an error: not accepted
  const forms = [...document.querySelectorAll("form[data-draft]")];
  for (const name of Object.keys(sessionStorage).filter((each) => each.startsWith(SENT))) {
    const key = name.slice(SENT.length);
    const again = forms.find((form) => drafts.key(form) === key);
    if (!again?.querySelector("[aria-invalid=true], .errors:not(:empty), .notice.bad")) drafts.write(key, null);
    drafts.write(name, null);
  }
}

settleSent();
document.addEventListener("DOMContentLoaded", () => {  // after the page's own scripts, which may add what a draft needs
  const restored = [...document.querySelectorAll("form[data-draft]")].filter(restoreOnce);
  if (restored.some((form) => !form.hasAttribute("hx-post"))) toast("What you had typed here is back. It has not been saved yet.");
});
