/* A field that a scanner types into (interface guide, section 4.1). Gives whole codes, with U+001D where the
   symbol has a separator, whichever way the scanner's firmware spells it. */

const GS = "\u001d";
const SPELLINGS_OF_GS = ["␝", "{GS}", "<GS>", "~029"];
const SILENCE_MS = 80; /* the end of a scan that sends no Enter */
const MEAN_GAP_MS = 35; /* people are slower */
const MIN_LENGTH = 6;
const SAME_CODE_MS = 2500; /* one trigger pull can read twice */
const BACK_TO_FOCUS_MS = 300;

/* Full-width characters to half-width: the code came through a Chinese input method. */
export function fold(text) {
  return text
    .replace(/[\uff01-\uff5e]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0))
    .replace(/\u3002/g, ".")
    .replace(/\u3000/g, " ");
}

/* What was typed, as the code it stands for. */
export function normalise(text) {
  for (const spelling of SPELLINGS_OF_GS) text = text.split(spelling).join(GS);
  return fold(text).replace(/^[\r\n\t ]+|[\r\n\t ]+$/g, "");
}

/* onScan(code, {folded}); onFocus(ready) when the field gains or loses the scanner. finish() ends a code by hand. */
export function attachScanField(input, onScan, onFocus = () => {}) {
  let first = 0;
  let latest = 0;
  let presses = 0;
  let silence = 0;
  let altCode = "";
  let composing = false;
  let previous = { code: "", at: -Infinity };

  function finish() {
    clearTimeout(silence);
    presses = 0;
    const typed = input.value;
    const code = normalise(typed);
    input.value = "";
    if (!code) return;
    const at = performance.now();
    const again = code === previous.code && at - previous.at < SAME_CODE_MS;
    previous = { code, at };
    if (!again) onScan(code, { folded: fold(typed) !== typed });
  }

  function arrived(count) {
    const at = performance.now();
    if (presses === 0) first = at;
    latest = at;
    presses += count;
    clearTimeout(silence);
    silence = setTimeout(() => {
      const mean = (latest - first) / Math.max(1, presses - 1);
      if (!composing && input.value.length >= MIN_LENGTH && mean < MEAN_GAP_MS) finish();
      else presses = 0;
    }, SILENCE_MS);
  }

  function insert(text) {
    input.setRangeText(text, input.selectionStart, input.selectionEnd, "end");
    arrived(text.length);
  }

  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return; /* 229: the text comes as input */
    if (event.key === "Enter" || (event.key === "Tab" && presses >= MIN_LENGTH)) {
      event.preventDefault();
      finish();
    } else if (event.key === GS || (event.ctrlKey && (event.key === "]" || event.code === "BracketRight"))) {
      event.preventDefault();
      insert(GS);
    } else if (event.altKey && /^Numpad\d$/.test(event.code)) {
      event.preventDefault();
      altCode = (altCode + event.code.slice(-1)).slice(-3);
      if (altCode === "029") {
        altCode = "";
        insert(GS);
      }
    } else if (event.altKey && !event.ctrlKey && !event.metaKey && event.key.length === 1) {
      /* Some firmware sets Alt on every key, and the browser then inserts nothing. */
      event.preventDefault();
      insert(event.key);
    }
  });
  input.addEventListener("input", (event) => {
    if (!event.isComposing) arrived(Math.max(1, (event.data || "").length));
  });
  input.addEventListener("compositionstart", () => { composing = true; });
  input.addEventListener("compositionend", () => { composing = false; });

  input.addEventListener("focus", () => onFocus(true));
  input.addEventListener("blur", () => {
    onFocus(false);
    input.inputMode = "none";
    setTimeout(() => {
      const other = document.activeElement;
      const wanted = other && other !== document.body && other !== document.documentElement;
      if (!wanted && !document.querySelector("dialog[open]")) input.focus({ preventScroll: true });
    }, BACK_TO_FOCUS_MS);
  });
  /* A tap on the field that has focus already asks for the keyboard. */
  input.addEventListener("pointerdown", () => {
    if (document.activeElement === input) input.inputMode = "text";
  });
  onFocus(document.activeElement === input);
  return {
    finish,
    takeFocus: () => {
      input.focus({ preventScroll: true });
      /* After a tap on a dialog's button Chromium gives the focus back but not the caret, and keys land nowhere. */
      input.select();
    },
  };
}
