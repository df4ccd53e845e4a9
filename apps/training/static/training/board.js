"use strict";
// The board: clocks that run by themselves, and a message into any session without leaving the page.
const MINUTE = 60000;

function waited(since) {
  const minutes = Math.floor((Date.now() - Date.parse(since)) / MINUTE);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function tick() {
  for (const place of document.querySelectorAll("[data-since]")) {
    const isLong = Date.now() - Date.parse(place.dataset.since) >= Number(place.dataset.patience) * 1000;
    place.textContent = isLong ? `${place.dataset.says} ${waited(place.dataset.since)}` : "";
  }
  for (const bar of document.querySelectorAll("progress[data-runs-until]")) {
    bar.value = bar.max - Math.max(0, (Date.parse(bar.dataset.runsUntil) - Date.now()) / 1000);
  }
}

tick();
setInterval(tick, 1000);
document.addEventListener("htmx:oobAfterSwap", tick);

const HELP = {
  event: "Everybody sees it, and the patient knows about it.",
  direction: "Only the patient is told.",
};
const messageForm = document.getElementById("message-form");
let target = null;

function choose(kind) {
  for (const button of messageForm.querySelectorAll("[data-kind]")) button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
  document.getElementById("message-help").textContent = HELP[kind];
  messageForm.dataset.url = kind === "event" ? target.dataset.eventUrl : target.dataset.directionUrl;
}

document.addEventListener("click", (event) => {
  const open = event.target.closest("[data-message-to]");
  if (open) {
    target = open;
    messageForm.reset();
    messageForm.dataset.draft = `board:${open.dataset.eventUrl}`;
    drafts.restore(messageForm);
    document.querySelector("#message h2").textContent = `Message into the session of ${open.dataset.messageTo}`;
    choose("event");
    document.getElementById("message").showModal();
    document.getElementById("message-text").focus();
  }
  const kind = event.target.closest("[data-kind]");
  if (kind) choose(kind.dataset.kind);
});
document.body.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt === messageForm) event.detail.path = messageForm.dataset.url;
});
