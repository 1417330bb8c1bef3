/**
 * Traceable copies: asked for with recipient and purpose, made by the court in its own time, fetched when ready.
 *
 * Rules: what is shown is what the server said last; while something is being made it is asked again, not otherwise.
 */

import { asSeat, ask, page } from './archive-page.js';
import { clockTime } from './clock.js';
import { fill, h } from './dom.js';
import { icon } from './icons.js';
import { known, t } from './texts.js';

/** @typedef {{id: string, recipient: string, purpose: string, state: string, percent?: number, eta_s?: number|null, made_at?: number|null}} Copy */

const AGAIN_MS = 2000;
let timer = 0;
let trouble = '';

/** @param {string} seat */
const nameOf = (seat) => document.querySelector(`#recipient option[value="${CSS.escape(seat)}"]`)?.textContent ?? seat;

/** @param {string} id */
const fileOf = (id) => `${page.copies_url}/${encodeURIComponent(id)}/file${page.seat ? `?seat=${encodeURIComponent(page.seat)}` : ''}`;

/** @param {Copy} copy */
function line(copy) {
  const running = ['queued', 'making'].includes(copy.state);
  const percent = Math.min(100, Math.max(0, copy.percent ?? 0));
  return h('li', { 'data-copy': copy.id, 'data-state': copy.state, 'data-key': copy.id },
    h('b', null, nameOf(copy.recipient)), h('span', { class: 'muted' }, copy.purpose),
    h('span', { class: `tag ${copy.state === 'ready' ? 'good' : copy.state === 'failed' ? 'bad' : ''}` }, known(`page.archive.copy_state.${copy.state}`) ? t(`page.archive.copy_state.${copy.state}`) : copy.state),
    running && h('div', { class: 'progress', role: 'progressbar', 'aria-valuenow': percent, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-label': nameOf(copy.recipient) }, h('i', { style: { width: `${percent}%` } })),
    running && h('span', { class: 'muted' }, `${percent}%`, copy.eta_s ? ` · ${t('page.archive.eta', { seconds: copy.eta_s })}` : ''),
    copy.state === 'ready' && h('span', { class: 'row' }, h('a', { class: 'btn small', href: fileOf(copy.id), download: true, 'data-action': 'download' }, icon('download'), t('page.archive.copy_download')), copy.made_at ? h('span', { class: 'muted' }, clockTime(copy.made_at)) : null));
}

/** @param {Copy[]} list */
function draw(list) {
  const holder = document.getElementById('copies');
  if (!holder) return;
  fill(holder, trouble && h('p', { class: 'wrong', 'data-key': 'trouble', role: 'alert' }, trouble),
    list.length ? h('ul', { class: 'plain copies', 'data-key': 'list' }, list.map(line)) : h('p', { class: 'muted', 'data-key': 'none' }, t('page.archive.copy_none')));
  window.clearTimeout(timer);
  if (list.some((copy) => ['queued', 'making'].includes(copy.state))) timer = window.setTimeout(() => void look(), AGAIN_MS);
}

async function look() {
  const answer = await fetch(page.copies_url ?? '', { headers: asSeat() });
  if (answer.status === 404) { // this court makes no copies, or not for this reader
    document.getElementById('copy-form')?.setAttribute('hidden', '');
    const holder = document.getElementById('copies');
    if (holder) fill(holder, h('p', { class: 'muted' }, t('page.archive.copy_unavailable')));
    return;
  }
  const said = await answer.json().catch(() => []);
  draw(/** @type {Copy[]} */ (Array.isArray(said) ? said : said.copies ?? []));
}

/** @param {SubmitEvent} event */
async function order(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const fields = new FormData(form);
  const button = /** @type {HTMLButtonElement|null} */ (form.querySelector('button'));
  if (button) button.disabled = true;
  try {
    await ask(page.copies_url ?? '', { method: 'POST', body: JSON.stringify({ recipient: fields.get('recipient'), purpose: String(fields.get('purpose')).trim() }) });
    trouble = '';
    /** @type {HTMLInputElement|null} */ (form.querySelector('#purpose'))?.form?.reset();
  } catch (error) {
    trouble = t('page.archive.copy_failed', { why: error instanceof Error ? error.message : String(error) });
  } finally {
    if (button) button.disabled = false;
  }
  await look();
}

export function copies() {
  if (!page.copies_url || !document.getElementById('copies')) return;
  document.getElementById('copy-form')?.addEventListener('submit', (event) => void order(/** @type {SubmitEvent} */ (event)));
  look().catch((error) => console.info('copies', String(error)));
}
