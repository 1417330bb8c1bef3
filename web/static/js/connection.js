/**
 * Signalling: one Socket.IO connection of this seat (web/PROTOCOL.md section 4).
 *
 * Rules: reconnects for ever by itself, except when another login took the seat or the seat was removed; a command is
 * answered or fails after `ANSWER_MS`, never hangs; one that is given while signalling is away for a moment goes out when it is back,
 * or fails after `BLIP_MS`; one whose answer was cut off is sent again under its id, which the court carries out once; the server's
 * view is handed on whole.
 */

import { io } from '/static/vendor/socket.io.esm.min.js';

const ANSWER_MS = 8000;
const BLIP_MS = 4000;
const AGAIN_MS = 2000; // at least, for one that is sent again
const MAX_WAITING = 8;
/** One attempt may take three times what the last good one took, at first: after a cut TCP's own back-off would cost seconds. */
const ATTEMPT_MS = { least: 500, first: 1500, most: 8000 };
const QUICK = 12; // attempts before the pauses grow: many seats come back at once to a court that was restarted
const PAUSE_MS = { least: 80, quick: 200, most: 3000 };

/** By chance, and nobody else's. @param {number} bytes */
const name = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, '0')).join('');

/** @typedef {{ok: boolean, seq?: number, code?: string, message?: string}} Answer */
/** @typedef {{kind: string, code?: string}} Signal */
/**
 * @typedef {Object} Listener
 * @property {(view: import('./types.js').View) => void} view
 * @property {(signal: Signal) => void} signal
 * @property {(state: 'up'|'down'|'refused', detail: string) => void} state
 */

export class Connection {
  /** @param {string} seat @param {string} lang @param {Listener} listener */
  constructor(seat, lang, listener) {
    this.final = false;
    this.waiting = 0; // commands that wait for signalling
    this.auth = { seat, lang, page: name(12) };
    this.socket = io('/hearing', {
      auth: (/** @type {(auth: object) => void} */ give) => give(this.auth),
      transports: ['websocket', 'polling'], reconnectionDelay: PAUSE_MS.least, reconnectionDelayMax: PAUSE_MS.quick, randomizationFactor: 0.5,
      timeout: ATTEMPT_MS.most,
    });
    this.#pace();
    this.socket.on('connect', () => listener.state('up', ''));
    this.socket.on('view', listener.view);
    this.socket.on('signal', (/** @type {Signal} */ signal) => {
      if (signal.kind === 'replaced' || signal.kind === 'removed') this.stop();
      listener.signal(signal);
    });
    this.socket.on('disconnect', (/** @type {string} */ reason) => {
      if (this.final) return;
      listener.state('down', reason);
      if (reason === 'io server disconnect') setTimeout(() => this.resume(), 1500);
    });
    this.socket.on('connect_error', (/** @type {Error} */ error) => {
      listener.state(this.socket.active ? 'down' : 'refused', error.message);
      if (!this.socket.active && !this.final) setTimeout(() => this.resume(), 5000);
    });
  }

  /** How long attempts and the pauses between them last. */
  #pace() {
    const manager = this.socket.io;
    let [began, usual] = [performance.now(), ATTEMPT_MS.first / 3];
    manager.on('reconnect_attempt', (/** @type {number} */ attempt) => {
      began = performance.now();
      manager.timeout(Math.min(ATTEMPT_MS.most, Math.max(ATTEMPT_MS.least, usual * 3) * 1.3 ** Math.max(0, attempt - 4)));
      manager.reconnectionDelayMax(attempt < QUICK ? PAUSE_MS.quick : PAUSE_MS.most);
    });
    manager.on('open', () => {
      // an attempt that began in a dead line says nothing about a good one
      usual = Math.min(ATTEMPT_MS.most / 3, usual * 1.5, performance.now() - began);
      manager.reconnectionDelayMax(PAUSE_MS.quick);
    });
  }

  /** Stop for good: somebody else sits here now, or this seat was removed. */
  stop() {
    this.final = true;
    this.socket.disconnect();
  }

  /** Another network, or the server has hung up: an attempt now. */
  resume() {
    if (!this.final && !this.socket.connected) this.again();
  }

  /** Come back on purpose, also after `stop` or after leaving. */
  again() {
    this.final = false;
    this.socket.disconnect(); // without this, connect() waits out the pause between two attempts
    this.socket.connect();
  }

  /** What this browser notices, told while it can be told; the journal keeps it anyway. @param {string} kind */
  fact(kind) {
    if (this.socket.connected) void this.command('fact', { kind, at: Date.now() * 1000 });
  }

  /** @param {string} lang */
  speak(lang) {
    this.auth = { ...this.auth, lang };
  }

  /** @returns {Promise<boolean>} whether signalling is there, soon at the latest */
  async #there() {
    if (this.socket.connected || this.final || this.waiting >= MAX_WAITING) return this.socket.connected;
    this.waiting += 1;
    await new Promise((done) => {
      const over = () => { clearTimeout(timer); this.socket.off('connect', over); done(true); };
      const timer = setTimeout(over, BLIP_MS);
      this.socket.on('connect', over);
    });
    this.waiting -= 1;
    return this.socket.connected;
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<Answer>}
   */
  async command(type, fields = {}) {
    if (!(await this.#there())) return { ok: false, code: 'not_connected' };
    const message = { id: name(8), type, ...fields };
    const end = performance.now() + ANSWER_MS;
    let patience = ANSWER_MS;
    do {
      try {
        return await this.socket.timeout(patience).emitWithAck('command', message);
      } catch { /* the line was cut, which the library tells at once, or nobody answered in time */ }
      patience = Math.max(AGAIN_MS, end - performance.now());
    } while (performance.now() < end && (await this.#there()));
    return { ok: false, code: 'no_answer' };
  }
}

/** Wi-Fi to mobile and the like, where the browser tells. Estimates of speed change all the time and mean nothing here.
 * @param {() => void} changed */
export function watchNetwork(changed) {
  const network = /** @type {(EventTarget & {type?: string})|undefined} */ (/** @type {any} */ (navigator).connection);
  let type = network?.type;
  network?.addEventListener?.('change', () => {
    if (network.type === type) return;
    type = network.type;
    if (type !== 'none') changed();
  });
}
