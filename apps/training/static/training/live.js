"use strict";
// A live page. Server-sent events only ring; what the page lacks it asks the server for, one question at a time, by what
// it has: the last message and the version of each part. So a cut connection loses nothing and doubles nothing.
const live = document.getElementById("live");
const connection = document.getElementById("connection");
const POLL_CONNECTED = 20000;
const POLL_ALONE = 3000;
const POLL_EXPECTING = 1000;
const LONGEST_WAIT = 15000;
let stream = null;
let wait = 1000;

function ring() {
  live.dispatchEvent(new Event("ring"));
}

function lost(isLost) {
  connection.hidden = !isLost;
}

function lastSequence() {
  return Math.max(0, ...[...document.querySelectorAll("#messages [data-sequence]")].map((row) => Number(row.dataset.sequence)));
}

function connect() {
  stream = new EventSource(live.dataset.events);
  stream.addEventListener("open", () => { wait = 1000; lost(false); ring(); });
  stream.addEventListener("end", () => { stream.close(); ring(); });
  for (const kind of live.dataset.kinds.split(" ")) stream.addEventListener(kind, ring);
  stream.addEventListener("error", () => {
    lost(true);
    if (stream.readyState !== EventSource.CLOSED) return;  // else the browser comes back by itself
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  });
}

function poll() {
  ring();
  const connected = stream && stream.readyState === EventSource.OPEN;
  const expecting = document.querySelector(".dots") !== null;
  setTimeout(poll, connected ? POLL_CONNECTED : expecting ? POLL_EXPECTING : POLL_ALONE);
}

document.body.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt !== live) return;
  event.detail.parameters.after = String(lastSequence());
  event.detail.parameters.have = [...document.querySelectorAll("[data-version]")].map((part) => `${part.id}:${part.dataset.version}`).join(",");
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt === live) lost(!event.detail.successful);
});

if (live) {
  if (live.dataset.events) connect();
  setTimeout(poll, POLL_ALONE);
}

// --- the log stays at its end, unless somebody reads further up -------------------------------------------

const log = document.getElementById("log");
if (log) {
  const toEnd = () => { log.scrollTop = log.scrollHeight; };
  let atEnd = true;
  log.addEventListener("scroll", () => { atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80; });
  window.addEventListener("resize", () => { if (atEnd) toEnd(); });
  log.addEventListener("load", () => { if (atEnd) toEnd(); }, true);
  new MutationObserver(() => { if (atEnd) toEnd(); }).observe(log, { childList: true, subtree: true });
  toEnd();
}

// --- the time that is left ----------------------------------------------------------------------------------

setInterval(() => {
  for (const clock of document.querySelectorAll("[data-ends-at]")) {
    const left = Math.max(0, Math.round((Date.parse(clock.dataset.endsAt) - Date.now()) / 1000));
    clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`;
  }
}, 1000);
