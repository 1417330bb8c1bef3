/**
 * The attendance strip of bench and clerk: one thin timeline a required seat, from check-in to now (COURT.md 6).
 *
 * Rules: kinds differ by pattern, not by colour alone; the right column says the same in words; no word concludes.
 */

import { clockTime, now } from './clock.js';
import { h } from './dom.js';
import { mark } from './icons.js';
import { t } from './texts.js';
import { attendanceWords, roleName } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Attendance} Attendance */

const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 240];

/** @param {import('./types.js').Spell} spell */
const pattern = (spell) => (spell.state === 'interrupted' && spell.cause === 'platform_failure' ? 'platform' : spell.state);

/** @param {number} at @param {number} from @param {number} to */
const percent = (at, from, to) => `${(Math.min(1, Math.max(0, (at - from) / Math.max(1, to - from))) * 100).toFixed(3)}%`;

/** @param {Attendance} row @param {number} from @param {number} to */
function track(row, from, to) {
  const span = Math.max(1, to - from);
  return h('div', { class: 'track', 'aria-hidden': 'true' },
    row.timeline.filter((s) => s.state !== 'absent').map((spell) => h('i', {
      class: `k-${pattern(spell)}`,
      style: { left: percent(spell.since, from, to), width: `${((Math.min(to, spell.until || to) - spell.since) / span * 100).toFixed(3)}%` },
    })),
    row.prompts.map((at) => h('span', { class: 'mark', style: { left: percent(at, from, to) } }, mark('prompt'))),
    row.warnings.map((at) => h('span', { class: 'mark', style: { left: percent(at, from, to) } }, mark('warning'))));
}

/** @param {number} from @param {number} to */
function axis(from, to) {
  const most = document.documentElement.classList.contains('large') ? 4 : 7;
  const step = (STEPS_MIN.find((m) => (to - from) / (m * 6e7) <= most) ?? 240) * 6e7;
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    if ((at - from) / (to - from) > 0.04 && (at - from) / (to - from) < 0.97) ticks.push(h('span', { style: { left: percent(at, from, to) } }, clockTime(at)));
  }
  return h('div', { class: 'axis' }, ticks);
}

function legend() {
  /** @type {[string, string][]} */
  const kinds = [['present', 'presence.present'], ['waiting', 'presence.waiting'], ['interrupted', 'presence.legend_network'], ['platform', 'presence.legend_platform'], ['excused', 'presence.excused']];
  return h('div', { class: 'legend', 'aria-hidden': 'true' },
    kinds.map(([kind, key]) => h('span', null, h('i', { class: `k-${kind}` }), t(key))),
    h('span', null, h('span', { class: 'mark', style: { position: 'static' } }, mark('prompt')), t('command.prompt')),
    h('span', null, h('span', { class: 'mark', style: { position: 'static' } }, mark('warning')), t('command.warn')));
}

/** @param {State} state */
export function attendanceStrip(state) {
  const view = state.view;
  if (!view?.attendance?.length) return null;
  const rows = view.attendance.filter((row) => state.ui.allSeats || row.required);
  const to = now();
  const starts = view.attendance.flatMap((row) => row.timeline.filter((s) => s.state !== 'absent').map((s) => s.since));
  const from = Math.min(to - 6e7, ...starts) - 1;
  return h('section', { class: 'attendance', 'aria-labelledby': 'attendance-title', 'data-key': 'attendance', tabindex: '0' },
    h('header', null, h('h2', { id: 'attendance-title' }, t('page.attendance.title')), legend(),
      h('button', { class: 'mini', type: 'button', 'data-action': 'all_seats', 'aria-pressed': String(state.ui.allSeats) }, t('page.attendance.all', { n: view.attendance.length }))),
    rows.map((row) => {
      const person = view.roster.find((p) => p.seat === row.seat);
      const question = row.timeline.some((s) => ['interrupted', 'left', 'removed', 'absent'].includes(s.state) && !s.until) || row.prompts.length > 0;
      return h('div', { class: 'att-row', 'data-key': row.seat, 'data-seat': row.seat },
        h('span', { class: 'role' }, person ? roleName(person, true) : ''), h('span', { class: 'who' }, person?.name ?? ''),
        track(row, from, to),
        h('span', { class: 'words' }, attendanceWords(row), h('button', {
          class: `mini${question ? ' light' : ''}`, type: 'button', 'data-action': 'facts', 'data-seat': row.seat,
          'aria-label': `${t('page.attendance.facts')} ${person?.name ?? ''}`,
        }, t('page.attendance.facts'))));
    }),
    h('div', { class: 'att-row axis-row', 'aria-hidden': 'true', 'data-key': 'axis' }, h('span'), h('span'), axis(from, to), h('span')));
}
