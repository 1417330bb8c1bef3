/**
 * The strip under the band: what happens → what it means → what to do. One's own connection first, then the court's notices.
 */

import { h } from './dom.js';
import { icon } from './icons.js';
import { first, known, t } from './texts.js';
import { isCourt } from './words.js';

/** @typedef {import('./types.js').State} State */
const ICONS = /** @type {Record<string, string>} */ ({ info: 'info', warn: 'alert', fault: 'alert', ask: 'bell' });

/** @param {string} key @param {string} level @param {string} head @param {string} body @param {import('./dom.js').Child} [act] @param {string} [picture] */
const strip = (key, level, head, body, act, picture) => h('div', { class: 'notice', 'data-level': level, 'data-key': key, 'data-notice': key },
  icon(picture ?? ICONS[level] ?? 'info'), h('p', null, head && [h('b', null, head), ' '], body), act);

/** @param {State} state */
function own(state) {
  const { link, devices, view } = state;
  const out = [];
  if (link.lostAt) {
    out.push(strip('link-lost', 'fault', t('page.link.lost'), `${t('page.link.lost_what')} ${t('page.link.lost_do')}`, h('button', { class: 'mini', type: 'button', 'data-action': 'retry' }, t('page.link.retry')), 'off'));
  } else if (link.missed > 0) {
    const acts = h('span', { class: 'acts' },
      view?.may.request && !isCourt(view.seat.role) && h('button', { class: 'mini', type: 'button', 'data-action': 'repeat' }, t('page.link.repeat')),
      h('button', { class: 'mini light', type: 'button', 'data-action': 'seen' }, t('page.ok')));
    const says = strip('link-back', 'info', t('page.link.back'), t(isCourt(view?.seat.role ?? '') ? 'page.link.missed_court' : 'page.link.missed', { seconds: link.missed }), acts, 'check');
    says.dataset.missed = String(link.missed);
    out.push(says);
  } else if (link.back) {
    out.push(strip('link-back', 'info', t('page.link.back'), '', null, 'check'));
  }
  if (devices.blockedSound) out.push(strip('sound', 'ask', t('page.sound.blocked'), t('page.sound.blocked_do'), h('button', { class: 'mini light', type: 'button', 'data-action': 'sound' }, t('page.sound.on')), 'speaker'));
  if (view?.media && view.media.publish.length) {
    for (const kind of /** @type {const} */ (['microphone', 'camera'])) {
      const what = devices[kind];
      if (['denied', 'lost', 'none'].includes(what)) {
        out.push(strip(`device-${kind}`, 'warn', t(`device.${kind}.${what}.head`), t(`device.${kind}.${what}.do`), h('button', { class: 'mini', type: 'button', 'data-action': 'devices' }, t('page.room.devices')), kind === 'camera' ? 'camoff' : 'micoff'));
      }
    }
  }
  return out;
}

/** The press that proves that a prompt or warning was read. @param {import('./types.js').Notice} notice */
function readButton(notice) {
  if (!notice.values.notice || notice.values.read || !['prompted', 'warned'].includes(notice.code)) return null;
  return h('button', { class: 'mini light', type: 'button', 'data-action': 'notice_read', 'data-number': notice.values.notice }, t('page.notice.read'));
}

/** @param {State} state */
export function notices(state) {
  const view = state.view;
  const ones = own(state);
  const me = view?.roster.find((p) => p.seat === view.seat.id);
  if (!state.link.lostAt && me?.connection === 'unstable') ones.push(strip('unstable', 'warn', t('page.link.unstable'), t('page.link.unstable_do'), null, 'net'));
  if (view?.room && view.phase === 'recess') ones.push(strip('recess', 'info', t('phase.recess'), t('page.room.recess_say'), null, 'pause'));
  if (view?.room && view.phase === 'technical_hold') ones.push(strip('hold', 'warn', t('phase.technical_hold'), t('page.room.hold_say'), null, 'pause'));
  const courts = (view?.notices ?? []).map((n) => {
    const body = known(`notice.${n.code}`) ? t(`notice.${n.code}`, n.values) : first([`page.notice.${n.code}`], n.values) || n.code;
    return strip(`n-${n.id}`, n.level, '', body, readButton(n));
  });
  return h('div', { class: 'notices', role: 'status', 'aria-live': 'polite', 'data-key': 'notices' }, ones, courts);
}
