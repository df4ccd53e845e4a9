// Icons are words in an icon font. Where a link or a button has a text of its own, a screen reader need not read them.
document.addEventListener("DOMContentLoaded", () => {
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    const control = icon.closest("a, button");
    if (!control || control.textContent.trim() !== icon.textContent.trim()) icon.setAttribute("aria-hidden", "true");
  }
});

// select2 names its box after what is chosen alone, so an empty one has no name: the field's label comes first.
const nameBoxes = () => {
  for (const chosen of document.querySelectorAll(".select2-selection__rendered")) {
    const select = document.getElementById(chosen.id.replace(/^select2-(.*)-container$/, "$1"));
    const label = select?.labels?.[0];
    if (!label) continue;
    label.id ||= `${select.id}-label`;
    chosen.setAttribute("aria-labelledby", label.id);
    chosen.closest("[role=combobox]")?.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
  }
};
window.addEventListener("load", () => window.django?.jQuery?.(nameBoxes)); // behind Django, which makes them then
