"use strict";
// The button of /design/ that shows a toast.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-toast]");
  if (button) toast(button.dataset.toast, button.dataset.tone);
});
