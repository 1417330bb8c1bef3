/**
 * The pulse of a transport: when something last came, and which pictures stand still.
 *
 * Rules: read from `getStats()` alone (W3C webrtc-stats), once a second, four times while the line is down; a picture stands still
 * when its place has a route and no frame was decoded for `STILL_MS`. What is read of sound says how long it has to wait (patience.js).
 */

import { Patience } from './patience.js';

const EVERY_MS = 1000;
const EVERY_DOWN_MS = 250;
const STILL_MS = 2000;
const BLANK_MS = 5000;

/** @typedef {{bytes: number, packets: number, rtt: number, frames: Map<string, number>, sounds: Map<string, import('./patience.js').Sound>}} Reading
 * `packets`: all of the transport, feedback too; `rtt` in ms */

/** What has come so far, and the frames decoded by place. @param {RTCPeerConnection} pc @returns {Promise<Reading>} */
async function read(pc) {
  let [bytes, packets, rtt] = [0, 0, 0];
  /** @type {Map<string, number>} */
  const frames = new Map();
  /** @type {Map<string, import('./patience.js').Sound>} */
  const sounds = new Map();
  /** @type {Map<string, {stood: number, mended: number}>} */
  const pictures = new Map();
  for (const row of (await pc.getStats()).values()) {
    if (row.type === 'transport') packets += row.packetsReceived ?? 0;
    if (row.type === 'candidate-pair' && row.nominated) rtt = Math.max(rtt, 1000 * (row.currentRoundTripTime ?? 0));
    if (row.type !== 'inbound-rtp') continue;
    bytes += row.bytesReceived ?? 0;
    if (row.kind === 'video' && row.mid) {
      frames.set(row.mid, row.framesDecoded ?? 0);
      pictures.set(row.mid, { stood: row.totalFreezesDuration ?? 0, mended: row.nackCount ?? 0 });
    }
    if (row.kind === 'audio' && row.mid) {
      const made = (row.concealedSamples ?? 0) - (row.silentConcealedSamples ?? 0);
      sounds.set(row.mid, { made, samples: row.totalSamplesReceived ?? 0, asked: row.nackCount ?? 0 });
    }
  }
  for (const [mid, sound] of sounds) Object.assign(sound, pictures.get(mid.replace(/^a/, 'v')));
  return { bytes, packets, rtt, frames, sounds };
}

export class Pulse {
  /** @param {() => RTCPeerConnection|null} pc @param {() => boolean} down @param {() => void} changed */
  constructor(pc, down, changed) {
    this.pc = pc;
    this.down = down;
    this.changed = changed;
    this.at = 0; // performance.now() of the last content that came
    this.gap = 0; // the longest time without content since somebody set this to 0
    this.lineAt = 0; // of the last packet of any kind
    this.lineGap = 0; // the same as `gap`, for packets of any kind
    this.packets = 0;
    this.bytes = 0;
    this.since = 0; // when the present connection was first read
    /** @type {RTCPeerConnection|null} */
    this.of = null;
    /** @type {Map<string, {frames: number, at: number}>} */
    this.pictures = new Map();
    this.patience = new Patience();
    this.#beat();
  }

  #beat() {
    this.look().catch((error) => console.info('no statistics', String(error)))
      .finally(() => setTimeout(() => this.#beat(), this.down() ? EVERY_DOWN_MS : EVERY_MS));
  }

  /** Reads once. @returns {Promise<boolean>} whether something came since the last reading */
  async look() {
    const pc = this.pc();
    if (pc !== this.of) { this.of = pc; this.bytes = this.packets = this.lineAt = 0; this.since = performance.now(); this.pictures.clear(); this.patience.begin(); }
    if (!pc || pc.signalingState === 'closed') return false;
    const now = performance.now();
    const { bytes, packets, rtt, frames, sounds } = await read(pc);
    if (pc !== this.of) return false;
    this.patience.look(pc, sounds, rtt);
    const came = bytes > this.bytes;
    if (came) {
      if (this.at) this.gap = Math.max(this.gap, now - this.at);
      this.at = now;
    }
    this.bytes = bytes;
    if (packets > this.packets) {
      if (this.lineAt) this.lineGap = Math.max(this.lineGap, now - this.lineAt);
      this.lineAt = now;
    }
    this.packets = packets;
    for (const [mid, count] of frames) {
      const before = this.pictures.get(mid);
      if (!before || before.frames !== count) this.pictures.set(mid, { frames: count, at: now });
    }
    this.changed();
    return came;
  }

  /** Places whose picture stands still now, and places that never showed one (a codec this browser does not know, say).
   * @param {string[]} mids places that somebody looks at @returns {{still: string[], blank: string[]}} */
  standing(mids) {
    const now = performance.now();
    /** @type {{still: string[], blank: string[]}} */
    const found = { still: [], blank: [] };
    for (const mid of mids) {
      const picture = this.pictures.get(mid);
      if (!picture) {
        if (now - this.since > BLANK_MS) found.blank.push(mid);
      } else if (now - picture.at > (picture.frames ? STILL_MS : BLANK_MS)) (picture.frames ? found.still : found.blank).push(mid);
    }
    return found;
  }
}
