/**
 * Why a person was away, in its own words, with a proof if there is one (OLR 25; web/PROTOCOL.md section 9).
 *
 * Rules
 * - The dialog stays open, with all that was written, until the court has it: what went wrong is said in it.
 * - The file goes first and the statement after it, so that a statement never names a proof that is still on its way. What
 *   the court has taken already is not sent again.
 * - Size and emptiness are judged here to save somebody's time; kind and digest are the server's word.
 */

import { show } from './dialog.js';
import { h } from './dom.js';
import { t } from './texts.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./acts.js').Send} Send */
/** @typedef {{hearing: string, seat: string}} Where */

const REASONS = ['network_fault', 'device_damage', 'power_cut', 'force_majeure', 'other'];
export const KINDS = '.pdf,.png,.jpg,.jpeg,.txt,.mp4,.m4a';
export const MAX_FILE = 10 * 1024 * 1024;
const SILENCE_MS = 60_000;

/** @param {File} file */
async function digestOf(file) {
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
  return [...sum].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A name as the ledger takes it. @param {File} file */
const nameOf = (file) => [...file.name.replace(/[\u0000-\u001f\u007f]/g, ' ')].slice(0, 100).join('').trim() || 'file';

/** What the person is told of an answer that is no success. @param {XMLHttpRequest} asked */
function trouble(asked) {
  try {
    return String(JSON.parse(asked.responseText).detail || '') || t('statement.failed');
  } catch {
    return t('statement.failed');
  }
}

/**
 * Hands the file in; resolves with '' or with what went wrong. XMLHttpRequest, because fetch does not tell how far it is.
 * @param {Where} where @param {string} sha256 @param {File} file @param {(percent: number) => void} progress
 * @returns {Promise<string>}
 */
function upload(where, sha256, file, progress) {
  return new Promise((resolve) => {
    const asked = new XMLHttpRequest();
    let watch = setTimeout(() => asked.abort(), SILENCE_MS);
    asked.open('PUT', `/api/v1/hearings/${encodeURIComponent(where.hearing)}/attachments/${sha256}`);
    asked.setRequestHeader('Courtroom-Seat', where.seat);
    asked.setRequestHeader('Content-Type', 'application/octet-stream');
    asked.upload.addEventListener('progress', (event) => {
      clearTimeout(watch);
      watch = setTimeout(() => asked.abort(), SILENCE_MS);
      if (event.lengthComputable) progress(Math.round(100 * event.loaded / event.total));
    });
    asked.addEventListener('load', () => resolve(asked.status === 200 || asked.status === 201 ? '' : trouble(asked)));
    asked.addEventListener('error', () => resolve(t('statement.failed')));
    asked.addEventListener('abort', () => resolve(t('statement.failed')));
    asked.addEventListener('loadend', () => clearTimeout(watch));
    asked.send(file);
  });
}

/** @param {HTMLDialogElement} box @param {string} id */
const field = (box, id) => /** @type {HTMLInputElement|null} */ (box.querySelector(`#${id}`));

/** @param {HTMLDialogElement} box @param {string} words */
function say(box, words) {
  const holder = field(box, 'statement-wrong');
  if (!holder) return;
  holder.textContent = words;
  holder.hidden = !words;
  if (words) holder.focus();
}

/** @param {HTMLDialogElement} box @param {number} percent -1 hides it */
function showProgress(box, percent) {
  const bar = /** @type {HTMLProgressElement|null} */ (box.querySelector('#statement-progress'));
  const words = box.querySelector('#statement-progress-words');
  if (!bar || !words) return;
  bar.hidden = percent < 0;
  bar.value = Math.max(0, percent);
  words.textContent = percent < 0 ? '' : t(percent < 100 ? 'statement.sending' : 'statement.checking', { percent });
}

/**
 * One attempt; '' when the court has everything.
 * @param {HTMLDialogElement} box @param {State} state @param {Where} where @param {number} notice @param {Send} send @param {Map<File, string>} taken
 */
async function attempt(box, state, where, notice, send, taken) {
  const file = field(box, 'statement-file')?.files?.[0];
  let proof = {};
  if (file) {
    if (!file.size || file.size > MAX_FILE) return t('statement.too_large', { name: file.name });
    if (!crypto.subtle) return t('statement.failed');
    const sha256 = taken.get(file) ?? await digestOf(file);
    if (!taken.has(file)) {
      showProgress(box, 0);
      const wrong = await upload(where, sha256, file, (percent) => showProgress(box, percent));
      showProgress(box, -1);
      if (wrong) return wrong;
      taken.set(file, sha256);
    }
    proof = { attachment: sha256, name: nameOf(file), size: file.size };
  }
  const said = { reason: field(box, 'statement-reason')?.value, text: field(box, 'statement-text')?.value.trim() ?? '', notice, ...proof };
  return (await send('reply', said)) ? '' : state.ui.toast || t('statement.failed');
}

/** @param {State} state @param {Send} send @returns {Promise<boolean>} whether the court has it */
export async function statement(state, send) {
  const view = state.view;
  if (!view) return false;
  const told = view.notices.filter((n) => n.code === 'prompted' || n.code === 'warned').at(-1);
  const asked = show({
    id: 'statement', title: t('statement.title'),
    body: [h('p', null, t('statement.means')),
      h('div', { class: 'field' }, h('label', { for: 'statement-reason' }, t('statement.reason')), h('select', { id: 'statement-reason' }, REASONS.map((one) => h('option', { value: one }, t(`absence.reason.${one}`))))),
      h('div', { class: 'field' }, h('label', { for: 'statement-text' }, t('statement.text')), h('textarea', { id: 'statement-text', rows: 4, maxlength: 500, required: true })),
      h('div', { class: 'field' }, h('label', { for: 'statement-file' }, t('statement.file')), h('input', { id: 'statement-file', type: 'file', accept: KINDS, 'aria-describedby': 'statement-file-note' }),
        h('small', { class: 'muted', id: 'statement-file-note' }, t('statement.file_note'))),
      h('progress', { id: 'statement-progress', max: 100, value: 0, hidden: true, 'aria-label': t('statement.file') }), h('p', { class: 'muted', id: 'statement-progress-words', role: 'status' }),
      h('p', { class: 'wrong', id: 'statement-wrong', role: 'alert', tabindex: '-1', hidden: true })],
    buttons: [{ value: 'send', label: t('statement.send'), style: 'primary' }],
  });
  const box = /** @type {HTMLDialogElement} */ (document.getElementById('dialog-statement'));
  const button = /** @type {HTMLButtonElement|null} */ (box.querySelector('[data-action="send"]'));
  /** @type {Map<File, string>} */
  const taken = new Map();
  box.querySelector('form')?.addEventListener('submit', (event) => {
    if (event.submitter !== button || !button) return;
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    say(box, '');
    attempt(box, state, { hearing: view.hearing, seat: view.seat.id }, Number(told?.values.notice ?? 0), send, taken)
      .catch((error) => { console.info('statement', String(error)); return t('statement.failed'); })
      .then((wrong) => {
        button.disabled = false;
        if (!box.open) return;
        if (wrong) say(box, wrong);
        else box.close('send');
      });
  });
  return (await asked).value === 'send';
}
