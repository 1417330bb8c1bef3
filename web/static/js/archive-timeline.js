/**
 * The line under the film: phases, gaps, and for each seat who spoke above who was present. Click jumps.
 *
 * Rules
 * - The line is the court's clock from 开庭 to 闭庭; a gap has its true length here even where the film shows a plate.
 * - Every kind differs by pattern, not by colour alone; each strip says in words what it shows.
 * - Speech comes later than the page (it is computed from the sound); until then its rows are empty and say so.
 */

import { FROM, TO, page, ask, percent, span, toFilm } from './archive-page.js';
import { clockTime, duration } from './clock.js';
import { fill, h } from './dom.js';
import { mark } from './icons.js';
import { known, t } from './texts.js';
import { roleName } from './words.js';

const PAUSES = ['recess', 'technical_hold', 'deliberation'];
const OURS = ['platform_failure'];
const AGAIN_MS = 3000;
const MAX_TRIES = 1200; // an hour
const LEAST_US = (TO - FROM) / 1200; // thinner cannot be seen

/** @typedef {import('./archive-page.js').Strip} Strip */
/** @typedef {[number, number]} Span */

/** @type {Map<string, Span[]>} */
const spoken = new Map();
let speech = page.speakers_url ? 'working' : 'none';

/** Neighbours nearer than one can see become one. @param {Span[]} spans */
function visible(spans) {
  /** @type {Span[]} */
  const found = [];
  for (const [from, to] of spans) {
    const last = found.at(-1);
    if (last && from - last[1] < LEAST_US) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}

/** @param {string} reason */
const gapName = (reason) => (known(`recording.gap.${reason}`) ? t(`recording.gap.${reason}`) : t('recording.gap.fault'));

/** @param {import('./archive-page.js').ArchiveSpell} spell */
const kindOf = (spell) => (OURS.includes(spell.cause ?? '') ? 'platform' : spell.state);

/** Presence in words: 在庭 1小时40分 · 连接中断 2分05秒. @param {Strip} strip */
function inWords(strip) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const spell of strip.spells) sums.set(spell.state, (sums.get(spell.state) ?? 0) + Math.max(0, Math.min(spell.until, TO) - Math.max(spell.since, FROM)));
  return [...sums].filter(([, us]) => us > 0).map(([state, us]) => `${t(`presence.${state}`)} ${duration(us)}`).join(' · ');
}

/** @param {Strip} strip */
function seatRow(strip) {
  const words = visible(spoken.get(strip.seat) ?? []);
  return h('div', { class: 'tl-row seat', 'data-key': strip.seat, 'data-strip': strip.seat },
    h('span', { class: 'who' }, h('span', { class: 'role' }, roleName(strip, true)), ' ', strip.name),
    h('div', { class: 'tl-double', 'data-track': true, role: 'img', 'aria-label': `${roleName(strip)} ${strip.name} · ${inWords(strip)}` },
      h('div', { class: 'tl-speech' }, words.map(([from, to]) => h('i', { 'data-jump': toFilm(from), 'data-speech': strip.seat, title: `${clockTime(from, true)} ${t('page.archive.who_spoke', { name: strip.name })}`, style: span(from, to) }))),
      h('div', { class: 'tl-presence' }, strip.spells.filter((s) => s.until > FROM && s.since < TO).map((s) => h('i', { class: `k-${kindOf(s)}`, 'data-jump': toFilm(s.since), title: `${clockTime(s.since, true)} ${t(`presence.${s.state}`)}`, style: span(s.since, s.until) })),
        strip.prompts.map((at) => h('span', { class: 'mark', style: { left: percent(at) } }, mark('prompt'))),
        strip.warnings.map((at) => h('span', { class: 'mark', style: { left: percent(at) } }, mark('warning'))))));
}

function axis() {
  const total = (TO - FROM) / 1e6;
  const wide = (document.getElementById('timeline')?.clientWidth ?? 800) > 560;
  const step = [1, 10, 30, 60, 120, 300, 600, 900, 1800, 3600].find((s) => total / s <= (wide ? 9 : s < 60 ? 3 : 4)) ?? 7200; // with seconds a label is wider
  const ticks = [];
  for (let s = step; s < total * 0.97; s += step) ticks.push(h('span', { style: { left: percent(FROM + s * 1e6) } }, clockTime(FROM + s * 1e6, step < 60)));
  return h('div', { class: 'tl-row', 'aria-hidden': 'true' }, h('span'), h('div', { class: 'tl-axis' }, ticks));
}

function legend() {
  const one = (/** @type {string} */ style, /** @type {string} */ words) => h('span', null, h('i', { class: style }), words);
  return h('p', { class: 'tl-legend' }, one('k-speech', t('page.archive.speakers')), one('k-present', t('presence.present')), one('k-waiting', t('presence.waiting')), one('k-interrupted', t('presence.interrupted')), one('k-platform', t('presence.platform')), one('k-excused', t('presence.excused')));
}

/** Draws everything; the playhead stays where it is. */
export function timeline() {
  const holder = document.getElementById('timeline');
  if (!holder || !page.opened_at || !page.duration_us) { holder?.setAttribute('hidden', ''); return; }
  const phases = page.phases ?? [];
  fill(holder,
    h('div', { class: 'tl-row', 'aria-hidden': 'true' }, h('span', null, t('page.archive.phases')), h('div', { class: 'tl-track', 'data-track': true },
      phases.map((p) => h('div', { class: `tl-seg${PAUSES.includes(p.phase) ? ' paused' : ''}`, 'data-jump': toFilm(p.from_at), 'data-phase': p.phase, style: span(p.from_at, p.to_at) }, t(`phase.${p.phase}.short`))))),
    h('div', { class: 'tl-row', 'aria-hidden': 'true' }, h('span', null, t('page.archive.recording')), h('div', { class: 'tl-track thin', 'data-track': true }, h('span', { class: 'tl-ok' }),
      (page.gaps ?? []).map((g) => h('div', { class: `tl-gap${g.fault ? ' fault' : ''}`, 'data-jump': toFilm(g.from_at), title: `${gapName(g.reason)} ${duration(g.to_at - g.from_at)}`, style: span(g.from_at, g.to_at) })))),
    (page.presence ?? []).map(seatRow),
    axis(),
    (page.presence ?? []).length > 0 && legend(),
    speech !== 'none' && (page.presence ?? []).length > 0 && h('p', { class: 'muted tl-note', id: 'speech-state', 'data-speech-state': speech, role: 'status' }, t(speech === 'ready' ? 'page.archive.speakers_note' : speech === 'failed' ? 'page.archive.speakers_failed' : 'page.archive.speakers_working')),
    h('ol', { class: 'jumps', 'aria-label': t('page.archive.phases') }, phases.map((p) => h('li', null, h('button', { type: 'button', 'data-jump': toFilm(p.from_at), 'data-phase': p.phase }, h('b', null, clockTime(p.from_at)), ' ', t(`phase.${p.phase}`))))),
    h('span', { class: 'tl-head', id: 'playhead', 'data-key': 'head', 'data-keep': true, 'aria-hidden': 'true' }));
}

/** Puts the playhead at a moment of the court, over all tracks. @param {number} at µs */
export function point(at) {
  const head = document.getElementById('playhead');
  const track = document.querySelector('#timeline [data-track]');
  const holder = document.getElementById('timeline');
  if (!head || !(track instanceof HTMLElement) || !holder) return;
  const [line, box] = [track.getBoundingClientRect(), holder.getBoundingClientRect()];
  const last = holder.querySelector('.tl-axis')?.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (at - FROM) / (TO - FROM)));
  head.style.setProperty('left', `${line.left - box.left + line.width * share}px`);
  head.style.setProperty('top', `${line.top - box.top - 4}px`);
  head.style.setProperty('height', `${(last ? last.top : line.bottom) - line.top + 4}px`);
}

/** Where on the court's clock somebody clicked. @param {MouseEvent} event @returns {number|null} */
export function clicked(event) {
  const track = event.target instanceof Element ? event.target.closest('[data-track]') : null;
  if (!track) return null;
  const box = track.getBoundingClientRect();
  return FROM + (TO - FROM) * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}

/** Asks until it is known who spoke when. @param {() => void} changed */
export async function learnSpeech(changed) {
  if (!page.speakers_url) return;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    /** @type {{state: string, speakers: {seat: string, spans: Span[]}[]}} */
    const said = await ask(page.speakers_url);
    if (said.state !== 'working') {
      speech = said.state;
      for (const one of said.speakers) spoken.set(one.seat, one.spans);
      changed();
      return;
    }
    await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
  }
}
