// Search with help: while you type, the list below the field offers completions of the term. Arrow keys and Enter choose.
const suggestTo = (input, url) => {
  const list = document.createElement("ul");
  list.id = "orca-suggestions";
  list.className = "orca-suggestions";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  input.form.classList.add("orca-suggesting");
  input.form.append(list);
  for (const [name, value] of Object.entries({
    role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
  })) input.setAttribute(name, value);
  if (!input.labels?.length && !input.hasAttribute("aria-label")) input.setAttribute("aria-label", "Search");
  let asked = 0;
  let waiting = null;
  let active = -1;
  let isOld = false; // what is listed belongs to an earlier text
  let goesDown = false; // chosen as soon as the list is there

  const options = () => [...list.children];
  const close = () => {
    asked += 1;
    clearTimeout(waiting); // what was about to be asked would open it again
    isOld = goesDown = false;
    active = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (at) => {
    active = at;
    options().forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
    const option = options()[at];
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };
  const choose = (option) => {
    input.value = option.dataset.text;
    input.focus();
    if (option.dataset.more) ask();
    else close();
  };
  const show = (items) => {
    list.replaceChildren(...items.map((item, index) => {
      const option = document.createElement("li");
      option.id = `orca-suggestion-${index}`;
      option.setAttribute("role", "option");
      option.dataset.text = item.text;
      option.dataset.more = item.more ? "yes" : "";
      option.appendChild(document.createElement("span")).textContent = item.term;
      const note = option.appendChild(document.createElement("span"));
      note.className = "orca-muted";
      note.textContent = item.note;
      option.addEventListener("mousedown", (event) => { event.preventDefault(); choose(option); });
      return option;
    }));
    mark(goesDown && items.length ? 0 : -1);
    isOld = goesDown = false;
    list.hidden = !items.length;
    input.setAttribute("aria-expanded", String(items.length > 0));
  };
  const ask = async () => {
    const mine = ++asked;
    try {
      const answer = await fetch(`${url}?${new URLSearchParams({ q: input.value })}`, {
        credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(3000),
      });
      const items = answer.ok ? (await answer.json()).items : [];
      if (mine === asked && document.activeElement === input) show(items);
    } catch {
      if (mine === asked) close(); // one can search without
    }
  };

  input.addEventListener("input", () => { isOld = true; mark(-1); clearTimeout(waiting); waiting = setTimeout(ask, 120); });
  input.addEventListener("focus", ask);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const count = options().length;
    if (event.key === "Escape" && !list.hidden) { event.stopPropagation(); close(); }
    else if (event.key === "ArrowDown" && (list.hidden || isOld)) { event.preventDefault(); goesDown = true; if (!isOld) ask(); }
    else if (event.key === "Enter" && goesDown) event.preventDefault();
    else if (event.key === "ArrowDown") { event.preventDefault(); mark((active + 1) % count); }
    else if (event.key === "ArrowUp" && !list.hidden) { event.preventDefault(); mark((active > 0 ? active : count) - 1); }
    else if (event.key === "Enter" && !list.hidden && active >= 0) { event.preventDefault(); choose(options()[active]); }
  });
};
document.addEventListener("DOMContentLoaded", () => {
  const help = document.getElementById("orca-search-help");
  const input = document.getElementById("searchbar");
  if (help && input) suggestTo(input, help.dataset.suggest);
});

// Rows that came since the list was loaded are told of, and shown when one asks for them: nothing moves by itself.
const watchNewer = (box) => {
  const [link, told] = box.children;
  let asking = false;
  const ask = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(box.dataset.url, {
        credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(5000),
      });
      if (!answer.ok) throw new Error(answer.statusText);
      const { count, more } = await answer.json();
      if (!count && !more) return;
      link.textContent = count ? `${count}${more ? "+" : ""} new` : "Load again";
      const many = count ? "" : "thousands of newer rows came, some may match; ";
      told.textContent = `${many}as of ${window.orcaClock(new Date())}`;
      box.hidden = false;
    } catch {
      // What is said is as of when it was; that the server is away, the alerts say.
    } finally {
      asking = false;
    }
  };
  setInterval(ask, 1000 * box.dataset.seconds);
  document.addEventListener("visibilitychange", ask);
};
document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("orca-newer");
  if (box) watchNewer(box);
});
