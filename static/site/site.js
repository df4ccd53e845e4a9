"use strict";
// What every page can do: toasts, times in the reader's zone, tabs.

// --- toasts: of the server's messages, of scripts, and of htmx responses (HX-Trigger: {"toast": {text, tone}}) -----

const TOAST_MS = 7000;

function toast(text, tone = "info") {
  const row = document.createElement("div");
  row.className = `toast ${tone}`;
  const words = document.createElement("p");
  words.textContent = text;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "ghost icon-button small";
  dismiss.dataset.dismiss = "";
  dismiss.setAttribute("aria-label", "Dismiss");
  dismiss.innerHTML = '<i class="icon" data-icon="close" aria-hidden="true"></i>';
  row.append(words, dismiss);
  document.getElementById("toasts").append(row);
  if (tone !== "bad") setTimeout(() => row.remove(), TOAST_MS);
}

document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.tone));
document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast").remove());
setTimeout(() => { for (const row of document.querySelectorAll(".toast:not(.bad)")) row.remove(); }, TOAST_MS);

// --- times in the reader's zone and language ------------------------------------------------------------------------

const DAY = { day: "numeric", month: "short", year: "numeric" };
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const MOMENTS = {
  date: new Intl.DateTimeFormat("en-GB", { ...DAY, ...CLOCK }),
  day: new Intl.DateTimeFormat("en-GB", DAY),
  time: new Intl.DateTimeFormat("en-GB", CLOCK),
  zone: new Intl.DateTimeFormat("en-GB", { ...DAY, ...CLOCK, timeZoneName: "short" }),
};

function showMoments(root) {
  for (const time of root.querySelectorAll("time[data-moment]")) {
    time.textContent = MOMENTS[time.dataset.moment].format(new Date(time.dateTime));
    time.title = MOMENTS.zone.format(new Date(time.dateTime));
    delete time.dataset.moment;
  }
}

showMoments(document);
document.addEventListener("htmx:load", (event) => showMoments(event.target.parentElement || document));

// --- tabs: [role=tablist] with [role=tab][aria-controls] -----------------------------------------------------------

function selectTab(tab) {
  for (const other of tab.closest("[role=tablist]").querySelectorAll("[role=tab]")) {
    const isChosen = other === tab;
    other.setAttribute("aria-selected", String(isChosen));
    other.tabIndex = isChosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !isChosen;
  }
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) selectTab(tab);
});
document.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || !event.target.matches("[role=tab]")) return;
  const tabs = [...event.target.closest("[role=tablist]").querySelectorAll("[role=tab]")];
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  selectTab(next);
  next.focus();
});

// --- a button that opens a dialog, for browsers without invoker commands ---------------------------------------------

if (!("command" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[commandfor]");
    if (!button) return;
    const dialog = document.getElementById(button.getAttribute("commandfor"));
    if (button.getAttribute("command") === "show-modal") dialog.showModal(); else dialog.close();
  });
}

// A click on the ground beside a dialog closes it.
document.addEventListener("click", (event) => { if (event.target.matches("dialog.dialog")) event.target.close(); });
