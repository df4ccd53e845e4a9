"use strict";
// Ordering: a search through the catalogue by name and synonym, with what was chosen as chips. The text area of the form,
// one test per line, is what is sent, and what people without scripts write into.
{
  const form = document.querySelector("form[data-orders]");
  const catalogue = document.getElementById("catalogue");
  if (form && catalogue) enhance(form, JSON.parse(catalogue.textContent));

  function enhance(form, { tests, sets }) {
    const area = form.querySelector("textarea");
    const label = form.querySelector(`label[for="${area.id}"]`);
    const search = Object.assign(document.createElement("input"), { type: "text", id: "test-search", autocomplete: "off", autofocus: true, placeholder: "Search, or write any test" });
    const options = Object.assign(document.createElement("ul"), { id: "test-options", className: "options", hidden: true });
    const chips = Object.assign(document.createElement("ul"), { className: "chips" });
    const offered = Object.assign(document.createElement("div"), { className: "sets" });
    for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": "test-options", "aria-autocomplete": "list", "aria-describedby": "order-errors" })) search.setAttribute(name, value);
    options.setAttribute("role", "listbox");
    options.setAttribute("aria-label", "Tests");
    chips.setAttribute("aria-label", "Chosen tests");
    label.htmlFor = search.id;
    form.querySelector("#tests-help").remove();
    area.hidden = true;
    area.removeAttribute("aria-describedby");
    area.before(chips, search, options, offered);
    for (const set of sets) offered.append(button(set.name, () => choose(set.tests), "set"));

    let active = -1;

    const chosen = () => area.value.split("\n").map((line) => line.trim()).filter(Boolean);

    function button(text, onclick, className) {
      return Object.assign(document.createElement("button"), { type: "button", textContent: text, onclick, className });
    }

    function put(names) {
      area.value = names.join("\n");
      drafts.save(form);
      showChips();
    }

    function choose(names) {
      const have = new Set(chosen().map((name) => name.toLowerCase()));
      put([...chosen(), ...names.filter((name) => !have.has(name.toLowerCase()))]);
      search.value = "";
      close();
      search.focus();
    }

    function showChips() {
      chips.replaceChildren(...chosen().map((name) => {
        const chip = document.createElement("li");
        const remove = button("", () => { put(chosen().filter((each) => each !== name)); search.focus(); }, "ghost");
        remove.setAttribute("aria-label", `Remove ${name}`);
        remove.innerHTML = '<i class="icon" data-icon="close" aria-hidden="true"></i>';
        chip.append(name, remove);
        return chip;
      }));
    }

    const words = (text) => text.trim().toLowerCase().split(/[\s(/-]+/).filter(Boolean);
    /** Whether a word of the text, and what follows it, begins so. */
    const begins = (text, wanted) => words(text).some((_, place, all) => all.slice(place).join(" ").startsWith(wanted));

    /** What matches, the best first: a name that begins so, then a word of it that does, then a synonym. */
    function found(wanted) {
      const entries = [...sets.map((set) => ({ ...set, group: `Set of ${set.tests.length}` })), ...tests];
      const ranked = entries.map((entry) => {
        if (words(entry.name).join(" ").startsWith(wanted)) return { ...entry, rank: 0 };
        if (begins(entry.name, wanted)) return { ...entry, rank: 1 };
        const synonym = (entry.synonyms || []).find((each) => begins(each, wanted));
        return synonym ? { ...entry, rank: 2, synonym } : { ...entry, rank: 9 };
      });
      return ranked.filter((entry) => entry.rank < 9).sort((one, two) => one.rank - two.rank).slice(0, 8);
    }

    function show() {
      const written = search.value.trim();
      const entries = written ? found(words(written).join(" ")) : [];
      const isKnown = entries.some((entry) => entry.name.toLowerCase() === written.toLowerCase());
      if (written && !isKnown) entries.push({ name: written, group: "As written" });
      options.replaceChildren(...entries.map((entry, place) => {
        const option = document.createElement("li");
        option.id = `test-option-${place}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.append(entry.name, Object.assign(document.createElement("small"), { textContent: [entry.synonym, entry.group].filter(Boolean).join(" · ") }));
        option.onclick = () => choose(entry.tests || [entry.name]);
        return option;
      }));
      options.hidden = entries.length === 0;
      search.setAttribute("aria-expanded", String(!options.hidden));
      activate(entries.length ? 0 : -1);
    }

    function activate(place) {
      active = place;
      [...options.children].forEach((option, each) => option.setAttribute("aria-selected", String(each === place)));
      if (place < 0) search.removeAttribute("aria-activedescendant");
      else search.setAttribute("aria-activedescendant", options.children[place].id);
      options.children[place]?.scrollIntoView({ block: "nearest" });
    }

    function close() {
      options.hidden = true;
      search.setAttribute("aria-expanded", "false");
      activate(-1);
    }

    search.addEventListener("input", show);
    search.addEventListener("keydown", (event) => {
      const count = options.hidden ? 0 : options.children.length;
      if (event.key === "ArrowDown" && count) { event.preventDefault(); activate((active + 1) % count); }
      else if (event.key === "ArrowUp" && count) { event.preventDefault(); activate((active + count - 1) % count); }
      else if (event.key === "Enter" && search.value.trim()) { event.preventDefault(); options.children[Math.max(active, 0)]?.click(); }
      else if (event.key === "Escape" && count) { event.preventDefault(); event.stopPropagation(); close(); }
      else if (event.key === "Backspace" && !search.value) put(chosen().slice(0, -1));
    });
    area.addEventListener("input", showChips);  // a draft was put back
    form.addEventListener("submit", (event) => {
      if (search.value.trim()) { put([...chosen(), search.value.trim()]); search.value = ""; close(); }
      if (chosen().length) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      say(form, "Choose at least one test.");
      search.focus();
    }, true);
    document.body.addEventListener("htmx:afterRequest", (event) => { if (event.detail.elt === form) showChips(); });
    showChips();
  }
}
