/* Fetches the proof of a thing and has it checked on this phone. Three answers: it holds, it does not, it could not
   be checked here. The third is never shown as one of the others. All words stand in the page. */

const panel = document.querySelector("#proof[data-proof]");
const button = panel && panel.querySelector("[data-check]");
const FETCH_AT_MOST_MS = 20000;
let busy = false;

if (button) {
  button.hidden = false;
  button.addEventListener("click", check);
  /* Asked for by looking: the package is fetched when the panel comes into view, unless data is to be saved. */
  const saving = navigator.connection && navigator.connection.saveData;
  if ("IntersectionObserver" in window && !saving) {
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      check();
    });
    seen.observe(panel);
  }
}

async function check() {
  if (busy) return;
  busy = true;
  show("checking");
  const result = await verdict();
  show(["valid", "invalid"].includes(result.outcome) ? result.outcome : "unchecked");
  if (result.outcome === "valid") lines(result);
  /* The verdict above stands on a record that does not hold: say so first. */
  if (result.outcome === "invalid") document.querySelector("#proof-bad").hidden = false;
  details(result);
  button.hidden = result.outcome === "valid" || result.outcome === "invalid";
  busy = false;
}

async function verdict() {
  const { proof, path, origin, logKey, policy } = panel.dataset;
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), FETCH_AT_MOST_MS);
  try {
    const { verifyPackage } = await import("./verify.js");
    const response = await fetch(proof, { headers: { Accept: "application/json" }, signal: giveUp.signal });
    if (!response.ok) throw new Error(`${proof}: expected 200, got ${response.status}`);
    const expected = { path, origin: origin || undefined, logKey: logKey || undefined, policy: policy || undefined };
    return await verifyPackage(await response.json(), expected);
  } catch (error) {
    return { outcome: "unchecked", checks: [], detail: String(error.message || error) };
  } finally {
    clearTimeout(timer);
  }
}

function show(answer) {
  for (const part of panel.querySelectorAll("[data-answer]")) part.hidden = part.dataset.answer !== answer;
}

/* Says no more than was proven: the steps counted by the check, not those counted by the server. */
function lines(result) {
  const claimed = Number(panel.dataset.steps);
  const proven = Number(result.steps) || 0;
  const when = (name, on) => { panel.querySelector(`[data-when="${name}"]`).hidden = !on; };
  const part = panel.querySelector('[data-when="part"] span');
  part.textContent = part.textContent.replace("{steps}", String(proven));
  when("all", proven === claimed);
  when("part", proven !== claimed);
  when("signed", !result.attested);
  when("attested", Boolean(result.attested));
}

function details(result) {
  const box = panel.querySelector('[data-answer="detail"]');
  const list = box.querySelector("ul");
  const said = (result.checks || []).map((one) => `${one.id}: ${one.ok ? "ok" : "failed"}${one.detail ? ` - ${one.detail}` : ""}`);
  if (result.origin) said.push(`origin: ${result.origin}`);
  if (result.size) said.push(`tree size: ${result.size}`);
  if (result.detail) said.push(result.detail);
  list.replaceChildren(...said.map((text) => {
    const row = document.createElement("li");
    row.textContent = text;
    return row;
  }));
  box.hidden = said.length === 0;
}
