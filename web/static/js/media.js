/**
 * Media: one RTCPeerConnection per stay in a room (web/PROTOCOL.md section 5).
 *
 * Rules
 * - The server offers, we answer, once. Afterwards `view.media.routes` says who is in which place; nothing is renegotiated.
 * - A new `view.media.room` is a new transport: the new one is opened, then the old one is closed. Nothing of an old room is
 *   ever shown: streams are handed out for the present room only.
 * - A line that breaks: first an ICE restart of the same transport, then a new transport, without limit while the room is ours.
 *   While signalling is down nothing is asked: a request into a dead line only sits out TCP's back-off.
 * - The old connection is closed when the new one is connected; its last pictures stay until the new ones arrive.
 * - DELETE is never used here: hanging up is the leave button and is evidence.
 */

import { Pulse } from './pulse.js';
import { Gone, OWN, connects, openTransport, restartTransport } from './transport.js';

const PAUSES_MS = [150, 300, 500, 800, 1200, 2000, 3000];
const LIMITS_MS = [3000, 4000, 6000, 8000, 10000]; // for one request: a slow line must get through in the end
const RESTART_MS = 3000;
const CONNECT_MS = [4000, 6000, 9000, 12000];
const PROBE_MS = 500;

/** @typedef {'off'|'connecting'|'up'|'down'} MediaState */
/** @typedef {import('./types.js').MediaView} MediaView */
/** @typedef {import('./transport.js').Transport} Transport */

/** @template T @param {T[]} steps @param {number} at */
const step = (steps, at) => steps[Math.min(at, steps.length - 1)];

export class Media {
  /**
   * @param {{hearing: string, seat: string}} where
   * @param {import('./devices.js').LocalDevices} devices
   * @param {(state: MediaState) => void} changed
   * @param {() => void} beat called at every reading of the pulse
   */
  constructor(where, devices, changed, beat = () => undefined) {
    this.where = where;
    this.devices = devices;
    this.changed = changed;
    /** @type {MediaState} */
    this.state = 'off';
    /** @type {Transport|null} */
    this.transport = null;
    this.room = '';
    this.lastError = '';
    /** @type {MediaView|null} */
    this.wanted = null;
    this.turn = 0; // whichever mending began last goes on; the others end
    this.mending = false;
    this.line = true; // signalling is up and has told us where we are
    this.routed = false; // the server had routes for our transport
    /** @type {Set<() => void>} */
    this.sleepers = new Set();
    /** @type {Map<string, MediaStream>} */
    this.streams = new Map();
    this.pulse = new Pulse(() => this.pc, () => this.state === 'down', beat);
  }

  get pc() {
    return this.transport?.pc ?? null;
  }

  /** The newest word of the server about our media. @param {MediaView|null} media */
  apply(media) {
    const changedRoom = (media?.room ?? '') !== (this.wanted?.room ?? '');
    const returned = !this.line;
    this.wanted = media;
    this.line = true;
    if (!media) { if (changedRoom) this.close(); return; }
    const dropped = this.routed && media.routes.length === 0;
    this.routed = media.routes.length > 0;
    if (changedRoom) void this.#mend(true);
    else if (returned) this.#returned(dropped);
  }

  /** Signalling went away; whatever is asked now would only wait. */
  lineLost() {
    this.line = false;
  }

  /** Signalling is back in the same room: is our transport still there, and does anything come? @param {boolean} dropped */
  #returned(dropped) {
    if (this.mending || dropped || this.pc?.connectionState !== 'connected') { void this.#mend(dropped); return; }
    const pc = this.pc;
    this.pulse.look()
      .then(() => new Promise((resolve) => setTimeout(resolve, PROBE_MS)))
      .then(() => this.pulse.look())
      .then((came) => { if (!came && pc === this.pc && !this.mending) void this.#mend(false); })
      .catch((error) => { this.lastError = String(error); });
  }

  close() {
    this.turn += 1;
    this.mending = false;
    this.wanted = null;
    this.routed = false;
    this.transport?.pc.close();
    this.transport = null;
    this.room = '';
    this.streams.clear();
    this.#wake();
    this.#say('off');
  }

  /** @param {MediaState} state */
  #say(state) {
    if (this.state === state) return;
    this.state = state;
    this.changed(state);
  }

  /** Until it is connected: an ICE restart if there is something to restart, else a new transport; for ever. @param {boolean} anew */
  async #mend(anew) {
    const turn = ++this.turn;
    const mine = () => turn === this.turn && this.wanted !== null;
    this.mending = true;
    let restart = !anew && this.#restartable();
    const well = () => this.pc?.connectionState === 'connected' && this.#restartable();
    const sick = !well(); // else another path is sought before anything is lost
    const recovered = () => sick && well();
    if (this.wanted?.room !== this.room) this.#say('connecting');
    else if (sick || anew) this.#say('down');
    for (let failures = 0; mine() && !recovered(); failures += 1) {
      if (failures) await this.#sleep(step(PAUSES_MS, failures - 1) * (0.5 + Math.random() / 2));
      while (mine() && !this.line && !recovered()) await this.#sleep(60_000); // apply(), close() and the connection wake us
      if (!mine()) return;
      if (recovered()) break;
      try {
        if (await (restart && this.#restartable() ? this.#restart() : this.#renew(mine, failures))) break;
      } catch (error) {
        this.lastError = String(error);
        if (mine() && !(error instanceof Gone)) this.#say('down');
      }
      restart = false;
    }
    if (!mine()) return;
    this.mending = false;
    this.#say('up');
    if (this.pc) this.#moved(this.pc);
  }

  #restartable() {
    const state = this.pc?.connectionState;
    return this.wanted !== null && this.room === this.wanted.room && state !== undefined && state !== 'failed' && state !== 'closed';
  }

  /** @returns {Promise<boolean>} */
  async #restart() {
    const transport = /** @type {Transport} */ (this.transport);
    await restartTransport(transport, this.where.seat, LIMITS_MS[0]);
    return connects(transport.pc, RESTART_MS);
  }

  /** @param {() => boolean} mine @param {number} failures @returns {Promise<boolean>} */
  async #renew(mine, failures) {
    const media = /** @type {MediaView} */ (this.wanted);
    const next = await openTransport({
      ...this.where, places: media.places, publish: media.publish, ice: media.ice_servers ?? [],
      track: (/** @type {string} */ mid) => this.devices.track(mid), limit: step(LIMITS_MS, failures),
    });
    if (!mine() || media.room !== this.wanted?.room) { next.pc.close(); return false; }
    const another = media.room !== this.room;
    if (another) this.#adopt(next, media.room); // nothing of the room before may stay on the screen
    const reached = await connects(next.pc, step(CONNECT_MS, failures));
    if (!mine() || !reached) { if (this.pc !== next.pc) next.pc.close(); return false; }
    if (!another) this.#adopt(next, media.room);
    return true;
  }

  /** From now on this one counts. Its tracks go into the streams that are on the page: no element has to be filled anew.
   * @param {Transport} next @param {string} room */
  #adopt(next, room) {
    const old = this.transport;
    if (room !== this.room) this.streams = new Map();
    this.transport = next;
    this.room = room;
    for (const { mid, receiver } of next.pc.getTransceivers()) {
      if (!mid || !/^[av]\d+$/.test(mid)) continue;
      const stream = this.streams.get(mid) ?? new MediaStream();
      for (const track of stream.getTracks()) stream.removeTrack(track);
      stream.addTrack(receiver.track);
      this.streams.set(mid, stream);
    }
    next.pc.addEventListener('connectionstatechange', () => { if (this.pc === next.pc) this.#moved(next.pc); });
    old?.pc.close();
    this.refreshTracks();
    this.changed(this.state);
  }

  /** @param {RTCPeerConnection} pc */
  #moved(pc) {
    if (pc.connectionState === 'connected') this.#wake();
    else if (!this.mending && ['disconnected', 'failed', 'closed'].includes(pc.connectionState)) void this.#mend(pc.connectionState !== 'disconnected');
  }

  /** @param {number} ms */
  #sleep(ms) {
    return /** @type {Promise<void>} */ (new Promise((resolve) => {
      const done = () => { clearTimeout(timer); this.sleepers.delete(done); resolve(); };
      const timer = setTimeout(done, ms);
      this.sleepers.add(done);
    }));
  }

  #wake() {
    for (const done of [...this.sleepers]) done();
  }

  /** The person asks, or the browser says there is a network again: do not sit out the pause; seek another path. */
  hurry() {
    if (this.mending) this.#wake();
    else if (this.wanted && this.line && this.#restartable()) void this.#mend(false);
  }

  /** Local tracks changed (another camera, a screen): same transport, other track. */
  refreshTracks() {
    for (const { mid, sender } of this.pc?.getTransceivers() ?? []) {
      if (!OWN.includes(mid ?? '')) continue;
      const track = this.devices.track(mid ?? '');
      if (sender.track !== track) sender.replaceTrack(track).catch((error) => { this.lastError = String(error); });
    }
  }

  /** What is in a place of the present room, or null. @param {string} mid */
  stream(mid) {
    return this.wanted && this.room === this.wanted.room ? this.streams.get(mid) ?? null : null;
  }
}
