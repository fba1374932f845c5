/* The enterprise record page: each scan is sent at once, in order, and answered by colour, sound and vibration.
   All words stand in the page. */

import { attachScanField } from "./scan-field.js";
import { play, unlock } from "./signals.js";

const SENT_AT_MOST_MS = 15000;
const STOP_AGAIN_MS = 3000;
const ROWS = 20;

const form = document.querySelector("form.scan");
const input = form.querySelector(".scan-field");
const panel = document.querySelector("#last");
const list = document.querySelector(".done ul");
const dialog = document.querySelector("dialog.stopped");
const waiting = []; /* scans come faster than answers; each keeps the step and place it was read for */
let sending = false;

document.documentElement.classList.add("scripted");
const field = attachScanField(input, read, (ready) => {
  input.classList.toggle("lost", !ready);
  notice("lost", !ready);
});
for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, unlock, { once: true });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  field.finish();
});
form.addEventListener("change", (event) => {
  if (event.target !== input) field.takeFocus();
});
dialog.addEventListener("close", () => {
  field.takeFocus();
  next();
});

function read(code, { folded }) {
  notice("folded", folded);
  const body = new FormData(form);
  body.set("code", code);
  waiting.push(body);
  next();
}

async function next() {
  if (sending || dialog.open || waiting.length === 0) return;
  sending = true;
  panel.setAttribute("aria-busy", "true");
  const body = waiting.shift();
  const answer = await send(body);
  panel.removeAttribute("aria-busy");
  sending = false;
  show(answer);
  next();
}

/* The server's answer, or what went wrong on the way; a scan without an answer is never shown as recorded. */
async function send(body) {
  const failed = (why) => ({ outcome: "caution", code: body.get("code"), message: words(why) });
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), SENT_AT_MOST_MS);
  try {
    const response = await fetch(location.href, {
      method: "POST", body, headers: { Accept: "application/json" }, redirect: "manual", signal: giveUp.signal,
    });
    if (response.type === "opaqueredirect" || response.status === 401) return failed("signed-out");
    const answer = await response.json();
    if (answer && answer.outcome) return answer;
    return { ...failed("refused"), message: (answer && answer.detail) || words("refused") };
  } catch (error) {
    return failed(error instanceof SyntaxError ? "refused" : "offline");
  } finally {
    clearTimeout(timer);
  }
}

function show(answer) {
  const known = document.querySelector(`template[data-answer="${CSS.escape(answer.outcome)}"]`);
  const outcome = known ? answer.outcome : "caution";
  const big = copy(`template[data-answer="${outcome}"]`, answer);
  panel.replaceChildren(big);
  const row = copy(`template[data-row="${outcome}"]`, answer);
  if (answer.path) link(row.querySelector(".state"), answer.path);
  list.prepend(row);
  while (list.children.length > ROWS) list.lastElementChild.remove();
  play(outcome);
  if (outcome === "stop") stop(answer);
}

function stop(answer) {
  fill(dialog, answer);
  dialog.showModal();
  dialog.querySelector("#stopped-why").focus(); /* not on the button: a scanner's Enter must press nothing */
  setTimeout(() => { if (dialog.open) play("stop"); }, STOP_AGAIN_MS);
}

/* While a stop is open the field behind it takes nothing. A scan is dropped, audibly, and its Enter presses nothing. */
dialog.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.tagName === "BUTTON") return;
  event.preventDefault();
  play("unread");
});

function copy(selector, answer) {
  const part = document.querySelector(selector).content.firstElementChild.cloneNode(true);
  fill(part, answer);
  return part;
}

function fill(part, answer) {
  for (const slot of part.querySelectorAll("[data-slot]")) {
    const value = answer[slot.dataset.slot] || "";
    slot.textContent = slot.dataset.slot === "code" && value.length > 5 ? `…${value.slice(-5)}` : value;
  }
}

function link(state, path) {
  const address = new URL(path, location.href);
  if (address.origin !== location.origin) return;
  const lang = new URLSearchParams(location.search).get("lang");
  if (lang) address.searchParams.set("lang", lang);
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.textContent = state.textContent;
  state.replaceChildren(anchor);
}

function notice(name, on) {
  form.querySelector(`[data-notice="${name}"]`).hidden = !on;
}

function words(why) {
  return document.querySelector(`template[data-failed="${why}"]`).content.textContent;
}

/* Day and night are chosen by the person and kept on this device. */
const root = document.documentElement;
const theme = document.querySelector("[data-theme-switch]");
theme.hidden = false;
if (localStorage.getItem("theme") === "night") root.dataset.theme = "night";
theme.addEventListener("click", () => {
  if (root.dataset.theme === "night") delete root.dataset.theme;
  else root.dataset.theme = "night";
  localStorage.setItem("theme", root.dataset.theme || "day");
  field.takeFocus();
});
