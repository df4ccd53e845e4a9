"use strict";
// Follows a run by server-sent events. The browser resumes a broken stream by itself, with the last id it has seen; but
// it gives up when a proxy answers for a server that is being restarted, and then all is told again from the beginning.
const timeline = document.getElementById("timeline");
const live = document.getElementById("live");
const state = document.querySelector("[data-run-state]");
const WAIT = 2000;
const TONES = { running: "info", completed: "good", failed: "bad" };
let seen = 0;

function isNew(event) {
  if (Number(event.lastEventId) <= seen) return false;
  seen = Number(event.lastEventId);
  return true;
}

function capitalized(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function showStep(event) {
  if (!isNew(event)) return;
  const step = JSON.parse(event.data);
  const row = timeline.querySelector(`[data-step="${CSS.escape(step.step)}"]`);
  if (!row || row.dataset.status === step.status) return;
  row.dataset.status = step.status;
  row.querySelector(".step-status").textContent = capitalized(step.status);
  live.textContent = `${row.querySelector(".step-name").textContent}: ${step.status}`;
}

function showRun(event) {
  if (!isNew(event)) return;
  const run = JSON.parse(event.data);
  state.dataset.runState = run.status;
  const badge = state.querySelector(".badge");
  badge.textContent = capitalized(run.status);
  badge.className = `badge ${TONES[run.status] || "neutral"}`;
}

function connect() {
  const stream = new EventSource(timeline.dataset.events);
  stream.addEventListener("step", showStep);
  stream.addEventListener("run", showRun);
  stream.addEventListener("end", () => {
    stream.close();
    reloadInPlace(); // of focus.js
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, WAIT);
  });
}

connect();
