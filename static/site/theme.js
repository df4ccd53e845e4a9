"use strict";
// Before anything is painted: the theme that was chosen, here or in the console, which keeps it under the same name.
{
  const KEY = "adminTheme";
  const chosen = () => {
    try { return JSON.parse(localStorage.getItem(KEY)) || "auto"; } catch { return "auto"; }
  };
  const apply = () => {
    const theme = chosen();
    document.documentElement.dataset.theme = theme;
    for (const choice of document.querySelectorAll("[data-theme-choice]")) {
      choice.setAttribute("aria-pressed", String(choice.dataset.themeChoice === theme));
    }
  };
  apply();
  addEventListener("storage", (event) => { if (event.key === KEY) apply(); });
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choice]");
    if (!choice) return;
    try { localStorage.setItem(KEY, JSON.stringify(choice.dataset.themeChoice)); } catch { /* not kept */ }
    document.documentElement.dataset.theme = choice.dataset.themeChoice;
    for (const other of document.querySelectorAll("[data-theme-choice]")) {
      other.setAttribute("aria-pressed", String(other === choice));
    }
  });
}
