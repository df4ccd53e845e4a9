// Controls of the theme that are not buttons: the keyboard reaches them, too, and they say what they are.
const SAYS = { dock_to_right: "Menu", close: "Close", more_vert: "More", more_horiz: "More" };
const PRESSED_BY_MOUSE = "[x-on\\:click]:not(a[href], button, input, label, summary, #changelist-filter-close)";
const makePressable = (root) => {
  for (const control of root.querySelectorAll(PRESSED_BY_MOUSE)) {
    if (control.querySelector("a[href], button, input, select, textarea")) continue; // it is around what can be reached
    control.tabIndex = 0;
    control.setAttribute("role", "button");
    const said = control.title || SAYS[control.textContent.trim()];
    if (said) control.setAttribute("aria-label", said);
  }
};

// Icons are words in an icon font. Where a link or a button has a text of its own, a screen reader need not read them.
const hideIcons = (root) => {
  for (const icon of root.querySelectorAll(".material-symbols-outlined")) {
    const control = icon.closest("a, button, [role=button]");
    if (control?.hasAttribute("aria-label") ? control !== icon : control?.textContent.trim() !== icon.textContent.trim()) {
      icon.setAttribute("aria-hidden", "true");
    }
  }
};
const OPENED = { filterOpen: "#changelist-filter", sidebarMobileOpen: "#nav-sidebar" };
const openedBy = (control) => {
  const name = Object.keys(OPENED).find((each) => control.getAttribute("x-on:click").includes(each));
  if (name) return document.querySelector(OPENED[name]);
  const menu = /^relatedWidgetWrapper(.*)$/.exec(control.getAttribute("x-ref") ?? "");
  return menu ? document.getElementById(`related-widget-wrapper-${menu[1]}`) : null;
};
const pressByKey = () => {
  let opened = null; // and what it was opened with, where the focus goes back to
  let opener = null;
  const afterwards = (act) => requestAnimationFrame(() => requestAnimationFrame(act)); // the theme shows and hides first
  document.addEventListener("keydown", (event) => {
    const control = event.target;
    if ((event.key === "Enter" || event.key === " ") && control.matches?.(PRESSED_BY_MOUSE)) {
      event.preventDefault();
      control.click();
      const box = openedBy(control);
      if (box) afterwards(() => {
        if (!box.checkVisibility()) { opener?.focus(); return; }
        [opened, opener] = [box, control];
        focusable(box)[0]?.focus();
      });
    } else if (event.key === "Escape" && opened?.contains(control)) {
      const close = opened.querySelector("[x-on\\:click*=sidebarMobileOpen]");
      if (close?.checkVisibility()) close.click();
      afterwards(() => { if (!opened.checkVisibility()) opener.focus(); });
    }
  });
};
document.addEventListener("DOMContentLoaded", () => {
  makePressable(document);
  hideIcons(document);
  pressByKey();
});
document.addEventListener("htmx:load", (event) => makePressable(event.target));

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

// A time of the day as all scripts of the console say it: 24 hours, and the zone named. By the browser's language alone,
// midnight would be "12:28:05 AM" for some, and nobody could tell whose.
const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short",
});
window.orcaClock = (at) => CLOCK.format(at);

// What is broken right now, at the top of every page. A server that does not answer is one of these things.
const watchAlerts = (box) => {
  const told = document.getElementById("orca-alerts-told");
  const seconds = Number(box.dataset.seconds);
  let asking = false;
  let awaySince = null;
  let codes = null;
  let shown = null;

  const away = (text) => {
    box.querySelector("[data-alert=away]")?.remove();
    const line = document.createElement("p");
    line.className = "orca-alert orca-alert-error";
    line.dataset.alert = "away";
    line.textContent = text;
    box.prepend(line);
  };

  const show = (html) => {
    if (html === shown && !box.querySelector("[data-alert=away]")) return; // whoever reads it is not disturbed
    keepFocus(box, () => { box.innerHTML = html; }); // of focus.js
    shown = html;
  };

  const tell = () => {
    const lines = [...box.querySelectorAll("[data-alert]")];
    const now = lines.map((line) => line.dataset.alert).join(" ");
    if (codes !== null && codes !== now) told.textContent = lines.map((line) => line.textContent.trim()).join(" ");
    codes = now;
  };

  const ask = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(box.dataset.url, {
        credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(5000),
      });
      if (answer.type === "opaqueredirect") {
        clearInterval(timer);
        away("You are signed out: load the page again.");
      } else if (!answer.ok) throw new Error(answer.statusText);
      else { show(await answer.text()); awaySince = null; }
    } catch {
      awaySince ??= new Date();
      away(`The server has not answered since ${window.orcaClock(awaySince)}: what this page shows is from before.`);
    } finally {
      asking = false;
      tell();
    }
  };

  const timer = setInterval(ask, seconds * 1000);
  document.addEventListener("visibilitychange", ask);
  ask();
};
document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("orca-alerts");
  if (box) watchAlerts(box);
});

// "3 min ago" stays true while a page is open: as orchestration/theme/words.py says it. The exact time is the title.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const saidAgo = (at, now) => {
  const total = (now - at) / 1000;
  const away = Math.abs(total);
  const [unit, name] = UNITS.find(([each]) => away >= each) ?? [1, "s"];
  const short = `${Math.floor(away / unit)} ${name}`;
  return total >= 0 ? `${short} ago` : `in ${short}`;
};
const tellAgo = () => {
  if (document.hidden) return;
  for (const shown of document.querySelectorAll("time.orca-ago")) {
    const at = new Date(shown.dateTime);
    if (Math.abs(Date.now() - at) < 30 * 86400e3) shown.textContent = saidAgo(at, Date.now());
  }
};
setInterval(tellAgo, 10000);
document.addEventListener("visibilitychange", tellAgo);

// Ids are copied whole with one click, however short they are shown.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.dataset.copied = "yes";
    setTimeout(() => delete button.dataset.copied, 1500);
  } catch {
    window.prompt("Copy:", button.dataset.copy); // without https, browsers give no clipboard
  }
});

// Beside a short id stands the button that copies the whole. It is made here, so that lists need not carry it in every
// row, and is passed over by Tab: in a list, y copies the id of the row.
const addCopyButtons = (root) => {
  for (const shown of root.querySelectorAll("[data-id]")) {
    const place = shown.closest("a") ?? shown;
    if (place.nextElementSibling?.dataset.copy) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "orca-copy";
    button.tabIndex = -1;
    button.dataset.copy = shown.dataset.id;
    button.setAttribute("aria-label", `Copy ${shown.dataset.id}`);
    button.innerHTML = '<span class="material-symbols-outlined" aria-hidden="true">content_copy</span>';
    place.after(button);
  }
};
document.addEventListener("DOMContentLoaded", () => addCopyButtons(document));
document.addEventListener("htmx:load", (event) => addCopyButtons(event.target)); // what a page replaces by itself

// How much of the screen is covered by what stays in sight, for the style sheet.
const measureCovered = () => {
  for (const [name, bar] of [["--orca-over", ".orca-head"], ["--orca-under", ".orca-decide"]]) {
    const height = document.querySelector(bar)?.offsetHeight;
    if (height) document.documentElement.style.setProperty(name, `${height + 8}px`);
    else document.documentElement.style.removeProperty(name);
  }
};
document.addEventListener("DOMContentLoaded", () => new ResizeObserver(measureCovered).observe(document.body));

// The tabs of a page: without this, all of them are below each other. The address names the tab, or something in it.
const showTabs = (bar) => {
  const tabs = [...bar.querySelectorAll("a")];
  const panelOf = (tab) => document.getElementById(tab.hash.slice(1));
  bar.setAttribute("role", "tablist");
  for (const tab of tabs) {
    const panel = panelOf(tab);
    tab.id ||= `tab-${panel.id}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
  }
  const choose = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      panelOf(tab).hidden = tab !== chosen;
    }
  };
  const follow = () => {
    const wanted = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const chosen = tabs.find((tab) => wanted && panelOf(tab).contains(wanted));
    if (!chosen && wanted) return;
    choose(chosen ?? tabs[0]);
    if (chosen && wanted !== panelOf(chosen)) wanted.scrollIntoView();
  };
  bar.addEventListener("click", (event) => {
    const tab = event.target.closest("a");
    if (!tab) return;
    event.preventDefault(); // the page stays where it is
    history.replaceState(history.state, "", tab.hash);
    choose(tab);
  });
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  window.addEventListener("hashchange", follow);
  follow();
};
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".orca-tabs").forEach(showTabs));

// The keyboard: g and a letter opens a page of the menu; j, k, x, a, y and Enter are for the rows of a list; ? says so.
// A page with keys of its own has them on its buttons, links and fields, as data-key, and says in data-key-says what for.
const places = () => [...document.querySelectorAll("[data-place]")]; // of the menu, which knows their letters
const OF_LISTS = [
  ["/", "search this list"], ["j, k", "next and previous row"], ["x", "select the row"],
  ["a", "what to do with the selected rows"], ["Enter", "open the row"], ["y", "copy the id of the row"],
];
const everywhere = () => [
  ...places().map((link) => [`g ${link.dataset.place}`, link.querySelector("[data-title]").textContent]),
  ...(document.getElementById("nav-filter") ? [["t", "search the menu"]] : []), ["?", "these keys"], ["Esc", "close"],
];
const ofThisPage = () => [...document.querySelectorAll("[data-key-says]")].map((each) => [each.dataset.key, each.dataset.keySays]);
const keyboard = () => {
  let leads = 0;
  const ROWS = "#result_list tbody tr, article.orca-card"; // groups of failures are the rows of their page
  const rows = () => [...document.querySelectorAll(ROWS)];
  const linkOf = (row) => row.querySelector("th a, a.orca-row-link, td a, a[href], button");
  const current = () => document.activeElement?.closest(ROWS);
  const isWriting = (target) => target.isContentEditable || target.matches?.("input:not([type=checkbox]), textarea, select");

  const step = (by) => {
    const all = rows();
    const at = all.indexOf(current());
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) linkOf(next)?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  const help = () => {
    const dialog = document.getElementById("orca-keys") ?? document.createElement("dialog");
    if (!dialog.id) {
      dialog.id = "orca-keys";
      dialog.className = "orca-keys";
      dialog.setAttribute("aria-labelledby", "orca-keys-title");
      dialog.innerHTML = '<h2 id="orca-keys-title">Keys</h2><dl></dl><form method="dialog"><button>Close</button></form>';
      document.body.append(dialog);
    }
    const own = ofThisPage();
    dialog.querySelector("dl").replaceChildren(...[...(own.length ? own : OF_LISTS), ...everywhere()].map(([key, what]) => {
      const line = document.createElement("div");
      line.appendChild(document.createElement("dt")).textContent = key;
      line.appendChild(document.createElement("dd")).textContent = what;
      return line;
    }));
    dialog.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target) || document.querySelector("dialog[open]")) return;
    const wasLed = Date.now() - leads < 1500;
    leads = 0;
    if (wasLed && /^[a-fh-z]$/.test(event.key)) { // a page that this person has not in the menu is none
      const link = places().find((each) => each.dataset.place === event.key);
      if (link) location.assign(link.href);
      event.preventDefault();
      event.stopPropagation(); // the theme has keys of its own, on the window
      return;
    }
    const own = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (own) {
      event.preventDefault();
      if (!event.repeat) own.matches("input, textarea, select") ? own.focus() : own.click();
    } else if (event.key === "g") leads = Date.now();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "x") current()?.querySelector("input.action-select")?.click();
    else if (event.key === "y") current()?.querySelector("[data-copy]")?.click();
    else if (event.key === "a") { event.preventDefault(); focusable(document).find((each) => each.name === "action")?.focus(); }
    else if (event.key === "?") { event.preventDefault(); help(); }
  });
};
document.addEventListener("DOMContentLoaded", keyboard);
