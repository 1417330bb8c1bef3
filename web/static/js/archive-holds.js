/**
 * How long an archive is kept: a hold is ordered or lifted, the period is set; each asked once, with its consequence named.
 *
 * Rules: the server decides who may; after an act the page is loaded anew, so what stands there is what stands in the
 * ledger. A day means its end on the court's clock (UTC+8).
 */

import { ask, page } from './archive-page.js';
import { confirm, show } from './dialog.js';
import { h } from './dom.js';
import { t } from './texts.js';

const PERIODS = ['permanent', 'long', 'short'];

/** @param {string} url @param {object} body */
async function send(url, body) {
  try {
    await ask(url, { method: 'POST', body: JSON.stringify(body) });
    location.reload();
  } catch (error) {
    await show({ id: 'refused', title: t('page.archive.keeping_failed'), body: h('p', null, error instanceof Error ? error.message : String(error)), buttons: [] });
  }
}

/** @param {string} day of a date field, '' = none @returns {number} µs */
export const endOf = (day) => (day ? (Date.parse(`${day}T23:59:59+08:00`) + 1000) * 1000 : 0);

export async function hold() {
  const { value, box } = await show({
    id: 'hold', title: t('page.archive.hold_title'),
    body: [h('p', null, t('page.archive.hold_means')),
      h('div', { class: 'field' }, h('label', { for: 'hold-why' }, t('page.archive.hold_why')), h('textarea', { id: 'hold-why', rows: 3, maxlength: 500, required: true })),
      h('div', { class: 'field' }, h('label', { for: 'hold-day' }, t('page.archive.hold_day')), h('input', { id: 'hold-day', type: 'date' }))],
    buttons: [{ value: 'hold', label: t('page.archive.hold_confirm'), style: 'primary', action: 'confirm' }],
  });
  if (value !== 'hold') return;
  const reason = /** @type {HTMLTextAreaElement|null} */ (box.querySelector('#hold-why'))?.value.trim() ?? '';
  const day = /** @type {HTMLInputElement|null} */ (box.querySelector('#hold-day'))?.value ?? '';
  await send(page.holds_url ?? '', { reason, until: endOf(day) });
}

/** @param {DOMStringMap} data */
export async function lift(data) {
  const reason = await confirm({
    id: 'lift', title: t('page.archive.hold_lift_title'), text: t('page.archive.hold_lift_means', { reason: data.reason ?? '' }),
    confirm: t('page.archive.hold_lift_confirm'), danger: true, reason: 'must', label: t('page.archive.hold_why'),
  });
  if (reason !== null) await send(page.holds_url ?? '', { reason, lift: data.hold });
}

/** @param {DOMStringMap} data */
export async function classify(data) {
  const { value, box } = await show({
    id: 'period', title: t('page.archive.period_title'),
    body: [h('p', null, t('page.archive.period_means')),
      h('fieldset', { class: 'choices' }, h('legend', { class: 'sr' }, t('page.archive.period_title')), PERIODS.map((period) => h('label', { class: 'row' }, h('input', { type: 'radio', name: 'period', value: period, checked: period === data.period }), t(`page.archive.period.${period}`))))],
    buttons: [{ value: 'period', label: t('page.archive.period_confirm'), style: 'primary', action: 'confirm' }],
  });
  const period = /** @type {HTMLInputElement|null} */ (box.querySelector('input[name="period"]:checked'))?.value;
  if (value === 'period' && period) await send(page.retention_url ?? '', { period });
}
