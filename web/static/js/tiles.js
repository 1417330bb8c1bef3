/**
 * Tiles at fixed places by role (COURT.md 8): bench on top, plaintiff's side left, defendant's side right, clerk below the
 * stage, the witness on it when called. Loudness never moves a tile.
 */

import { clockTime } from './clock.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { routesOf } from './pictures.js';
import { t } from './texts.js';
import { ISOLATED, backBy, initial, isBench, roleName, seatState } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').View} View */
/** @typedef {import('./types.js').Person} Person */
/** @typedef {{bench: Person[], left: Person[], right: Person[], low: Person[], stage: Person|null, screen: Person|null}} Places */

/** @param {Person} person @param {Person[]} roster which side a linked person or a party sits on */
function sideOf(person, roster) {
  if (person.side === 'plaintiff' || ['plaintiff', 'prosecutor'].includes(person.role)) return 'left';
  if (person.side === 'defendant' || ['defendant', 'accused'].includes(person.role)) return 'right';
  const host = person.linked_to ? roster.find((p) => p.seat === person.linked_to) : undefined;
  if (host && !isBench(host.role) && !ISOLATED.includes(host.role) && host.linked_to !== person.seat) return sideOf({ ...host, linked_to: '' }, roster);
  return 'low';
}

/** The presiding judge in the middle, the others left and right in turn. @param {Person[]} bench */
function centred(bench) {
  const chief = bench.filter((p) => p.role === 'presiding_judge');
  const others = bench.filter((p) => p.role !== 'presiding_judge');
  const half = Math.ceil(others.length / 2);
  return [...others.slice(0, half), ...chief, ...others.slice(half)];
}

/** @param {View} view @param {boolean} [oneStage] large type on a phone: whoever has the floor stands on the stage */
export function places(view, oneStage = false) {
  const room = view.room ?? 'courtroom';
  const shown = view.roster.filter((p) => p.role !== 'observer' && (p.room === room
    || (room === 'courtroom' && p.required && !ISOLATED.includes(p.role) && (p.room === null || p.presence === 'interrupted'))));
  /** @type {Places} */
  const at = { bench: centred(shown.filter((p) => isBench(p.role))), left: [], right: [], low: [], stage: null, screen: null };
  const witnesses = shown.filter((p) => ISOLATED.includes(p.role));
  at.screen = view.presenting ? shown.find((p) => p.seat === view.presenting?.seat) ?? null : null;
  if (!at.screen) at.stage = witnesses.shift() ?? null;
  for (const person of shown) {
    if (isBench(person.role) || ISOLATED.includes(person.role)) continue;
    const side = sideOf(person, view.roster);
    (side === 'left' ? at.left : side === 'right' ? at.right : at.low).push(person);
  }
  at.low.sort((a, b) => Number(b.role === 'clerk') - Number(a.role === 'clerk'));
  at.low.push(...witnesses);
  if (oneStage && !at.screen && !at.stage) {
    at.stage = shown.find((p) => p.floor) ?? shown.find((p) => p.seat === view.speaking[0] && !isBench(p.role)) ?? at.left[0] ?? null;
  }
  return at;
}

/** @param {State} state @param {Person} person */
const cameraRoute = (state, person) => routesOf(state).find((r) => r.kind === 'video' && r.seat === person.seat && r.source === 'camera');

/** A picture that our own line does not carry any more. @param {State} state @param {View} view @param {Person} person */
function isPaused(state, view, person) {
  if (person.seat === view.seat.id || person.connection !== 'good' || !hasPicture(state, view, person)) return false;
  return state.link.paused.includes(cameraRoute(state, person)?.mid ?? '');
}

/** @param {State} state @param {View} view @param {Person} person */
function hasPicture(state, view, person) {
  if (person.muted.includes('camera') || person.camera !== 'on') return false;
  if (person.seat === view.seat.id) return Boolean(state.devices.stream?.getVideoTracks().length);
  if (state.devices.audioOnly) return false;
  return Boolean(cameraRoute(state, person));
}

/** @param {State} state @param {View} view @param {Person} person */
function picture(state, view, person) {
  const says = seatState(view, person);
  if (says.kind === 'excused') return [icon('cup'), h('strong', null, t('presence.excused')), h('span', null, backBy(person.excused_until))];
  if (says.kind === 'lost' || says.kind === 'platform') return [icon(says.icon), h('strong', null, says.words)];
  if (says.kind === 'absent') return [h('div', { class: 'initial', 'aria-hidden': 'true' }, initial(person.name)), h('span', null, says.words)];
  if (hasPicture(state, view, person)) {
    return [h('video', { 'data-seat': person.seat, 'data-source': 'camera', autoplay: true, playsinline: true, muted: true, 'data-keep': true, 'data-key': 'video', 'aria-label': t('page.room.picture_of', { name: person.name }) })];
  }
  const why = person.seat !== view.seat.id && state.devices.audioOnly && person.camera === 'on' ? 'page.room.audio_only' : person.muted.includes('camera') ? 'device.camera.by_court' : person.camera === 'on' ? 'device.camera.coming' : `device.camera.${person.camera}`;
  return [h('div', { class: 'initial', 'aria-hidden': 'true' }, initial(person.name)), h('span', null, t(why))];
}

/** @param {View} view @param {Person} person @param {boolean} phone */
function flags(view, person, phone) {
  const own = person.seat === view.seat.id;
  return [
    own && h('span', { class: 'flag you' }, t('page.room.you')),
    person.connection === 'unstable' && seatState(view, person).kind !== 'lost' && h('span', { class: 'flag' }, icon('net'), t(phone ? 'presence.unstable.short' : 'presence.unstable')),
    person.hand > 0 && h('span', { class: 'flag hand' }, icon('hand'), t('page.room.hand_up')),
  ];
}

/** One seat. @param {State} state @param {Person} person @param {Node[]} [panel] facts shown beside a wide picture */
export function tile(state, person, panel) {
  const view = /** @type {View} */ (state.view);
  const says = seatState(view, person);
  const paused = isPaused(state, view, person);
  const blank = !paused && hasPicture(state, view, person) && state.link.blank.includes(cameraRoute(state, person)?.mid ?? '');
  const box = h('div', { class: 'picture' }, picture(state, view, person), flags(view, person, state.ui.phone),
    blank && h('div', { class: 'blank' }, h('div', { class: 'initial', 'aria-hidden': 'true' }, initial(person.name)), h('span', null, t('page.room.no_picture'))),
    paused && h('span', { class: 'paused' }, icon('net'), h('span', null, t(state.ui.phone ? 'page.room.paused.short' : 'page.room.paused'))));
  return h('article', {
    class: `tile ${says.kind}${person.floor ? ' has-floor' : ''}`, 'data-key': `seat-${person.seat}`, 'data-seat': person.seat,
    'data-kind': 'seat', 'data-state': says.kind, 'data-paused': paused ? '' : null, 'aria-label': `${roleName(person)} ${person.name}`,
  }, panel ? h('div', { class: 'split' }, box, panel) : box, h('div', { class: 'plate' },
    h('span', { class: 'role', 'data-floor': person.floor ? t('page.room.has_floor') : null }, roleName(person, state.ui.phone)),
    h('span', { class: 'name' }, person.name),
    h('span', { class: 'state' }, icon(says.icon), state.ui.phone ? says.short : says.words,
      says.since > 0 && [' ', h('span', { 'data-since': says.since, 'data-keep': true })])));
}

/** What somebody presents takes the centre. @param {State} state @param {Person} person */
export function screenTile(state, person) {
  const own = person.seat === state.view?.seat.id;
  return h('article', { class: 'tile', 'data-key': `screen-${person.seat}`, 'data-seat': person.seat, 'data-kind': 'screen', 'aria-label': t('page.room.presented_by', { name: person.name }) },
    h('div', { class: 'picture' }, h('video', { 'data-seat': person.seat, 'data-source': 'screen', autoplay: true, playsinline: true, muted: true, 'data-keep': true, 'data-key': 'video', 'aria-label': t('page.room.presented_by', { name: person.name }) })),
    h('div', { class: 'plate' }, h('span', { class: 'name' }, t('page.room.presented_by', { name: person.name })),
      h('span', { class: 'state' }, t(own ? 'page.room.you_present' : 'page.room.same_page'))));
}

/** @param {State} state @param {Person} person */
function witnessPanel(state, person) {
  const view = /** @type {View} */ (state.view);
  const company = view.roster.filter((p) => p.linked_to === person.seat && p.room === person.room);
  return h('dl', { class: 'panel' },
    h('div', null, h('dt', null, t('page.room.since')), h('dd', null, person.since ? clockTime(person.since, true) : '')),
    typeof person.identity_verified === 'boolean' && h('div', null, h('dt', null, t('page.room.identity')), h('dd', null, t(person.identity_verified ? 'page.room.verified' : 'page.room.not_verified'))),
    h('div', null, h('dt', null, t('page.room.company')), h('dd', null, company.map((p) => p.name).join(t('file.comma')) || t('page.room.nobody'))));
}

/** Everybody at their place. @param {State} state */
export function court(state) {
  const view = /** @type {View} */ (state.view);
  const large = document.documentElement.classList.contains('large');
  const at = places(view, large && state.ui.phone);
  const seats = at.bench.length + at.left.length + at.right.length + at.low.length + (at.stage ? 1 : 0);
  const draw = (/** @type {Person} */ person) => tile(state, person);
  const low = at.low.filter((p) => p !== at.stage);
  const wide = !state.ui.phone && at.stage && !large;
  return h('div', { class: 'court', 'data-size': seats <= 4 ? 'small' : seats <= 8 ? 'middle' : 'full', 'data-key': 'court', tabindex: state.ui.phone ? '0' : null, role: 'group', 'aria-label': t('page.room.title') },
    h('div', { class: 'bench', 'data-key': 'bench' }, at.bench.filter((p) => p !== at.stage).map(draw)),
    h('div', { class: 'floor', 'data-key': 'floor' },
      h('div', { class: `side${at.left.length > 2 ? ' many' : ''}`, 'data-key': 'left' }, at.left.map(draw)),
      h('div', { class: 'centre', 'data-key': 'centre' },
        h('div', { class: 'stage', 'data-key': 'stage' }, at.screen ? screenTile(state, at.screen)
          : at.stage ? tile(state, at.stage, wide && ISOLATED.includes(at.stage.role) ? [witnessPanel(state, at.stage)] : undefined)
            : h('div', { class: 'stage-empty' }, h('img', { src: '/static/img/emblem.svg', alt: t('page.emblem') }))),
        low.length > 0 && h('div', { class: `low${seats >= 9 || view.attendance?.length ? ' hz' : ''}`, 'data-key': 'low' }, low.map(draw))),
      h('div', { class: `side${at.right.length > 2 ? ' many' : ''}`, 'data-key': 'right' }, at.right.map(draw))));
}
