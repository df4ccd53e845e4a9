"use strict";
// Follows a run by server-sent events. The browser resumes a broken stream by itself, with the last id it has seen; but
// it gives up when a proxy answers for a server that is being restarted, and then all is told again from the beginning.
const timeline = document.getElementById("timeline");
const live = document.getElementById("live");
const WAIT = 2000;
let seen = 0;

function show(event) {
  if (Number(event.lastEventId) <= seen) return;
  seen = Number(event.lastEventId);
  const step = JSON.parse(event.data);
  const row = timeline.querySelector(`[data-step="${CSS.escape(step.step)}"]`);
  if (!row || row.dataset.status === step.status) return;
  row.dataset.status = step.status;
  row.querySelector(".step-status").textContent = step.status;
  live.textContent = `${row.querySelector(".step-name").textContent}: ${step.status}`;
}

function connect() {
  const stream = new EventSource(timeline.dataset.events);
  stream.addEventListener("step", show);
  stream.addEventListener("end", () => {
    stream.close();
    window.location.reload();
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, WAIT);
  });
}

connect();
