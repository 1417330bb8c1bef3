/**
 * Waiting room, and the plain sentences after everything: closed, left, removed, replaced. Paper, large, one thing to do.
 */

import { clockTime } from './clock.js';
import { archiveSection } from './desk.js';
import { h } from './dom.js';
import { ownRequests } from './drawer.js';
import { icon } from './icons.js';
import { notices } from './notices.js';
import { t } from './texts.js';
import { isCourt } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').View} View */

/** Who signs the integrity value after the close (courtroom/hearing/signing.py decides; this only shows the way). */
const SIGNING = ['plaintiff', 'defendant', 'third_party', 'prosecutor', 'accused', 'counsel'];

/** Own picture; nobody else sees it. @param {State} state @param {import('./dom.js').Child} caption @param {string} [style] @param {import('./dom.js').Child} [over] */
export function preview(state, caption, style = '', over = null) {
  const picture = state.devices.camera === 'on';
  return h('figure', { class: `preview ${style}`, 'data-key': 'preview' },
    h('div', { class: 'picture' }, picture
      ? [h('video', { 'data-seat': state.view?.seat.id ?? 'self', 'data-source': 'camera', autoplay: true, playsinline: true, muted: true, 'data-keep': true, 'data-key': 'video', 'aria-label': t('page.preview') }), over]
      : h('div', { class: 'none' }, icon('camoff'), t(`device.camera.${state.devices.camera}`))),
    h('figcaption', null, caption));
}

/** @param {State} state */
function deviceLine(state) {
  const { microphone, camera } = state.devices;
  return h('div', { class: 'row devices-line' },
    h('span', null, icon(camera === 'on' ? 'cam' : 'camoff'), t(`device.camera.button.${camera}`)),
    h('span', null, icon(microphone === 'on' ? 'mic' : 'micoff'), t(`device.microphone.button.${microphone}`)),
    h('span', null, icon('net'), t(state.link.socket === 'up' ? 'page.waiting.linked' : 'page.waiting.linking')));
}

/** @param {State} state */
export function waiting(state) {
  const view = /** @type {View} */ (state.view);
  const asked = new Set(view.requests.filter((r) => r.seat === view.seat.id && r.granted === null).map((r) => r.kind + r.text));
  const wish = (/** @type {string} */ kind, /** @type {string} */ key, text = '') => {
    const done = asked.has(kind + text);
    return h('button', { class: 'wish', type: 'button', 'data-action': 'wish', 'data-kind': kind, 'data-text': text, 'data-key': key, 'aria-disabled': done ? 'true' : null }, t(key), done ? h('span', { class: 'tag good' }, icon('check'), t('page.waiting.told')) : icon('right'));
  };
  const early = view.phase === null || ['scheduled', 'check_in'].includes(view.phase);
  return h('main', { id: 'content', tabindex: '-1', 'data-key': 'waiting', 'data-screen': 'waiting' }, notices(state),
    h('div', { class: 'await waiting' },
      h('div', { class: 'stack' }, preview(state, deviceLine(state)), h('p', { class: 'muted' }, t('page.waiting.unseen'))),
      h('div', null,
        h('div', { class: 'accent' }, h('h1', null, t(early ? 'page.waiting.title' : 'page.waiting.title_running')),
          h('p', { class: 'say' }, t('page.waiting.time'), ' ', h('strong', null, clockTime(view.scheduled_at)), t('page.waiting.then'))),
        h('button', { class: 'btn primary large-btn', type: 'button', 'data-action': 'call_clerk', 'aria-disabled': asked.has('help') ? 'true' : null }, icon('bell'), t(asked.has('help') ? 'page.waiting.called' : 'page.waiting.call')),
        h('h2', null, t('page.waiting.tell')),
        h('div', { class: 'wishes' }, !view.isolated && [wish('late', 'page.waiting.late'), wish('offline', 'page.waiting.offline')], wish('help', 'page.waiting.interpreter', t('page.waiting.interpreter'))),
        h('div', null, ownRequests(state).slice(0, 4)),
        h('p', { class: 'row' }, h('button', { class: 'textlink', type: 'button', 'data-action': 'devices' }, t('page.room.devices')),
          h('button', { class: 'textlink', type: 'button', 'data-action': 'check_again' }, t('page.check.again')),
          h('button', { class: 'textlink', type: 'button', 'data-action': 'leave' }, t('command.leave'))))));
}

/** Three seconds before the court sees and hears a person. @param {State} state */
export function countdown(state) {
  if (!state.ui.countdown) return null;
  return h('div', { class: 'countdown', role: 'alert', 'data-key': 'countdown', 'data-screen': 'countdown' }, h('p', null, t('page.countdown.title')), h('b', { 'aria-hidden': 'true' }, state.ui.countdown), h('small', null, t('page.countdown.say')));
}

/** Why nothing is shown any more. @param {State} state @returns {'closed'|'removed'|'left'|'replaced'|'offline'|'outside'} */
export function endedWhy(state) {
  const { view, link } = state;
  if (link.ended) return link.ended;
  if (view?.phase === 'closed') return 'closed';
  if (view?.phase === 'moved_offline') return 'offline';
  const me = view?.roster.find((p) => p.seat === view.seat.id);
  if (me?.presence === 'removed' || view?.notices.some((n) => n.code === 'removed')) return 'removed';
  if (me?.presence === 'left') return 'left';
  return 'outside';
}

/** @param {State} state */
export function ended(state) {
  const why = endedWhy(state);
  const view = state.view;
  const back = ['left', 'replaced', 'outside'].includes(why);
  return h('main', { id: 'content', tabindex: '-1', 'data-key': 'ended', 'data-screen': 'ended', 'data-ended': why },
    h('div', { class: 'sheet narrow section' },
      h('div', { class: 'accent' }, h('h1', null, t(`page.ended.${why}.title`)), h('p', { class: 'say' }, t(`page.ended.${why}.say`))),
      h('div', { class: 'row section' }, back && h('button', { class: 'btn primary', type: 'button', 'data-action': 'return' }, t('page.ended.return'))),
      view && ['closed', 'offline'].includes(why) && SIGNING.includes(view.seat.role) && !view.isolated && h('div', { class: 'card next section', 'data-key': 'sign' }, h('p', null, t('page.sign.open_say')),
        h('p', { class: 'section-small' }, h('a', { class: 'btn primary', href: `/h/${encodeURIComponent(view.hearing)}/sign?seat=${encodeURIComponent(view.seat.id)}`, 'data-action': 'sign' }, t('page.sign.open')))),
      view?.may.reply && ['closed', 'offline'].includes(why) && h('div', { class: 'card section', 'data-key': 'statement' }, h('p', null, t('statement.afterwards')),
        h('p', { class: 'section-small' }, h('button', { class: 'btn', type: 'button', 'data-action': 'statement' }, t('statement.title')))),
      view && why === 'closed' && isCourt(view.seat.role) && h('div', { class: 'card section' }, archiveSection(view) ?? h('p', null, t('page.archive.state.none')))));
}
