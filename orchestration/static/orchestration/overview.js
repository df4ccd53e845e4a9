// The first page keeps itself fresh: while it is seen, and until somebody pauses it. Focus and charts stay in place.
(() => {
  const page = document.getElementById("orca-overview");
  const told = document.getElementById("orca-fresh");
  const button = document.getElementById("orca-pause");
  let paused = false;
  let asking = false;
  let freshAt = new Date();

  const tell = (state) => { told.textContent = told.dataset[state].replace("{}", freshAt.toLocaleTimeString()); };

  const replace = (fresh) => {
    const focused = document.activeElement?.closest("[data-live]") ? document.activeElement.getAttribute("href") : null;
    for (const part of fresh.querySelectorAll("[data-live]")) {
      page.querySelector(`[data-live="${part.dataset.live}"]`).replaceWith(part);
    }
    if (focused) page.querySelector(`[data-live] a[href="${CSS.escape(focused)}"]`)?.focus();
    for (const canvas of fresh.querySelectorAll("canvas")) {
      const shown = document.getElementById(canvas.id);
      shown.setAttribute("aria-label", canvas.getAttribute("aria-label"));
      const chart = Chart.getChart(shown);
      const data = JSON.parse(canvas.dataset.value);
      chart.data.labels = data.labels;
      data.datasets.forEach((series, index) => { chart.data.datasets[index].data = series.data; });
      chart.update();
    }
  };

  const refresh = async () => {
    if (paused || asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(page.dataset.url, {
        credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(1000 * page.dataset.seconds),
      });
      if (!answer.ok) throw new Error(answer.statusText);
      const template = document.createElement("template");
      template.innerHTML = await answer.text();
      if (!paused) { replace(template.content); freshAt = new Date(); tell("fresh"); }
    } catch {
      tell("stale");
    } finally {
      asking = false;
    }
  };

  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    tell(paused ? "paused" : "fresh");
    refresh();
  });
  tell("fresh");
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, Number(page.dataset.seconds) * 1000);
})();
