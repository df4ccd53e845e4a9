// The first page keeps itself fresh: while it is seen, and until somebody pauses it. Focus and charts stay in place.
(() => {
  const page = document.getElementById("orca-overview");
  const told = document.getElementById("orca-fresh");
  const button = document.getElementById("orca-pause");
  let paused = false;
  let asking = false;
  let freshAt = new Date();

  const tell = (state) => { told.textContent = told.dataset[state].replace("{}", window.orcaClock(freshAt)); };

  const replace = (fresh) => {
    keepFocus(page, () => { // of focus.js
      for (const part of fresh.querySelectorAll("[data-live]")) {
        page.querySelector(`[data-live="${part.dataset.live}"]`).replaceWith(part);
      }
    });
    page.querySelector(".orca-charts").dataset.marks = fresh.querySelector(".orca-charts").dataset.marks;
    for (const canvas of fresh.querySelectorAll("canvas")) {
      const shown = document.getElementById(canvas.id);
      shown.setAttribute("aria-label", canvas.getAttribute("aria-label"));
      const chart = Chart.getChart(shown);
      const data = JSON.parse(canvas.dataset.value);
      chart.data.labels = data.labels;
      chart.data.points = data.points;
      data.datasets.forEach((series, index) => { chart.data.datasets[index].data = series.data; });
      if (chart.chosenAt !== undefined) mark(chart, chosenIn(chart)); // another place by now, the same moment
      else chart.update();
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

  // What happened is a dashed line at its point, with the first letter of what it was, and stands in the tooltip.
  const COLOURS = {
    deployment: "#7c3aed", prompt: "#7c3aed", pause: "#d97706", resume: "#16a34a", circuit_closed: "#16a34a", start: "#2563eb",
  };
  const LETTERS = { prompt: "T", circuit_opened: "O", circuit_closed: "C" };
  const marksAt = (index) => JSON.parse(page.querySelector(".orca-charts").dataset.marks).filter(([at]) => at === index);
  const drawMarks = {
    id: "orca-marks",
    afterDatasetsDraw(chart) {
      if (!chart.canvas.dataset.open) return;
      const { ctx, chartArea, scales } = chart;
      const marks = JSON.parse(page.querySelector(".orca-charts").dataset.marks);
      ctx.save();
      ctx.setLineDash([4, 3]);
      ctx.font = "600 10px sans-serif";
      ctx.textAlign = "center";
      for (const [index, kind] of marks) {
        const x = scales.x.getPixelForValue(index);
        ctx.strokeStyle = ctx.fillStyle = COLOURS[kind] ?? "#dc2626";
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top + 12);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
        ctx.fillText(LETTERS[kind] ?? kind[0].toUpperCase(), x, chartArea.top + 9);
      }
      ctx.restore();
    },
  };

  // A point of a chart opens its calls: by a click, or by the arrow keys and Enter.
  const open = (chart, index, series) => {
    const base = page.querySelector(".orca-charts").dataset.calls;
    const opens = JSON.parse(chart.canvas.dataset.open);
    const what = series === null && new Set(opens).size > 1 ? "all" : opens[series ?? 0];
    location.assign(`${base}&at=${chart.data.points[index]}&what=${what}`);
  };
  const chosenIn = (chart) => {
    const index = chart.data.points.indexOf(chart.chosenAt);
    return index < 0 ? chart.data.points.length - 1 : index;
  };
  const mark = (chart, index) => {
    const active = chart.data.datasets.map((_, datasetIndex) => ({ datasetIndex, index }));
    chart.setActiveElements(active);
    chart.tooltip.setActiveElements(active, { x: 0, y: 0 });
    chart.update();
  };
  const choosePoint = (chart, index) => {
    chart.chosenAt = chart.data.points[index];
    mark(chart, index);
    const values = chart.data.datasets.map((series) => `${series.label} ${series.data[index] ?? "nothing"}`);
    const happened = marksAt(index).map(([, , text]) => text);
    document.getElementById("orca-point").textContent = `${chart.data.labels[index]}: ${[...values, ...happened].join(", ")}`;
  };
  const makeOpen = (canvas) => {
    const chart = Chart.getChart(canvas);
    chart.data.points = JSON.parse(canvas.dataset.value).points;
    chart.options.plugins.tooltip = { callbacks: { afterBody: ([item]) => marksAt(item.dataIndex).map(([, , text]) => text) } };
    chart.update();
    canvas.addEventListener("click", (event) => {
      const [near] = chart.getElementsAtEventForMode(event, "index", { intersect: false }, true);
      const [hit] = chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, true);
      if (near) open(chart, near.index, hit ? hit.datasetIndex : null);
    });
    canvas.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) {
        event.preventDefault();
        choosePoint(chart, Math.min(Math.max(chosenIn(chart) + by, 0), chart.data.points.length - 1));
      } else if (event.key === "Enter") open(chart, chosenIn(chart), null);
    });
  };
  window.addEventListener("load", () => {
    Chart.register(drawMarks);
    page.querySelectorAll("canvas[data-open]").forEach(makeOpen);
  });

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
