// Django's own admin has no htmx, which the console brings: parts of a page that show something in progress are fetched
// again here, as their attributes say.
const renew = async (part) => {
  const every = parseFloat(part.getAttribute("hx-trigger").replace("every ", ""));
  await new Promise((done) => setTimeout(done, every * 1000));
  let next = part;
  try {
    const answer = document.hidden ? null : await fetch(part.getAttribute("hx-get") || location.href, {
      credentials: "same-origin", redirect: "manual", headers: { "HX-Request": "true" },
    });
    if (answer?.headers.get("HX-Refresh")) return reloadInPlace(); // of focus.js
    if (answer?.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      next = page.querySelector(part.getAttribute("hx-select")) ?? part;
      if (next !== part) {
        keepFocus(part.parentElement, () => part.replaceWith(next));
        next.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true })); // as htmx says it to the other scripts
      }
    }
  } catch {
    // The server is away, and the alerts say so.
  }
  if (next.hasAttribute("hx-trigger")) renew(next);
};
// Django's own search field and the two halves of its fields for a moment have no label.
const nameFields = () => {
  document.querySelector("#searchbar:not([aria-label])")?.setAttribute("aria-label", "Search");
  for (const input of document.querySelectorAll(".datetime input:not([aria-label])")) {
    const whole = input.closest(".form-row")?.querySelector("legend, label")?.textContent.trim() ?? "";
    const half = input.previousSibling?.textContent.trim() ?? "";
    input.setAttribute("aria-label", `${whole} ${half}`.replaceAll(":", "").trim());
  }
};
document.addEventListener("DOMContentLoaded", () => {
  nameFields();
  document.querySelectorAll("[hx-get][hx-trigger^='every ']").forEach(renew);
});
