/**
 * How long a place waits for what has to be sent again before it plays: a deeper jitter buffer, only where that helps.
 *
 * Rules
 * - Judged by sound, place by place: each has a sender of its own, whose line may be the bad one. What is lost on the way up comes
 *   late here and out of order, and the browser does not learn from that to wait for it.
 * - Deeper when sound had to be made up although it was asked for again (a hole is a cut: waiting would not have helped), and the
 *   deeper it is the more that takes. On a long way at once as deep as a repeat needs, and up to `PICTURE_STEP` also when only the
 *   picture stood still while it was asked for again: Chromium itself waits 200 ms for repeats, however long the way is (measured).
 *   Where the way of this end is short that is enough; more made the picture stand longer, and sound seconds late (measured).
 *   Back, a step at a time: when nothing has been asked for again for `CALM_S`, or when more than the first step has left nothing to
 *   make up and no picture to stand still for `CLEAN_S`. On a good line nothing is ever set. Picture and sound wait alike.
 * - Measured with 20 % random loss each way (lab/grid.py), sound made up and pictures a second of 24: at 100 ms round trip (two runs,
 *   the way up) 2.4 and 3.7 % → 1.2 and 0.6 % with 200 ms, 15 → 19; at 300 ms 12.8 % → 6.5 % with 200 ms and 2.2 % with 400 ms.
 *
 * W3C webrtc-extensions (jitterBufferTarget), webrtc-stats; time is counted in samples of sound, so a hidden page reads right.
 */

const STEPS_MS = [null, 200, 400, 600];
const PICTURE_STEP = 2; // a picture that hangs is not worth more delay of what is said
const STOOD = 0.08; // of a window
const REPEAT_MS = 60; // beside the round trip: until it is asked for, and sent
const WINDOW_S = 2;
const CALM_S = 20;
const CLEAN_S = 60;
const CLEAN = 0.002;
const MADE_UP = [0.01, 0.03, 0.03, 1]; // of a window's sound, by step: less is not worth waiting for
const HOLE = 0.25;
const RATE = 48_000; // of NetEq's and Firefox's sample counters

/** @typedef {{made: number, samples: number, asked: number, stood?: number, mended?: number}} Sound counters since the track began: samples made
 * up and in all, repeats asked for; of the picture beside it the seconds it stood still, and the repeats asked for */
/** @typedef {{step: number, since: Sound, calm: number, clean: number, settling: boolean}} Wait calm, clean: for how long (s);
 * settling: the buffer is still on its way to the last target */

/** The first step in which a repeat arrives in time. @param {number} rtt ms @param {number} most */
function enough(rtt, most) {
  const step = STEPS_MS.findIndex((ms) => ms !== null && ms >= rtt + REPEAT_MS);
  return step < 0 ? most : Math.min(step, most);
}

export class Patience {
  constructor() {
    /** @type {Map<string, Wait>} by number of the place */
    this.waits = new Map();
  }

  /** Another connection: its receivers are new and wait as long as browsers do. */
  begin() {
    this.waits.clear();
  }

  /** One reading of a place's sound. @param {string} place @param {Sound} sound @param {number} rtt ms, of this end's own line
   * @returns {number|null|undefined} ms to wait from now on; null: as the browser likes; undefined: as before */
  heard(place, sound, rtt = 0) {
    const wait = this.waits.get(place);
    if (!wait || sound.samples < wait.since.samples) {
      this.waits.set(place, { step: wait?.step ?? 0, since: sound, calm: 0, clean: 0, settling: false });
      return undefined;
    }
    const seconds = (sound.samples - wait.since.samples) / RATE;
    if (seconds < WINDOW_S) return undefined;
    const made = (sound.made - wait.since.made) / (sound.samples - wait.since.samples);
    const asked = sound.asked - wait.since.asked;
    const mended = (sound.mended ?? 0) - (wait.since.mended ?? 0);
    const stood = ((sound.stood ?? 0) - (wait.since.stood ?? 0)) / seconds;
    const before = wait.step;
    wait.since = sound;
    wait.calm = asked > 0 || mended > 0 ? 0 : wait.calm + seconds;
    wait.clean = made > CLEAN || stood > 0 ? 0 : wait.clean + seconds;
    const late = asked > 0 && made > MADE_UP[before] && made < HOLE;
    const far = enough(rtt, PICTURE_STEP);
    const hangs = far > 1 && before < far && mended > 0 && stood > STOOD && stood < 1;
    if ((late || hangs) && !wait.settling) wait.step = hangs && !late ? far : Math.max(before + 1, enough(rtt, STEPS_MS.length - 1));
    else if ((before && wait.calm >= CALM_S) || (before > 1 && wait.clean >= CLEAN_S)) Object.assign(wait, { step: before - 1, calm: 0, clean: 0 });
    wait.settling = wait.step > before;
    return wait.step === before ? undefined : STEPS_MS[wait.step];
  }

  /** @param {RTCPeerConnection} pc @param {Map<string, Sound>} sounds by m-line @param {number} rtt ms, of this end's own line */
  look(pc, sounds, rtt = 0) {
    for (const [mid, sound] of sounds) {
      const place = /^a(\d+)$/.exec(mid)?.[1];
      const target = place === undefined ? undefined : this.heard(place, sound, rtt);
      if (target === undefined) continue;
      for (const { mid: line, receiver } of pc.getTransceivers()) {
        if ((line === `a${place}` || line === `v${place}`) && 'jitterBufferTarget' in receiver) receiver.jitterBufferTarget = target;
      }
    }
  }
}
