/**
 * What each party missed and what was said meanwhile, beside the film that shows it (COURT.md 6).
 *
 * Rules: numbers with their ledger entries, no judgement; a gap that is ours is marked as ours; every line that the film shows
 * is a link to that second of it, by the same fragment (`#t=`) that a link from elsewhere carries.
 */

import { ask, page, seated } from './archive-page.js';
import { clockTime, duration } from './clock.js';
import { fill, h } from './dom.js';
import { t } from './texts.js';
import { causeName, roleName } from './words.js';

/** @typedef {import('./types.js').Fairness} Fairness */
/** @typedef {Fairness['parties'][number]} Party */
/** @typedef {Party['missed'][number]} Missed */

/** @param {string} seat */
const nameOf = (seat) => seated(seat)?.name || seat;

/** A moment, as a link where the film shows it. @param {number} at µs @param {number|null|undefined} film µs @param {string} words */
const moment = (at, film, words) => (film === null || film === undefined ? h('span', null, `${clockTime(at, true)} ${words}`.trim())
  : h('a', { href: `#t=${Math.floor(film / 1e6)}`, 'data-jump': Math.floor(film / 1e6) }, `${clockTime(at, true)} ${words}`.trim()));

/** What is shorter than a second is not nothing. @param {number} us */
const length = (us) => (us < 1e6 ? t('unit.under_second') : duration(us));

/** @param {Missed} one */
function missed(one) {
  return h('li', { 'data-ours': String(one.ours), 'data-missed': one.seq },
    moment(one.from, one.film_us, `– ${clockTime(one.to, true)}`), h('span', { class: 'muted' }, ' ', length(one.to - one.from), one.cause ? ` · ${causeName(one.cause)}` : '', ` · #${one.seq}`),
    one.speakers.length > 0 && h('ul', { class: 'meanwhile' }, one.speakers.map((who) => h('li', null, moment(who.from ?? one.from, who.film_us, t('page.archive.who_spoke', { name: nameOf(who.seat) })), who.us ? h('span', { class: 'muted' }, ' ', length(who.us)) : null))));
}

/** @param {Party} row */
function party(row) {
  const person = seated(row.seat);
  return h('section', { class: 'fair', 'data-fair': row.seat }, h('h3', null, person ? roleName(person) : '', ' ', nameOf(row.seat)),
    h('p', null, t('page.archive.fair_sums', { missed: duration(row.missed_us), spoke: duration(row.spoke_us) })),
    row.missed.length > 0 && h('ul', { class: 'plain' }, row.missed.map(missed)));
}

/** Fills the panel once, when there is a film to jump in. */
export async function fairness() {
  const holder = document.getElementById('fairness');
  if (!holder || !page.fairness_url) return;
  try {
    /** @type {Fairness} */
    const told = await ask(page.fairness_url);
    fill(holder, told.parties.length ? told.parties.map(party) : h('p', null, t('page.archive.fair_none')));
  } catch (error) {
    fill(holder, h('p', { class: 'wrong', role: 'alert' }, error instanceof Error ? error.message : String(error)));
  }
}
