/**
 * What this browser notices by itself and writes into its journal; what the court should know at once is told at once.
 *
 * Rules
 * - Listening only: nothing here changes what the page does.
 * - A tick that comes more than `SLEPT_MS` late means that the machine slept or the browser was stopped; hidden pages tick rarely,
 *   so the entry says whether this one was hidden.
 * - Facts that may explain a loss that is about to come (battery, device, permission, a hidden page) go to the court live, too.
 */

import { quality } from './linequality.js';

const TICK_MS = 1000;
const SLEPT_MS = 5000;
const ALIVE_TICKS = 5;
const QUALITY_TICKS = 10;
const BATTERY = [20, 10, 5];

/** @typedef {import('./journal.js').Journal} Journal */
/** @typedef {(kind: string) => void} Tell */
/** @typedef {EventTarget & {level: number, charging: boolean}} Battery */
/** @typedef {{pc: RTCPeerConnection|null, streams: Map<string, import('./linequality.js').Counted>}} Counted */

export class Senses {
  /** @param {Journal} journal @param {Tell} tell a fact for the court now @param {() => RTCPeerConnection|null} pc */
  constructor(journal, tell, pc) {
    this.journal = journal;
    this.tell = tell;
    this.pc = pc;
    this.ticks = 0;
    this.last = Date.now();
    /** @type {Record<string, string>} what was noted last, by what it is about */
    this.said = {};
    /** @type {WeakSet<MediaStreamTrack>} */
    this.heard = new WeakSet();
    /** @type {Counted} */
    this.counted = { pc: null, streams: new Map() };
    this.#page();
    this.#line();
    void this.#battery().catch((error) => console.info('no battery', String(error)));
    void this.#permissions();
    setInterval(() => this.#tick(), TICK_MS);
  }

  #page() {
    const { journal } = this;
    document.addEventListener('visibilitychange', () => {
      journal.note('visibility', { hidden: document.hidden ? 1 : 0 });
      this.tell(document.hidden ? 'page_hidden' : 'page_shown');
    });
    document.addEventListener('freeze', () => journal.note('freeze'));
    document.addEventListener('resume', () => journal.note('resume'));
    addEventListener('pagehide', (event) => { journal.goodbye(true); void journal.note('pagehide', { kept: event.persisted ? 1 : 0 }); });
    addEventListener('pageshow', (event) => { if (event.persisted) { journal.goodbye(false); void journal.note('pageshow'); } });
  }

  #line() {
    for (const kind of ['online', 'offline']) addEventListener(kind, () => this.journal.note(kind));
    const network = /** @type {(EventTarget & {type?: string, effectiveType?: string})|undefined} */ (/** @type {any} */ (navigator).connection);
    const look = () => this.once('network', { type: network?.type ?? 'unknown', effective: network?.effectiveType ?? 'unknown' });
    if (network) look();
    network?.addEventListener?.('change', look);
  }

  async #battery() {
    const ask = /** @type {(() => Promise<Battery>)|undefined} */ (/** @type {any} */ (navigator).getBattery?.bind(navigator));
    if (!ask) return;
    const battery = await ask();
    const look = () => {
      const percent = Math.round(battery.level * 100);
      const below = battery.charging ? 100 : BATTERY.filter((step) => percent <= step).pop() ?? 100;
      if (!this.once('battery', { percent, charging: battery.charging ? 1 : 0 }, `${below} ${battery.charging}`)) return;
      if (battery.charging) this.tell('charging');
      else if (below <= 10) this.tell('battery_low');
    };
    look();
    for (const change of ['levelchange', 'chargingchange']) battery.addEventListener(change, look);
  }

  async #permissions() {
    for (const name of ['camera', 'microphone']) {
      try {
        const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ (name) });
        status.addEventListener('change', () => {
          this.journal.note('permission', { device: name, is: status.state });
          if (status.state === 'denied') this.tell('permission_revoked');
        });
      } catch (error) {
        console.info('permission not told', name, String(error));
      }
    }
    navigator.mediaDevices?.addEventListener('devicechange', () => this.journal.note('devicechange'));
  }

  /** Our devices may have changed. @param {import('./devices.js').LocalDevices} local */
  devices(local) {
    for (const device of /** @type {const} */ (['microphone', 'camera'])) {
      const track = local.tracks[device];
      if (track && !this.heard.has(track)) {
        this.heard.add(track);
        for (const [event, is] of [['ended', 'ended'], ['mute', 'muted'], ['unmute', 'unmuted']]) {
          track.addEventListener(event, () => {
            this.journal.note('track', { device, is });
            if (is === 'ended') this.tell(device === 'camera' ? 'camera_lost' : 'microphone_lost');
          });
        }
      }
      this.once(`device ${device}`, { device, is: local.state[device] }, local.state[device], 'device');
    }
  }

  /** A connection of ours changed: `socket` or `media`. @param {'socket'|'media'} what @param {string} is @param {Record<string, unknown>} [more] */
  connection(what, is, more = {}) {
    this.once(what, { is, ...more });
  }

  /** Notes a state once, until it is another one. @param {string} about @param {Record<string, unknown>} detail @param {string} [state] @param {string} [kind] */
  once(about, detail, state = JSON.stringify(detail), kind = about) {
    if (this.said[about] === state) return false;
    this.said[about] = state;
    void this.journal.note(kind, detail);
    return true;
  }

  #tick() {
    const now = Date.now();
    const late = now - this.last - TICK_MS;
    this.last = now;
    this.ticks += 1;
    if (late > SLEPT_MS) void this.journal.note('sleep', { ms: late, hidden: document.hidden ? 1 : 0 });
    if (this.ticks % ALIVE_TICKS === 0 || late > SLEPT_MS) this.journal.alive();
    if (this.ticks % QUALITY_TICKS === 0) this.#quality().catch((error) => console.info('no statistics', String(error)));
  }

  /** Loss of the last ten seconds, round trip and jitter as this end sees them. */
  async #quality() {
    const pc = this.pc();
    if (!pc || pc.connectionState !== 'connected') return;
    if (pc !== this.counted.pc) this.counted = { pc, streams: new Map() };
    void this.journal.note('quality', quality((await pc.getStats()).values(), this.counted.streams));
  }
}
