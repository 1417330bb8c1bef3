/**
 * The right drawer of parties and counsel: requests; transcript and exhibits when the court provides them.
 */

import { clockTime } from './clock.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { first, t } from './texts.js';
import { ISOLATED } from './words.js';

/** @typedef {import('./types.js').State} State */

/** Request kinds this seat may make, in the order shown. @param {import('./types.js').View} view */
export function requestKinds(view) {
  if (view.room === 'waiting') return ['help', 'late', 'offline'];
  if (view.isolated || ISOLATED.includes(view.seat.role)) return ['speak', 'break', 'leave', 'help', 'urgent'];
  return ['speak', 'evidence', 'objection', 'recusal', 'break', 'leave', 'help', 'offline'];
}

/** @param {State} state */
export function ownRequests(state) {
  const view = state.view;
  return (view?.requests ?? []).filter((r) => r.seat === view?.seat.id).map((r) => h('div', { class: 'sent', 'data-key': r.id, 'data-request': r.id },
    h('span', { class: 'kind' }, first([`request.${r.kind}`]) || r.kind), h('time', null, clockTime(r.at)), ' ',
    h('span', { class: r.granted === null ? '' : r.granted ? 'granted' : 'refused' }, t(r.granted === null ? 'request.waiting' : r.granted ? 'request.granted' : 'request.refused')),
    r.text && h('p', null, r.text)));
}

/** @param {State} state */
function requests(state) {
  const view = /** @type {import('./types.js').View} */ (state.view);
  const sent = ownRequests(state);
  return [h('h2', null, t('page.requests.new')),
    h('div', { class: 'wishes' }, requestKinds(view).map((kind) => h('button', { class: 'wish', type: 'button', 'data-action': 'request', 'data-kind': kind, 'data-key': kind, 'aria-disabled': view.may.request ? null : 'true' }, t(`request.${kind}.long`), icon('right'))),
      view.may.reply && h('button', { class: 'wish', type: 'button', 'data-action': 'statement', 'data-key': 'statement' }, t('statement.title'), icon('right'))),
    sent.length > 0 && h('div', { class: 'section' }, h('h2', null, t('page.requests.sent')), sent)];
}

/** @param {State} state */
export function drawer(state) {
  const tab = state.ui.tab;
  const tabs = /** @type {const} */ (['requests', 'transcript', 'exhibits']);
  return h('div', { class: 'drawer', 'data-key': 'drawer' },
    h('div', { class: 'tabs', role: 'tablist', 'aria-label': t('page.drawer') },
      tabs.map((name) => h('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-selected': String(tab === name), 'aria-controls': 'tab-panel', tabindex: tab === name ? 0 : -1, 'data-action': 'tab', 'data-tab': name }, t(`page.tab.${name}`)))),
    h('div', { class: 'tab-panel', role: 'tabpanel', id: 'tab-panel', 'aria-labelledby': `tab-${tab}`, tabindex: '0' },
      tab === 'requests' ? requests(state) : [h('h2', null, t(`page.tab.${tab}`)), h('p', { class: 'muted' }, t(`page.${tab}.not_yet`))]),
    h('footer', null, t('page.requests.note'), h('button', { class: 'textlink only-narrow', type: 'button', 'data-action': 'drawer' }, t('page.close'))));
}
