/**
 * What the clerk and the presiding judge do on an archive page: note why somebody has not signed, sign an explanation.
 *
 * Rules: the server decides; after an act the page is loaded anew, so what stands there is what stands in the ledger.
 */

import { ask, page } from './archive-page.js';
import { show } from './dialog.js';
import { h } from './dom.js';
import { signaturePad } from './signature-pad.js';
import { t } from './texts.js';

/** @param {unknown} error */
async function say(error) {
  await show({ id: 'refused', title: t('page.archive.copy_failed', { why: '' }).replace(/[：:]\s*$/, ''), body: h('p', null, error instanceof Error ? error.message : String(error)), buttons: [] });
}

/** @param {HTMLElement} box @param {string} selector */
const valueOf = (box, selector) => /** @type {HTMLInputElement|HTMLTextAreaElement|null} */ (box.querySelector(selector))?.value.trim() ?? '';

/** @param {DOMStringMap} data */
export async function note(data) {
  const choices = [['absent', 'page.archive.note_absent'], ['refused', 'page.archive.note_refused']].filter(([value]) => value !== data.outcome);
  const { value, box } = await show({
    id: 'note', title: t('page.archive.note_title'),
    body: [h('p', null, t('page.archive.note_means', { name: data.name ?? '' })),
      h('fieldset', { class: 'choices' }, h('legend', { class: 'sr' }, t('page.archive.note_title')), choices.map(([outcome, key], i) => h('label', { class: 'row' }, h('input', { type: 'radio', name: 'outcome', value: outcome, checked: i === 0 }), t(key)))),
      h('div', { class: 'field' }, h('label', { for: 'note-reason' }, t('page.archive.note_reason')), h('textarea', { id: 'note-reason', rows: 3, maxlength: 500, required: true }))],
    buttons: [{ value: 'note', label: t('page.archive.note'), style: 'primary', action: 'confirm' }],
  });
  if (value !== 'note') return;
  const outcome = /** @type {HTMLInputElement|null} */ (box.querySelector('input[name="outcome"]:checked'))?.value ?? 'absent';
  try {
    await ask(page.signatures_url ?? '', { method: 'POST', body: JSON.stringify({ seat: data.seat, outcome, refuse: valueOf(box, '#note-reason') }) });
    location.reload();
  } catch (error) { await say(error); }
}

/** The presiding judge signs the draft that stands on this page. */
export async function explain() {
  const pad = signaturePad();
  const { value, box } = await show({
    id: 'explain', title: t('page.archive.explanation_sign'),
    body: [h('p', { class: 'article' }, t('article.sign_explanation')),
      h('div', { class: 'field' }, h('label', { for: 'remark' }, t('page.archive.explanation_remark')), h('textarea', { id: 'remark', rows: 3, maxlength: 4000 })),
      h('div', { class: 'field' }, h('label', { for: 'signer' }, t('page.sign.name')), h('input', { id: 'signer', maxlength: 80, required: true, autocomplete: 'off' })),
      pad.element],
    buttons: [{ value: 'sign', label: t('page.sign.confirm'), style: 'primary', action: 'confirm' }],
  });
  if (value !== 'sign') return;
  try {
    await ask(page.explanation_url ?? '', { method: 'POST', body: JSON.stringify({ digest: page.digest, name: valueOf(box, '#signer'), remark: valueOf(box, '#remark'), stroke: pad.stroke() ?? '' }) });
    location.reload();
  } catch (error) { await say(error); }
}
