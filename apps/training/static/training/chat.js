"use strict";
// What a trainee does in the chat. A message is shown at once and sent in the background, one after the other, each with
// a key of its own; what could not be sent comes back into the box, or stays in the log with "Send again". Until the
// server has it, it is in sessionStorage, so that neither a reload nor a sign-in loses it.
const outgoing = document.getElementById("outgoing");
const session = live.getAttribute("hx-get");
const outboxKey = `outbox:${document.body.dataset.user}:${session}`;
let outbox = drafts.read(outboxKey) || [];  // {key, text, url, draft, why, state: "sending" | "sent" | "failed"}
let isSending = false;

const box = () => document.getElementById("content");
const sayForm = () => document.getElementById("say");

function keepOutbox() {
  drafts.write(outboxKey, outbox.length ? outbox : null);
}

function bubble(item) {
  const row = document.createElement("li");
  row.className = "message ours";
  row.dataset.outgoing = item.key;
  const body = document.createElement("div");
  body.className = "body";
  const text = document.createElement("div");
  text.className = "bubble text";
  text.textContent = item.text;
  const state = document.createElement("div");
  state.className = item.state === "failed" ? "delivery failed" : "delivery";
  if (item.state === "failed") {
    state.setAttribute("role", "alert");
    const why = document.createElement("p");
    why.append(Object.assign(document.createElement("strong"), { textContent: "Not sent." }), ` ${item.why}`);
    const actions = document.createElement("div");
    actions.className = "actions";
    actions.append(action("Send again", "again", item), action("Delete", "drop", item));
    state.append(why, actions);
  } else {
    state.innerHTML = '<i class="icon" data-icon="schedule" aria-hidden="true"></i><span class="visually-hidden">Sending</span>';
  }
  body.append(text, state);
  row.append(body);
  return row;
}

function action(label, what, item) {
  return Object.assign(document.createElement("button"), { type: "button", className: "small", textContent: label, onclick: () => outgoingActions[what](item) });
}

const outgoingActions = {
  again() {
    for (const each of outbox) each.state = each.state === "failed" ? "sending" : each.state;
    showOutgoing();
    sendNext();
  },
  drop(item) {
    outbox = outbox.filter((each) => each !== item);
    keepOutbox();
    showOutgoing();
    box()?.focus();
  },
};

const isInLog = (key) => document.querySelector(`#messages [data-client="${CSS.escape(key)}"]`) !== null;

/** The bubbles of what the log does not have yet. */
function showOutgoing() {
  outbox = outbox.filter((item) => !isInLog(item.key));
  keepOutbox();
  keepFocus(outgoing, () => outgoing.replaceChildren(...outbox.map(bubble))); // of focus.js
  const form = sayForm();
  if (form?.dataset.keyOf !== undefined && isInLog(form.querySelector("[data-key]").value)) {  // it had arrived after all
    if (box().value === form.dataset.keyOf) box().value = "";
    delete form.dataset.keyOf;
    form.querySelector("[data-key]").value = freshKey();
    drafts.save(form);
    say(form.parentElement, "");
  }
}

/** Put a message that was not taken back into the box, or into its draft while there is no box; false: it is in use. */
function putBack(item) {
  const form = sayForm();
  const kept = `draft:${document.body.dataset.user}:${item.draft}`;
  if (outbox.length !== 1 || (form ? box().value : drafts.read(kept))) return false;
  outbox = [];
  if (!form) {
    drafts.write(kept, { content: item.text });
    return true;
  }
  box().value = item.text;
  form.querySelector("[data-key]").value = item.key;
  form.dataset.keyOf = item.text;
  drafts.save(form);
  return true;
}

function failed(item, why) {
  item.state = "failed";
  item.why = why;
  const form = sayForm();
  if (!putBack(item)) { /* it stays in the log */ } else if (form) say(form.parentElement, why);
  else toast(why, "warn");
  showOutgoing();
}

async function sendNext() {
  const item = outbox.find((each) => each.state === "sending");
  const before = outbox.find((each) => each.state === "failed");
  if (isSending || !item || before) return;
  isSending = true;
  try {
    const answer = await fetch(item.url, {
      method: "POST",
      headers: { "HX-Request": "true", "HX-Current-URL": location.href, "X-CSRFToken": csrfToken() || "" },
      body: new URLSearchParams({ content: item.text, client_id: item.key }),
    });
    if (answer.status === 401 && answer.headers.get("HX-Redirect")) {  // signed out elsewhere: it is a draft again
      if (!putBack(item)) item.state = "failed";
      keepOutbox();
      location.assign(answer.headers.get("HX-Redirect"));
      return;
    }
    if (answer.ok) {
      item.state = "sent";
      keepOutbox();
      refresh();
    } else {
      failed(item, refusal(answer.status, answer.headers.get("Content-Type"), await answer.text()));
    }
  } catch {
    failed(item, refusal(0));
  } finally {
    isSending = false;
  }
  sendNext();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id !== "say") return;
  event.preventDefault();
  const text = box().value.trim();
  if (!text) return;
  const key = form.querySelector("[data-key]");
  if (form.dataset.keyOf !== undefined && form.dataset.keyOf !== box().value) key.value = freshKey();
  outbox.push({ key: key.value, text, url: form.action, draft: form.dataset.draft, state: "sending" });
  for (const each of outbox) if (each.state === "failed") each.state = "sending";
  key.value = freshKey();
  delete form.dataset.keyOf;
  box().value = "";
  drafts.save(form);
  say(form.parentElement, "");
  showOutgoing();
  toEnd();
  sendNext();
});

new MutationObserver(showOutgoing).observe(document.getElementById("messages"), { childList: true });

// After a reload: what was on its way is sent again under its key, which changes nothing if it had arrived.
for (const item of outbox) if (item.state === "sent") item.state = "sending";
showOutgoing();
sendNext();

// --- the end of the time: nothing can be written, and nothing needs to be ended now --------------------------------

document.addEventListener("time-is-up", () => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  const place = document.getElementById("composer");
  const closed = Object.assign(document.createElement("p"), { className: "composer closed", textContent: "Time is up. The session is ending." });
  keepFocus(place, () => place.replaceChildren(closed));
  place.dataset.version = "time-is-up";
  document.querySelector("[data-end]")?.remove();
  tell("Time is up.");
});

// --- a dialog closes when what it is for is over ----------------------------------------------------------------------

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "composer" || sayForm()) return;
  for (const dialog of document.querySelectorAll("dialog[open]")) if (dialog.id !== "end-dialog" || !document.querySelector("[data-end]")) dialog.close();
});

// --- results that have come since the record was looked at -----------------------------------------------------------

const seenResults = new Set([...document.querySelectorAll("[data-result]")].map((row) => row.dataset.result));
const panel = document.getElementById("panel");

function markNew() {
  const rows = [...document.querySelectorAll("#facts [data-result]")];
  const fresh = rows.filter((row) => !seenResults.has(row.dataset.result));
  for (const row of fresh) row.classList.add("is-new");
  for (const count of document.querySelectorAll("[data-new-results]")) {
    count.hidden = fresh.length === 0;
    count.textContent = fresh.length ? String(fresh.length) : "";
  }
}

function lookedAt() {
  for (const row of document.querySelectorAll("#facts [data-result]")) seenResults.add(row.dataset.result);
  for (const count of document.querySelectorAll("[data-new-results]")) count.hidden = true;
}

document.addEventListener("htmx:oobAfterSwap", (event) => { if (["facts", "head"].includes(event.detail.target.id)) markNew(); });
panel.addEventListener("click", lookedAt);
panel.addEventListener("toggle", (event) => { if (event.newState === "closed") lookedAt(); });
document.getElementById("panel-body").addEventListener("scroll", () => { lookedAt(); markSection(); }, { passive: true });

/** The link of the section at the top of the record is the current one; a click says so of a section that fits below. */
function markSection(chosen) {
  const links = [...document.querySelectorAll(".panel-head a")];
  const top = document.getElementById("panel-body").getBoundingClientRect().top + 48;
  const above = links.filter((link) => document.querySelector(link.hash)?.getBoundingClientRect().top < top);
  const current = chosen || above.at(-1) || links[0];
  for (const link of links) link.toggleAttribute("aria-current", link === current);
}

panel.addEventListener("click", (event) => {
  const link = event.target.closest(".panel-head a");
  if (link) setTimeout(() => markSection(link));  // after the jump, which scrolls
});
markSection();

// --- the height that a phone's keyboard leaves, where the browser does not say so in CSS -----------------------------

if (window.visualViewport) {
  const fit = () => {
    if (visualViewport.scale < 1.01) document.documentElement.style.setProperty("--visible", `${visualViewport.height}px`);
  };
  visualViewport.addEventListener("resize", fit);
  fit();
}
