/**
 * Questions to a person, as native modal dialogs: asked once, the consequence named, Escape means no.
 */

import { h } from './dom.js';
import { t } from './texts.js';

/** @typedef {import('./dom.js').Child} Child */

/**
 * Show a dialog; resolves with the `value` of the button that closed it ('' = Escape or 返回).
 * @param {{id: string, title: string, body: Child, buttons: {value: string, label: string, style?: string, action?: string}[], side?: boolean}} ask
 * @returns {Promise<{value: string, box: HTMLDialogElement}>}
 */
export function show(ask) {
  const box = /** @type {HTMLDialogElement} */ (h('dialog', { class: `box${ask.side ? ' side' : ''}`, id: `dialog-${ask.id}`, 'aria-labelledby': `title-${ask.id}` },
    h('form', { method: 'dialog' },
      h('h2', { id: `title-${ask.id}`, tabindex: '-1' }, ask.title), ask.body,
      h('div', { class: 'row' }, ask.buttons.map((b) => h('button', { class: `btn ${b.style ?? ''}`, value: b.value, 'data-action': b.action ?? b.value }, b.label)),
        h('button', { class: 'btn', value: '', formnovalidate: true, 'data-action': 'back' }, t('page.back'))))));
  box.style.setProperty('--below', `${document.querySelector('.band')?.clientHeight ?? 72}px`);
  document.body.append(box);
  return new Promise((resolve) => {
    box.addEventListener('close', () => {
      resolve({ value: box.returnValue, box });
      box.remove();
    });
    box.showModal();
  });
}

/**
 * A destructive or legally weighty act: what it means, under which article, with a written reason when asked for.
 * @param {{id: string, title: string, text: string, article?: string, confirm: string, danger?: boolean, reason?: 'none'|'may'|'must', label?: string}} ask
 * @returns {Promise<string|null>} the reason ('' when none), or null when the person went back
 */
export async function confirm(ask) {
  const field = ask.reason && ask.reason !== 'none'
    ? h('div', { class: 'field' }, h('label', { for: 'reason' }, ask.label ?? t(ask.reason === 'must' ? 'page.reason' : 'page.reason_may')),
      h('textarea', { id: 'reason', rows: 2, maxlength: 500, required: ask.reason === 'must' }))
    : null;
  const { value, box } = await show({
    id: ask.id, title: ask.title, body: [h('p', null, ask.text), ask.article && h('p', { class: 'article' }, ask.article), field],
    buttons: [{ value: 'confirm', label: ask.confirm, style: ask.danger ? 'alarm' : 'primary' }],
  });
  if (value !== 'confirm') return null;
  const reason = /** @type {HTMLTextAreaElement|null} */ (box.querySelector('#reason'));
  return reason?.value.trim() ?? '';
}
