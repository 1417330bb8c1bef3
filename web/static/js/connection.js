/**
 * Signalling: one Socket.IO connection of this seat (web/PROTOCOL.md section 4).
 *
 * Rules: reconnects for ever by itself, except when another login took the seat or the seat was removed; a command is
 * answered or fails after `ANSWER_MS`, never hangs; the server's view is handed on whole.
 */

import { io } from '/static/vendor/socket.io.esm.min.js';

const ANSWER_MS = 8000;

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
    this.auth = { seat, lang };
    this.socket = io('/hearing', {
      auth: (/** @type {(auth: object) => void} */ give) => give(this.auth),
      transports: ['websocket', 'polling'], reconnectionDelay: 500, reconnectionDelayMax: 5000, timeout: 8000,
    });
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

  /** Stop for good: somebody else sits here now, or this seat was removed. */
  stop() {
    this.final = true;
    this.socket.disconnect();
  }

  /** The return button, and coming back after the server hung up. */
  resume() {
    if (!this.final && !this.socket.connected) this.socket.connect();
  }

  /** Come back on purpose, also after `stop` or after leaving. */
  again() {
    this.final = false;
    if (this.socket.connected) this.socket.disconnect();
    this.socket.connect();
  }

  /** @param {string} lang */
  speak(lang) {
    this.auth = { ...this.auth, lang };
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<Answer>}
   */
  async command(type, fields = {}) {
    if (!this.socket.connected) return { ok: false, code: 'not_connected' };
    try {
      return await this.socket.timeout(ANSWER_MS).emitWithAck('command', { type, ...fields });
    } catch {
      return { ok: false, code: 'no_answer' };
    }
  }
}
