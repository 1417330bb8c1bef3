/**
 * The witness room: almost empty, and on purpose (OLR 26). No names, no case, no counters, nobody but oneself.
 */

import { h } from './dom.js';
import { icon } from './icons.js';
import { notices } from './notices.js';
import { preview } from './waiting.js';
import { t } from './texts.js';

/** @typedef {import('./types.js').State} State */

/** @param {State} state */
export function witnessRoom(state) {
  const ready = state.devices.camera === 'on' && state.devices.microphone === 'on' && state.link.socket === 'up';
  const waitsFor = (/** @type {string} */ kind) => state.view?.requests.some((r) => r.seat === state.view?.seat.id && r.kind === kind && r.granted === null);
  const button = (/** @type {string} */ kind, /** @type {string} */ picture, /** @type {string} */ key, style = '') => h('button', { class: `btn ${style}`, type: 'button', 'data-action': 'wish', 'data-kind': kind, 'data-key': key, 'aria-disabled': waitsFor(kind) ? 'true' : null }, icon(picture), t(waitsFor(kind) ? 'page.waiting.told' : key));
  return h('main', { id: 'content', tabindex: '-1', 'data-key': 'witness', 'data-screen': 'witness' }, notices(state),
    h('div', { class: 'await' },
      preview(state, [icon('cam'), t('page.witness.preview')]),
      h('div', null,
        h('h1', null, t('page.witness.title')), h('p', { class: 'say' }, t('page.witness.unseen')), h('p', { class: 'say' }, t('page.witness.then')),
        h('ul', { class: 'rule-list' },
          h('li', { class: ready ? '' : 'pending' }, icon(ready ? 'check' : 'alert'), t(ready ? 'page.witness.ready' : 'page.witness.not_ready'), !ready && h('button', { class: 'textlink end', type: 'button', 'data-action': 'devices' }, t('page.room.devices'))),
          h('li', null, icon('doc'), t('page.witness.undertaking'), h('button', { class: 'textlink end', type: 'button', 'data-action': 'undertaking' }, t('page.witness.undertaking_read'))),
          h('li', null, icon('info'), t('page.witness.stay'))),
        h('p', { class: 'muted' }, t('page.witness.silence')),
        h('div', { class: 'row actions two section-small' }, button('help', 'bell', 'page.witness.call'), button('leave', 'cup', 'page.witness.leave'), button('urgent', 'alert', 'page.witness.urgent', 'urgent wide')))));
}
