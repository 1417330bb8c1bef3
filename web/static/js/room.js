/**
 * The hearing room: notices, the court, the strip, the bar, and the desk or the drawer beside it.
 */

import { attendanceStrip } from './attendance.js';
import { desk } from './desk.js';
import { h } from './dom.js';
import { drawer } from './drawer.js';
import { icon } from './icons.js';
import { notices } from './notices.js';
import { court } from './tiles.js';
import { first, t } from './texts.js';
import { isCourt, isBench } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./dom.js').Child} Child */

/** @param {string} action @param {string} picture @param {Child} words @param {string} style @param {import('./dom.js').Attributes} [more] */
const control = (action, picture, words, style, more = {}) => h('button', { type: 'button', class: `ctl ${style}`, 'data-action': action, 'data-key': action, ...more }, icon(picture), h('span', null, words));

/** Microphone or camera: what the person switched, unless the court has muted it. @param {State} state @param {'microphone'|'camera'} kind */
function device(state, kind) {
  const view = state.view;
  const me = view?.roster.find((p) => p.seat === view.seat.id);
  const [on, off, key] = kind === 'microphone' ? ['mic', 'micoff', 'M'] : ['cam', 'camoff', 'V'];
  if (me?.muted.includes(kind)) return control(kind, 'lock', t(`device.${kind}.by_court`), 'locked', { 'aria-disabled': 'true', 'data-device': 'muted' });
  const is = state.devices[kind];
  return control(kind, is === 'on' ? on : off, [state.ui.phone ? first([`device.${kind}.button.${is}.short`, `device.${kind}.button.${is}`]) : t(`device.${kind}.button.${is}`), h('kbd', { 'aria-hidden': 'true' }, key)], is === 'on' ? 'on' : 'line', { 'aria-pressed': String(is === 'on'), 'aria-keyshortcuts': key, 'data-device': is });
}

/** @param {State} state */
function bar(state) {
  const view = /** @type {import('./types.js').View} */ (state.view);
  const me = view.roster.find((p) => p.seat === view.seat.id);
  const court = isCourt(view.seat.role);
  const sends = view.media ? view.media.publish : [];
  const raised = (me?.hand ?? 0) > 0;
  const shares = state.devices.sharing;
  return h('div', { class: 'bar', role: 'toolbar', 'aria-label': t('page.bar'), 'data-key': 'bar' },
    sends.includes('microphone') && device(state, 'microphone'), sends.includes('camera') && device(state, 'camera'),
    !isBench(view.seat.role) && view.may.raise_hand !== undefined && control('hand', 'hand', [t(raised ? 'command.lower_hand' : 'command.raise_hand'), h('kbd', { 'aria-hidden': 'true' }, 'H')], raised ? 'raised' : 'line', { 'aria-pressed': String(raised), 'aria-keyshortcuts': 'H' }),
    !court && control('requests', 'list', t('page.room.requests'), 'line'),
    court && control('drawer', 'scale', t('page.desk.title'), 'line only-narrow', { 'aria-expanded': String(state.ui.drawer) }),
    court && view.may.mute && control('mute_all', 'micoff', t('page.room.mute_all'), 'line wide-only'),
    sends.includes('screen') && control('present', 'share', t(shares ? 'command.stop_presenting' : view.may.present ? 'command.present' : 'page.room.present_later'), `${shares ? 'on' : view.may.present ? '' : 'bare'} wide-only`, { 'aria-disabled': shares || view.may.present ? null : 'true', 'aria-pressed': String(shares) }),
    h('span', { class: 'push', 'data-key': 'push' }),
    control('help', 'help', t('page.room.help'), 'wide-only'),
    control('devices', 'gear', t('page.room.devices'), 'wide-only'),
    h('a', { class: 'ctl wide-only', 'data-action': 'large', 'data-key': 'large', href: '#' }, icon('type'), h('span', null, t(document.documentElement.classList.contains('large') ? 'page.normal_type' : 'page.large_type'))),
    control('leave', 'leave', t('command.leave'), 'danger wide-only'),
    h('button', { type: 'button', class: 'ctl only-phone', 'data-action': 'more', 'data-key': 'more' }, icon('more'), h('span', null, t('page.more'))));
}

/** @param {State} state */
export function room(state) {
  const view = /** @type {import('./types.js').View} */ (state.view);
  const staff = isCourt(view.seat.role);
  const side = view.seat.role !== 'observer';
  return h('div', { class: `hall${staff ? ' with-desk' : side ? '' : ' no-side'}`, 'data-key': 'hall' },
    h('main', { class: 'hall-main', id: 'content', 'data-key': 'main', tabindex: '-1' },
      h('h1', { class: 'sr' }, t('page.room.title')),
      notices(state), court(state),
      h('div', { class: 'everyone', 'data-key': 'everyone' }, h('button', { class: 'btn', type: 'button', 'data-action': 'everyone' }, icon('list'), t('page.room.everyone')), !staff && h('button', { class: 'btn', type: 'button', 'data-action': 'requests' }, icon('doc'), t('page.room.requests'))),
      staff && attendanceStrip(state), bar(state)),
    side && h('aside', { class: `hall-side${state.ui.drawer ? ' open' : ''}`, 'data-key': 'side', 'aria-label': t(staff ? 'page.desk.title' : 'page.drawer'), tabindex: '0' }, staff ? desk(state) : drawer(state)));
}
