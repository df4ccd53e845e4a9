// One held result after the other: what a decision or a step leads to takes the place of what is shown, and the page
// around it stays. Without this, the same forms and links load whole pages.
const SETTLED = 250; // ms; a key that is pressed twice does not decide on what nobody has seen yet
let isBusy = false;
let shownAt = performance.now();
let untouched = "";

const approval = () => document.getElementById("orca-approval");
const inForm = () => {
  const form = approval()?.querySelector("form");
  return form ? new URLSearchParams(new FormData(form)).toString() : "";
};
const note = () => approval()?.querySelector("#orca-note");

const say = (text) => {
  const line = document.createElement("p");
  line.className = "orca-alert orca-alert-error";
  line.setAttribute("role", "alert");
  line.textContent = text;
  approval().querySelector("[data-unanswered]")?.remove();
  line.dataset.unanswered = "yes";
  approval().prepend(line);
};

const replaceBy = (next, page) => {
  const before = approval();
  const written = before.dataset.hold === next.dataset.hold ? note()?.value : "";
  before.replaceWith(next);
  if (written && note() && !note().value) note().value = written;
  const badge = document.querySelector("[data-badge]");
  const counted = page.querySelector("[data-badge]");
  if (badge && counted) badge.replaceWith(counted);
  document.title = page.title;
  shownAt = performance.now();
  untouched = inForm();
  const wanted = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  const focused = wanted ?? next.querySelector("[autofocus]");
  if (focused && !focused.closest(".orca-decide-row")) {
    focused.focus();
    return;
  }
  window.scrollTo(0, 0); // what is to be decided on is read from its top
  (focused ?? next.querySelector("[data-focus]")).focus({ preventScroll: true });
};

const show = async (url, options = {}) => {
  if (isBusy) return;
  isBusy = true;
  approval().setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { credentials: "same-origin", ...options });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("orca-approval");
    if (!answer.ok && !next) throw new Error(answer.status);
    if (!next) { location.assign(answer.url); return; } // the list, when nothing is left; or signed out
    const hash = answer.url.includes("#") ? "" : new URL(url, location.href).hash;
    if (answer.url + hash !== location.href) history[options.method ? "replaceState" : "pushState"](null, "", answer.url + hash);
    replaceBy(next, page);
  } catch (error) {
    approval().removeAttribute("aria-busy");
    say(`The server did not answer${/^\d+$/.test(error.message) ? ` (${error.message})` : ""}. Try again: what was done already is not done twice.`);
  } finally {
    isBusy = false;
  }
};

const askWhy = (form) => {
  note().dataset.rejects = "yes";
  form.querySelector("#orca-note-help").textContent = "Say why it is rejected, then press Enter. Esc goes back.";
  note().focus();
};

const leave = () => {
  delete note()?.dataset.rejects;
  approval().querySelector("[data-focus]").focus({ preventScroll: true });
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.closest("#orca-approval")) return;
  event.preventDefault();
  const button = event.submitter;
  const decides = button?.name === "do" && button.value !== "preview";
  if (decides && performance.now() - shownAt < SETTLED) return;
  if (button?.value === "reject" && !note().value.trim()) { askWhy(form); return; }
  const body = new URLSearchParams(new FormData(form, button));
  show(location.href.split("#")[0], { method: "POST", body });
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#orca-approval a[data-swap]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(link.href);
});

document.addEventListener("keydown", (event) => {
  const box = approval();
  const at = event.target;
  if (!box || document.querySelector("dialog[open]")) return;
  const isField = box.contains(at) && at.matches("input, textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const preview = box.querySelector(".orca-decide button[value=preview]");
    if (preview) { event.preventDefault(); preview.form.requestSubmit(preview); }
  } else if (event.key === "Enter" && at.id === "orca-note" && !event.shiftKey) {
    event.preventDefault();
    const reject = box.querySelector("button[value=reject]");
    if (at.dataset.rejects && reject) reject.form.requestSubmit(reject);
    else leave();
  } else if (event.key === "Escape" && isField) {
    leave();
  } else if (event.key === "Escape" && box.querySelector("[data-back]") && inForm() === untouched) {
    box.querySelector("[data-back]").click();
  }
});

window.addEventListener("popstate", () => location.reload());
document.addEventListener("DOMContentLoaded", () => {
  if (!approval()) return;
  untouched = inForm();
  const isAt = document.activeElement !== document.body || location.hash;
  if (!isAt) approval().querySelector("[data-focus]").focus({ preventScroll: true });
});
