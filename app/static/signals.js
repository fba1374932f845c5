/* How a scan answers to ear and hand (interface guide, section 5). Told apart by count, length and rhythm:
   small speakers and market noise leave little of the pitch. */

/* tones: [frequency Hz, length ms, gap after ms]. Square waves carry bad news, triangle waves good. */
export const SIGNALS = {
  ok: { wave: "triangle", gain: 0.6, tones: [[2093, 90, 0]], vibration: [60] },
  complete: { wave: "triangle", gain: 0.6, tones: [[1568, 70, 20], [2093, 70, 20], [2637, 120, 0]], vibration: [60, 40, 60, 40, 120] },
  duplicate: { wave: "triangle", gain: 0.6, tones: [[1568, 50, 60], [1568, 50, 0]], vibration: [50, 60, 50] },
  caution: { wave: "square", gain: 0.6, tones: [[1175, 160, 100], [1175, 160, 0]], vibration: [160, 100, 160] },
  stop: {
    wave: "square", gain: 1.0,
    tones: [[988, 180, 0], [740, 180, 0], [988, 180, 0], [740, 180, 0], [988, 180, 0], [740, 180, 0]],
    vibration: [400, 120, 400, 120, 400],
  },
  kept: { wave: "triangle", gain: 0.6, tones: [[2093, 90, 40], [1047, 90, 0]], vibration: [60, 40, 30] },
  unread: { wave: "square", gain: 0.6, tones: [[392, 240, 0]], vibration: [250] },
};

const ATTACK_S = 0.005;
const RELEASE_S = 0.025;
let audio = null;

/* Sound needs a tap or a key press once; call from any of them. */
export function unlock() {
  const Context = globalThis.AudioContext || globalThis.webkitAudioContext;
  if (!audio && Context) audio = new Context();
  if (audio && audio.state === "suspended") audio.resume();
}

/* Puts the tones of a signal on a context's time line; apart from play(), so that it can be rendered offline. */
export function schedule(name, context, start) {
  const { wave, gain, tones } = SIGNALS[name];
  let at = start;
  for (const [frequency, length, gap] of tones) {
    const end = at + length / 1000;
    const tone = context.createOscillator();
    const level = context.createGain();
    tone.type = wave;
    tone.frequency.value = frequency;
    level.gain.setValueAtTime(0, at);
    level.gain.linearRampToValueAtTime(gain, at + ATTACK_S);
    level.gain.setValueAtTime(gain, Math.max(at + ATTACK_S, end - RELEASE_S));
    level.gain.linearRampToValueAtTime(0, end);
    tone.connect(level).connect(context.destination);
    tone.start(at);
    tone.stop(end);
    at = end + gap / 1000;
  }
}

/* Sounds and vibrates. Without either the flood on the screen still says it. */
export function play(name) {
  const signal = SIGNALS[name] || SIGNALS.caution;
  if (navigator.vibrate) navigator.vibrate(signal.vibration);
  if (audio && audio.state === "running") schedule(name in SIGNALS ? name : "caution", audio, audio.currentTime);
}
