/**
 * Prompts and warnings on one's own page: that they were shown, and that the person has read them (COURT.md 6).
 *
 * Rules: shown means that the notice stands in a page that is visible; read means that the person pressed the button. Each is told
 * once a notice; what was not answered is told again with the next view.
 */

/** @typedef {import('./types.js').View} View */
/** @typedef {(type: string, fields: Record<string, unknown>) => Promise<{ok: boolean, code?: string}>} Command */

export class Acknowledger {
  /** @param {Command} command */
  constructor(command) {
    this.command = command;
    /** @type {Set<string>} told, or on their way */
    this.told = new Set();
  }

  /** After drawing: what stands on the screen now. @param {View|null} view */
  shown(view) {
    if (document.visibilityState !== 'visible') return;
    for (const notice of view?.notices ?? []) {
      const number = Number(notice.values.notice ?? 0);
      if (['prompted', 'warned'].includes(notice.code) && number && document.querySelector(`[data-notice="n-${CSS.escape(notice.id)}"]`)) void this.#tell(number, false);
    }
  }

  /** The person has pressed. @param {number} notice */
  read(notice) {
    return this.#tell(notice, true);
  }

  /** @param {number} notice @param {boolean} read */
  async #tell(notice, read) {
    const key = `${notice} ${read}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    const answer = await this.command('acknowledge_notice', { notice, read });
    if (!answer.ok && ['not_connected', 'no_answer', 'too_fast'].includes(answer.code ?? '')) this.told.delete(key);
  }
}
