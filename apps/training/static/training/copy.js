"use strict";
// Buttons that copy the value of a field, and say that they did.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy");  // pages without HTTPS have no clipboard
  }
  button.querySelector("span").textContent = "Copied";
});
