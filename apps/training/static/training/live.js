"use strict";
// A live page. A server-sent event triggers a refresh: the page asks for what it does not have, one request at a time, by
// its last message and the version of each part. So a lost connection neither loses nor repeats anything.
const live = document.getElementById("live");
const connection = document.getElementById("connection");
const POLL_CONNECTED = 20000;
const POLL_ALONE = 3000;
const POLL_EXPECTING = 1000;
const LONGEST_WAIT = 15000;
let stream = null;
let wait = 1000;

function refresh() {
  live.dispatchEvent(new Event("refresh"));
}

function showLost(isLost) {
  connection.hidden = !isLost;
}

function lastSequence() {
  return Math.max(0, ...[...document.querySelectorAll("#messages [data-sequence]")].map((row) => Number(row.dataset.sequence)));
}

function connect() {
  stream = new EventSource(live.dataset.events);
  stream.addEventListener("open", () => { wait = 1000; showLost(false); refresh(); });
  stream.addEventListener("end", () => { stream.close(); refresh(); });
  for (const kind of live.dataset.kinds.split(" ")) stream.addEventListener(kind, refresh);
  stream.addEventListener("error", () => {
    showLost(true);
    if (stream.readyState !== EventSource.CLOSED) return;  // otherwise the browser reconnects by itself
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  });
}

function poll() {
  refresh();
  const connected = stream && stream.readyState === EventSource.OPEN;
  const expecting = document.querySelector(".dots, .waiting, [data-time-is-up]") !== null;
  setTimeout(poll, connected ? POLL_CONNECTED : expecting ? POLL_EXPECTING : POLL_ALONE);
}

document.body.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt !== live) return;
  event.detail.parameters.after = String(lastSequence());
  event.detail.parameters.have = [...document.querySelectorAll("[data-version]")].map((part) => `${part.id}:${part.dataset.version}`).join(",");
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt === live) showLost(!event.detail.successful);
});

if (live) {
  if (live.dataset.events) connect();
  setTimeout(poll, POLL_ALONE);
}

// --- the log follows its end; somebody who reads further up is told of what is new ----------------------------------

const log = document.getElementById("log");
const toEnd = () => { log.scrollTop = log.scrollHeight; };
if (log) {
  const button = document.getElementById("new-messages");
  const messages = document.getElementById("messages");
  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  let atEnd = true;
  let before = 0;
  const follow = () => { if (atEnd) toEnd(); };
  log.addEventListener("scroll", () => {  // a change of the layout never scrolls upwards, but to the end
    if (isAtEnd()) {
      atEnd = true;
      if (button) button.hidden = true;
    } else if (log.scrollTop < before - 1) atEnd = false;
    before = log.scrollTop;
  }, { passive: true });
  new ResizeObserver(follow).observe(log);
  new ResizeObserver(follow).observe(messages.parentElement);
  new MutationObserver(() => { if (!atEnd && button) button.hidden = false; }).observe(messages, { childList: true });
  button?.addEventListener("click", () => { atEnd = true; toEnd(); button.hidden = true; log.focus({ preventScroll: true }); });
  toEnd();
}

// --- the time that is left: by the server's clock, shown in the moment in which a part is replaced ------------------

const SOON = 300;
const URGENT = 60;
const TOLD = { 300: "Five minutes are left.", 60: "One minute is left." };

function showClock(clock) {
  if (!("offset" in clock.dataset)) clock.dataset.offset = String(Date.parse(clock.dataset.now) - Date.now());
  const left = Math.max(0, Math.round((Date.parse(clock.dataset.endsAt) - Date.now() - Number(clock.dataset.offset)) / 1000));
  const hours = Math.floor(left / 3600);
  const minutes = Math.floor(left / 60) % 60;
  const seconds = String(left % 60).padStart(2, "0");
  const text = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
  if (clock.textContent !== text) clock.textContent = text;
  const pill = clock.closest(".timer") || clock;
  pill.classList.toggle("soon", left < SOON && left >= URGENT);
  pill.classList.toggle("urgent", left < URGENT);
  if (TOLD[left]) tell(TOLD[left]);
  if (left === 0 && !("timeIsUp" in clock.dataset)) {
    clock.dataset.timeIsUp = "";
    document.dispatchEvent(new Event("time-is-up"));
    refresh();
  }
}

function tell(text) {
  const place = document.getElementById("announced");
  if (place && place.textContent !== text) place.textContent = text;
}

function showClocks() {
  for (const clock of document.querySelectorAll("[data-ends-at]")) showClock(clock);
}

showClocks();
setInterval(showClocks, 1000);
document.addEventListener("htmx:oobAfterSwap", showClocks);
