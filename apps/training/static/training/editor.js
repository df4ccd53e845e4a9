"use strict";
// The editor of a scenario: rows are added and removed, and it is said when something is not saved yet.
const scenarioForm = document.getElementById("scenario-form");
const unsaved = document.getElementById("unsaved");

function addRow(name) {
  const total = document.getElementById(`id_${name}-TOTAL_FORMS`);
  const template = document.querySelector(`template[data-row="${name}"]`);
  const holder = document.createElement(template.content.firstElementChild.tagName === "TR" ? "tbody" : "div");
  holder.innerHTML = template.innerHTML.replaceAll("__prefix__", total.value);
  total.value = Number(total.value) + 1;
  const row = holder.firstElementChild;
  document.querySelector(`[data-rows="${name}"]`).append(row);
  return row;
}

// A row that is removed stays, empty and hidden: the server counts rows by their numbers.
function removeRow(row) {
  const rows = [...row.parentElement.children];
  for (const control of row.querySelectorAll("input:not([type=hidden]), textarea")) control.value = "";
  row.hidden = true;
  const next = rows.slice(rows.indexOf(row) + 1).find((it) => !it.hidden) || rows.findLast((it) => !it.hidden);
  (next?.querySelector("[data-remove-row]") || document.querySelector(`[data-add-row="${row.parentElement.dataset.rows}"]`)).focus();
  scenarioForm.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add-row]");
  if (add) addRow(add.dataset.addRow).querySelector("input:not([type=hidden]), select").focus();
  const remove = event.target.closest("[data-remove-row]");
  if (remove) removeRow(remove.closest(".finding-row"));
});

function isChanged() {
  return drafts.controls(scenarioForm).some((it) => drafts.value(it) !== drafts.initial(it));
}

scenarioForm.addEventListener("input", () => { unsaved.textContent = isChanged() ? "Unsaved changes" : ""; });

// Rows that were added before a reload are part of the draft, which is put back after this.
{
  const kept = Object.keys(drafts.read(drafts.key(scenarioForm)) || {});
  for (const name of ["findings", "imaging"]) {
    const numbers = kept.map((each) => each.match(new RegExp(`^${name}-(\\d+)-`))?.[1]).filter(Boolean).map(Number);
    while (Number(document.getElementById(`id_${name}-TOTAL_FORMS`).value) <= Math.max(-1, ...numbers)) addRow(name);
  }
}

// Ctrl+S saves, as in every editor.
document.addEventListener("keydown", (event) => {
  if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  scenarioForm.requestSubmit(scenarioForm.querySelector(".sticky-bar .primary"));
});
