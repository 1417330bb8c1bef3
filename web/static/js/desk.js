/**
 * The desk of bench and clerk: phases with their articles, opening checklist, requests, people and rooms, archive.
 *
 * Rules: a button exists because `view.may` or `view.may_seat` says so; what is not possible now stays readable and says
 * why; every button carries `data-command` (and `data-seat`), the only thing that `hearing.js` reads.
 */

import { h } from './dom.js';
import { icon } from './icons.js';
import { first, t } from './texts.js';
import { interruptionSection } from './interruption.js';
import { ISOLATED, article, isCourt, roleName, seatState } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').View} View */
/** @typedef {import('./types.js').Person} Person */

export const PHASES = ['open', 'investigation', 'debate', 'final_statements', 'pronouncement', 'closed'];
const ASIDE = ['mediation', 'deliberation'];
const PAUSED = ['recess', 'technical_hold'];
/** Phases from which the court may step aside to mediation or deliberation. */
const MAY_STEP_ASIDE = ['investigation', 'debate', 'final_statements', 'mediation', 'deliberation'];

/** @param {View} view @param {string} command @param {string} label @param {string} under article or consequence @param {Record<string, string>} [more] @param {string} [style] */
function act(view, command, label, under, more = {}, style = '') {
  const can = view.may[command] === true;
  return h('button', { type: 'button', class: `act ${style}`, 'data-command': command, ...more, 'aria-disabled': can ? null : 'true', 'data-key': `act-${command}-${more['data-phase'] ?? more['data-seat'] ?? ''}` },
    label, (can ? under : t('page.desk.not_now')) && h('small', null, can ? under : t('page.desk.not_now')));
}

/** @param {View} view */
function nextAct(view) {
  if (view.phase === 'scheduled' || view.phase === 'check_in') {
    const open = view.checklist.filter((c) => !c.met && !c.waived).length;
    return act(view, 'open_hearing', t('command.open_hearing'), open ? t('page.desk.checks_open', { n: open }) : article(view, 'open_hearing'), {}, 'primary');
  }
  if (PAUSED.includes(view.phase ?? '')) return act(view, 'resume', t('command.resume'), t('page.desk.resume_to'), {}, 'primary');
  const at = ASIDE.includes(view.phase ?? '') ? 3 : PHASES.indexOf(view.phase ?? '');
  const next = PHASES[at + 1];
  if (!next || next === 'closed') return null;
  return act(view, 'set_phase', t('command.enter', { phase: t(`phase.${next}`) }), article(view, next), { 'data-phase': next }, 'primary');
}

/** @param {View} view */
function phaseSection(view) {
  const before = view.phase === 'scheduled' || view.phase === 'check_in';
  const paused = PAUSED.includes(view.phase ?? '');
  const line = PHASES.includes(view.phase ?? '') || before ? PHASES : [...PHASES.slice(0, 4), view.phase ?? '', ...PHASES.slice(4)];
  const now = line.indexOf(view.phase ?? '');
  const witness = view.roster.find((p) => p.room === 'courtroom' && ISOLATED.includes(p.role) && view.may_seat[p.seat]?.includes('dismiss'));
  if (view.phase === 'closed' || view.phase === 'moved_offline') return null;
  return h('section', { 'data-key': 'phases', 'aria-labelledby': 'desk-phases' }, h('h2', { id: 'desk-phases' }, t('page.desk.phases')),
    h('ol', { class: 'phase-line' }, line.map((p, i) => h('li', { class: i < now ? 'past' : '', 'aria-current': i === now ? 'step' : null }, t(`phase.${p}.short`)))),
    h('div', { class: 'phase-buttons' },
      nextAct(view),
      !before && !paused && act(view, 'recess', t('command.recess'), article(view, 'recess')),
      witness && act({ ...view, may: { ...view.may, dismiss: true } }, 'dismiss', t('command.dismiss_witness'), article(view, 'dismiss'), { 'data-seat': witness.seat }),
      MAY_STEP_ASIDE.includes(view.phase ?? '') && ASIDE.filter((p) => p !== view.phase && !(p === 'mediation' && view.phase === 'deliberation')).map((p) => act(view, 'set_phase', t(`phase.${p}`), article(view, p), { 'data-phase': p })),
      act(view, 'move_offline', t('command.move_offline'), article(view, 'move_offline')),
      !before && act(view, 'close_hearing', t('command.close_hearing'), t('page.desk.close_means'), {}, 'danger')));
}

/** @param {View} view */
function checklistSection(view) {
  if (!view.checklist?.length || !['scheduled', 'check_in'].includes(view.phase ?? '')) return null;
  const open = view.checklist.filter((c) => !c.met && !c.waived).length;
  return h('section', { 'data-key': 'checklist', 'aria-labelledby': 'desk-checklist' },
    h('h2', { id: 'desk-checklist' }, t('page.desk.checklist'), h('small', null, open ? t('page.desk.checks_open', { n: open }) : t('page.desk.checks_done'))),
    h('ul', { class: 'check-list' }, view.checklist.map((c) => {
      const person = view.roster.find((p) => p.seat === c.seat);
      const done = c.met || c.waived;
      return h('li', { class: done ? 'met' : 'open', 'data-key': `${c.item}-${c.seat ?? ''}`, 'data-item': c.item },
        icon(done ? 'check' : 'alert'),
        h('span', null, first([`checklist.${c.item}`]) || c.item, person && h('small', null, `${roleName(person, true)} ${person.name}`), c.waived && h('small', null, t('checklist.waived'))),
        !done && (c.seat && view.may_seat[c.seat]?.includes('verify_identity') && c.item.startsWith('identity')
          ? h('button', { class: 'mini', type: 'button', 'data-command': 'verify_identity', 'data-seat': c.seat }, t('command.verify_identity'))
          : view.may.waive_check && h('button', { class: 'mini', type: 'button', 'data-command': 'waive_check', 'data-item': c.item, 'data-seat': c.seat }, t('command.waive_check'))));
    })));
}

/** @param {View} view */
function requestsSection(view) {
  const open = view.requests.filter((r) => r.granted === null);
  return h('section', { 'data-key': 'requests', 'aria-labelledby': 'desk-requests' },
    h('h2', { id: 'desk-requests' }, t('page.desk.requests'), h('small', null, open.length ? t('page.desk.requests_open', { n: open.length }) : t('page.desk.requests_none'))),
    open.map((r) => {
      const person = view.roster.find((p) => p.seat === r.seat);
      return h('div', { class: 'plea', 'data-key': r.id, 'data-request': r.id },
        h('div', null, h('span', { class: 'kind' }, first([`request.${r.kind}`]) || r.kind), person?.name, h('span', { class: 'who' }, person ? roleName(person) : ''), r.text && h('p', null, r.text)),
        h('div', null, h('time', null, h('span', { 'data-since': r.at, 'data-keep': true }), t('page.ago')),
          view.may.answer_request && h('div', { class: 'buttons' },
            h('button', { class: 'mini same light', type: 'button', 'data-command': 'answer_request', 'data-request': r.id, 'data-granted': 'true' }, t('command.grant')),
            h('button', { class: 'mini same', type: 'button', 'data-command': 'answer_request', 'data-request': r.id, 'data-granted': 'false' }, t('command.refuse')))));
    }));
}

/** Which commands stand on the row itself; the rest is behind the dots. @param {View} view @param {Person} person */
export function rowCommands(view, person) {
  const given = view.may_seat[person.seat] ?? [];
  // Whoever has the floor cannot be given it again; it can be taken back.
  const may = person.floor && view.may.give_floor && !given.includes('give_floor') ? ['give_floor', ...given] : given;
  const wanted = person.room === 'waiting' ? ['verify_identity', 'admit'] : person.room === 'witness_room' ? ['call']
    : person.presence === 'interrupted' || (person.room && !person.connected) || !person.room ? ['prompt', 'warn']
      : ISOLATED.includes(person.role) ? ['dismiss', 'mute', 'unmute'] : ['give_floor', 'mute', 'unmute'];
  const muted = person.muted.includes('microphone');
  const here = wanted.filter((c) => may.includes(c) && !(c === 'mute' && muted) && !(c === 'unmute' && !muted) && !(c === 'verify_identity' && person.identity_verified));
  return { here, more: may.filter((c) => !here.includes(c) && !((c === 'mute' || c === 'unmute') && wanted.includes(c))) };
}

/** @param {Person} person @param {string} command @param {string} [style] */
export function commandButton(person, command, style = 'mini') {
  const taking = command === 'give_floor' && person.floor;
  return h('button', {
    class: `${style}${taking ? ' on' : ''}${command === 'admit' || command === 'call' ? ' light' : ''}`, type: 'button', 'data-command': command, 'data-seat': person.seat, 'data-taking': taking ? 'true' : null,
    'data-key': command, 'aria-label': `${t(taking ? 'command.take_floor' : `command.${command}`)} ${person.name}`,
  }, t(taking ? 'command.take_floor' : `command.${command}`));
}

/** @param {View} view @param {Person} person */
function rowState(view, person) {
  if (person.floor) return ['gold', t('page.room.has_floor')];
  if (person.hand > 0) return ['gold', t('page.room.hand_up')];
  if (person.connected && (person.room === 'waiting' || person.room === 'witness_room')) return ['', t(person.identity_verified ? 'page.desk.verified' : 'page.desk.not_verified')];
  const says = seatState(view, person);
  if (says.kind === 'lost' || person.connection === 'unstable') return ['amber', says.kind === 'lost' ? says.words : t('presence.unstable')];
  if (says.kind === 'court-muted') return ['red', says.words];
  return ['', says.words];
}

/** @param {View} view @param {Person} person */
function seatRow(view, person) {
  const [colour, words] = rowState(view, person);
  const { here, more } = rowCommands(view, person);
  const filed = view.attendance?.some((row) => row.seat === person.seat);
  return h('div', { class: 'seat-row', 'data-key': person.seat, 'data-seat': person.seat, 'data-room': person.room ?? '' },
    h('span', { class: 'role' }, roleName(person, true)),
    h('span', null, person.name, h('span', { class: `state ${colour}` }, words)),
    h('span', { class: 'buttons' }, here.map((c) => commandButton(person, c)),
      (more.length > 0 || filed) && h('button', { class: 'mini', type: 'button', 'data-action': 'seat_menu', 'data-seat': person.seat, 'data-key': 'more', 'aria-label': t('page.desk.more_for', { name: person.name }) }, icon('more'))));
}

/** @param {View} view @param {string} key @param {string} name @param {Person[]} people @param {string} [note] */
function group(view, key, name, people, note) {
  if (!people.length) return null;
  return h('div', { 'data-key': `group-${key}`, 'data-group': key }, h('h3', { class: 'room-name' }, name, h('small', null, note ?? t('page.desk.people', { n: people.length }))), people.map((p) => seatRow(view, p)));
}

/** @param {View} view */
function peopleSection(view) {
  const inside = view.roster.filter((p) => p.room === 'courtroom');
  const others = inside.filter((p) => !isCourt(p.role) || !p.connected || p.hand > 0 || (p.seat !== view.seat.id && p.muted.length > 0));
  const bench = inside.filter((p) => !others.includes(p));
  const lost = inside.filter((p) => !p.connected).length;
  const rooms = view.roster.filter((p) => p.room === 'witness_room');
  const hosts = rooms.filter((p) => !rooms.some((q) => q.seat === p.linked_to));
  return h('section', { 'data-key': 'people', 'aria-labelledby': 'desk-people' }, h('h2', { id: 'desk-people' }, t('page.desk.people_rooms')),
    group(view, 'waiting', t('room.waiting'), view.roster.filter((p) => p.room === 'waiting')),
    inside.length > 0 && h('div', { 'data-key': 'group-courtroom', 'data-group': 'courtroom' },
      h('h3', { class: 'room-name' }, t('room.courtroom'), h('small', null, lost ? t('page.desk.in_court_lost', { n: inside.length, lost }) : t('page.desk.in_court', { n: inside.length }))),
      bench.length > 0 && h('div', { class: 'seat-row', 'data-key': 'bench' }, h('span', { class: 'role' }, t('role.bench')), h('span', null, bench.map((p) => p.name).join(t('file.comma'))), h('span')),
      others.map((p) => seatRow(view, p))),
    hosts.map((host, i) => group(view, `witness-${host.seat}`, t('room.witness_room_n', { n: i + 1 }), [host, ...rooms.filter((p) => p.linked_to === host.seat)], t('page.desk.isolated', { n: 1 + rooms.filter((p) => p.linked_to === host.seat).length }))),
    group(view, 'deliberation', t('room.deliberation'), view.roster.filter((p) => p.room === 'deliberation')),
    group(view, 'out', t('page.desk.not_here'), view.roster.filter((p) => p.room === null)));
}

/** @param {View} view */
export function archiveSection(view) {
  if (!view.archive || view.archive.state === 'none') return null;
  const { state, progress, eta_s: eta } = view.archive;
  return h('section', { 'data-key': 'archive', 'data-archive': state, 'aria-labelledby': 'desk-archive' }, h('h2', { id: 'desk-archive' }, t('page.archive.title'), h('small', null, t(`page.archive.state.${state}`))),
    ['queued', 'composing', 'sealing'].includes(state) && h('div', { class: 'progress', role: 'progressbar', 'aria-valuenow': progress, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-label': t('page.archive.title') }, h('i', { style: { width: `${Math.min(100, Math.max(0, progress))}%` } })),
    ['queued', 'composing', 'sealing'].includes(state) && h('p', null, `${progress}%`, eta ? ` · ${t('page.archive.eta', { seconds: eta })}` : ''),
    h('p', null, h('a', { class: 'link', href: `/archive/${encodeURIComponent(view.hearing)}?seat=${encodeURIComponent(view.seat.id)}`, 'data-action': 'archive' }, t('page.archive.open'))));
}

/** @param {State} state */
export function desk(state) {
  const view = /** @type {View} */ (state.view);
  const free = view.recording.free_hours;
  return h('div', { class: 'desk', 'data-key': 'desk' },
    h('section', { class: 'only-narrow', 'data-key': 'shut' }, h('button', { class: 'mini', type: 'button', 'data-action': 'drawer' }, t('page.close'))),
    archiveSection(view), phaseSection(view), interruptionSection(view), checklistSection(view), requestsSection(view), peopleSection(view),
    free !== null && free !== undefined && h('section', { 'data-key': 'disk' }, h('p', null, icon('disk'), ' ', t('recording.free', { hours: Math.floor(free) }))));
}
