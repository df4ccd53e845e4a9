"use strict";
// Follows a run by server-sent events. The browser resumes a broken stream by itself, with the last id it has seen.
const timeline = document.getElementById("timeline");
const live = document.getElementById("live");
const stream = new EventSource(timeline.dataset.events);
stream.addEventListener("step", (event) => {
  const step = JSON.parse(event.data);
  const row = timeline.querySelector(`[data-step="${CSS.escape(step.step)}"]`);
  if (!row || row.dataset.status === step.status) return;
  row.dataset.status = step.status;
  row.querySelector(".step-status").textContent = step.status;
  live.textContent = `${row.querySelector(".step-name").textContent}: ${step.status}`;
});
stream.addEventListener("end", () => {
  stream.close();
  window.location.reload();
});
