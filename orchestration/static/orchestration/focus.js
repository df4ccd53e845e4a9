// What a page replaces by itself, by htmx or by a script, keeps what its reader had there: the focus, the folds that were
// open, and how far a box was scrolled. The focus stays on the same element, or goes to what is in the place of one that is
// gone. Where that was a button or a field, another one in its place would be pressed by mistake: then it goes to the box
// around them.
(() => {
  const FOCUSABLE = "a[href], button, input:not([type=hidden]), select, summary, textarea, [tabindex='0']";
  const ACTS = "button, input, select, textarea";
  const KEPT = "orca-focus";
  const focusable = (box) => [...box.querySelectorAll(FOCUSABLE)].filter((each) => each.checkVisibility());
  const nameOf = (each) => [
    each.tagName, each.id, each.getAttribute("href"), each.name, each.getAttribute("aria-label"),
    each.matches("button") ? each.textContent.trim() : "", each.closest("[data-alert]")?.dataset.alert,
  ].join();
  const foldName = (fold) => fold.querySelector("summary")?.textContent.replace(/\d+/g, "").trim();
  /** Which of those with the same name it is. */
  const nth = (all, each, name) => all.filter((other) => name(other) === name(each)).indexOf(each);
  const find = (all, was, name) => all.filter((each) => name(each) === was.name)[was.nth];
  const idsAround = (each) => {
    const ids = [];
    for (let box = each.parentElement; box; box = box.parentElement) if (box.id) ids.push(box.id);
    return ids;
  };

  /** What there is in a box that stays, as text that outlives its elements. */
  const noted = (box) => {
    const [at, all, folds] = [document.activeElement, focusable(box), [...box.querySelectorAll("details")]];
    const place = all.indexOf(at);
    return {
      folds: folds.filter((fold) => fold.open).map((fold) => ({ name: foldName(fold), nth: nth(folds, fold, foldName) })),
      scrolled: all.filter((each) => each.scrollTop || each.scrollLeft).map((each) => (
        { name: nameOf(each), nth: nth(all, each, nameOf), top: each.scrollTop, left: each.scrollLeft }
      )),
      focus: place < 0 ? null : { name: nameOf(at), nth: nth(all, at, nameOf), place, acts: at.matches(ACTS), around: idsAround(at) },
    };
  };
  const focusAround = (ids) => {
    const box = ids.map((id) => document.getElementById(id)).find((each) => each?.checkVisibility());
    if (!box) return;
    if (!box.hasAttribute("tabindex")) box.tabIndex = -1;
    box.focus({ preventScroll: true });
  };
  const give = (box, was) => {
    const folds = [...box.querySelectorAll("details")];
    for (const fold of was.folds) find(folds, fold, foldName)?.setAttribute("open", "");
    const all = focusable(box);
    for (const { top, left, ...each } of was.scrolled) find(all, each, nameOf)?.scrollTo({ top, left, behavior: "instant" });
    if (!was.focus || document.activeElement !== document.body) return; // it is where it was
    const same = find(all, was.focus, nameOf) ?? find(all, { ...was.focus, nth: 0 }, nameOf);
    if (same) same.focus({ preventScroll: true });
    else if (was.focus.acts) focusAround(was.focus.around);
    else all[Math.min(was.focus.place, all.length - 1)]?.focus({ preventScroll: true });
  };

  /** Call `replace`, which changes what is in `box`. */
  const keepFocus = (box, replace) => {
    const was = noted(box);
    replace();
    give(box, was);
  };

  // What htmx replaces is in the box around it.
  let [swapped, before] = [null, null];
  for (const name of ["htmx:beforeSwap", "htmx:oobBeforeSwap"]) document.addEventListener(name, (event) => {
    swapped = event.detail.target?.parentElement;
    before = swapped ? noted(swapped) : null;
  });
  for (const name of ["htmx:afterSwap", "htmx:oobAfterSwap"]) document.addEventListener(name, () => {
    if (before && swapped.isConnected) give(swapped, before);
    before = null;
  });

  // So does a page that is loaded again because another one takes its place.
  const keepOverReload = () => {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ page: location.href, ...noted(document.body) }));
    } catch { /* no room, or not allowed: then it begins at its top */ }
  };
  const reloadInPlace = () => {
    keepOverReload();
    location.reload();
  };
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.getResponseHeader("HX-Refresh") === "true") keepOverReload();
  });
  window.addEventListener("load", () => { // all other scripts have made their controls
    let was = null;
    try {
      was = JSON.parse(sessionStorage.getItem(KEPT));
      sessionStorage.removeItem(KEPT);
    } catch { /* nothing was kept */ }
    if (was?.page === location.href) give(document.body, was);
  });

  Object.assign(window, { focusable, keepFocus, reloadInPlace });
})();
