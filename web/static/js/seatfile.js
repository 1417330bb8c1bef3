/**
 * Everything recorded about one seat's presence, for bench and clerk: evidence for and against, notices and their
 * delivery, the person's statement, what is on file, and what has to be so before a finding (COURT.md 6).
 *
 * Rules: it states and never concludes; every line carries its ledger number; what may be done next is the server's word
 * (`attendance.next`), and what may not says why and from when.
 */

import { clockTime, now } from './clock.js';
import { h } from './dom.js';
import { first, lang, t } from './texts.js';
import { causeName, roleName } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Attendance} Attendance */
/** @typedef {import('./types.js').Absence} Absence */
/** @typedef {import('./types.js').Fairness} Fairness */
/** @typedef {import('./types.js').Row} Row */
/**
 * What was read beside the view: `undefined` while it is read, `null` when it could not be.
 * @typedef {{absence: Absence|null|undefined, fairness: Fairness|null|undefined, files: import('./types.js').Proof[]|null|undefined,
 *   url: string, files_url: string, query: string}} Read
 */

export const SERVICE = ['summons_served', 'announcement_served', 'link_delivered', 'offline_option_offered', 'offline_agreed', 'self_test_passed'];
/** Which claims the law on absence asks about, by role. @type {Record<string, string[]>} */
const CLAIMS = { plaintiff: ['counterclaim', 'withdrawal_refused'], third_party: ['independent_claim'] };
const STEPS = ['prompt', 'warn', 'excuse', 'rule'];

/** @param {number|undefined} seq */
const ref = (seq) => (seq ? h('span', { class: 'seq' }, `#${seq}`) : null);
/** @param {number} at */
const when = (at) => h('time', null, clockTime(at, true));
/** @param {number} at µs */
const day = (at) => new Date(at / 1000).toLocaleDateString(lang() === 'zh' ? 'zh-CN' : 'en-GB', { timeZone: 'Asia/Shanghai' });
/** @param {string} key @param {string} id @param {...import('./dom.js').Child} content */
const part = (key, id, ...content) => h('section', { class: 'file-part', 'data-key': id, 'data-part': id }, h('h3', null, t(key)), ...content);
/** @param {string} key */
const nothing = (key) => h('p', { class: 'muted' }, t(key));
/** @param {string} group of the catalogue @param {string} code */
const word = (group, code) => first([`${group}.${code}`]) || code;

/** @param {Row} row */
function evidence(row) {
  const weighs = row.weighs === 'for' || row.weighs === 'against' ? String(row.weighs) : 'none';
  return h('li', { 'data-weighs': weighs, 'data-fact': row.fact },
    h('b', null, t(`absence.weighs.${weighs}`)), h('span', null, word('fact', String(row.fact)), details(row)),
    h('small', null, when(Number(row.at)), ' ', word('absence.clock', String(row.clock)), ' ', ref(Number(row.seq) || 0)));
}

/** A number in the unit that its name says, as people write it. @param {string} name @param {unknown} value */
function amount(name, value) {
  const number = typeof value === 'number' ? value : NaN;
  if (Number.isNaN(number)) return String(value);
  if (name.endsWith('_at')) return number ? clockTime(number, true) : '—';
  if (name.endsWith('_us')) return t('unit.ms', { n: Math.abs(number) < 10_000 ? (number / 1000).toFixed(1) : Math.floor(number / 1000) });
  if (name.endsWith('_ms')) return t('unit.ms', { n: number });
  if (name.endsWith('permille')) return t('unit.percent', { n: (number / 10).toFixed(1) });
  if (name === 'percent') return t('unit.percent', { n: number });
  return name === 'seconds' ? t('unit.seconds', { seconds: number }) : String(number);
}

/** Further numbers of a row of evidence. @param {Row} row */
function details(row) {
  const rest = Object.entries(row).filter(([name]) => !['fact', 'at', 'clock', 'weighs', 'seq'].includes(name));
  const shown = rest.map(([name, value]) => `${first([`file.detail.${name}`]) || name} ${amount(name, value)}`);
  return rest.length ? h('small', { class: 'muted' }, ` ${shown.join(t('file.comma'))}`) : null;
}

/** @param {Attendance} row */
function timeline(row) {
  const spells = [...row.timeline].reverse();
  return part('file.timeline', 'timeline', h('ol', { class: 'spells' }, spells.map((spell) => h('li', { 'data-state': spell.state, 'data-cause': spell.cause, 'data-key': `spell-${spell.since}-${spell.state}` },
    h('p', null, when(spell.since), ' ', h('b', null, t(`presence.${spell.state}`)), spell.cause ? ` · ${causeName(spell.cause)}` : '',
      ' ', spell.until ? t('page.attendance.until', { time: clockTime(spell.until, true) }) : t('page.attendance.lasting'), ' ', ref(spell.seq)),
    (spell.attributions?.length ?? 0) > 1 && h('p', { class: 'muted' }, spell.attributions?.slice(1).map((one) => [t('file.again', { time: clockTime(one.at, true), cause: causeName(one.cause) }), ' ', ref(one.seq), ' '])),
    spell.evidence?.length ? h('details', { open: spell === spells[0] }, h('summary', null, t('file.evidence', { n: spell.evidence.length })), h('ul', { class: 'evidence' }, spell.evidence.map(evidence))) : null))));
}

/** @param {Attendance} row @param {boolean} mayNote */
function noticesOf(row, mayNote) {
  const ones = [...(row.notices ?? [])].reverse();
  return part('file.notices', 'notices', ones.length === 0 && nothing('file.no_notices'), ones.map((one) => h('div', { class: 'told', 'data-key': `notice-${one.notice}`, 'data-told': one.notice },
    h('p', null, when(one.at), ' ', h('b', null, word('absence.step', one.step)), ' ',
      one.read_at ? t('absence.delivery.read') : one.delivered_at ? t('absence.delivery.delivered') : t('file.not_delivered'), ' ', ref(one.notice), one.ended_at ? h('small', { class: 'muted' }, ` ${t('file.ended')}`) : null),
    h('ul', null, one.deliveries.map((d) => h('li', null, when(d.at), ' ', word('absence.channel', d.channel), ' ', word('absence.delivery', d.state), d.detail ? ` · ${word('absence.who', d.detail)}` : '', ' ', ref(d.seq)))),
    mayNote && !one.ended_at && h('button', { class: 'btn small', value: `phone:${one.notice}`, 'data-action': `phone-${one.notice}` }, t('file.phone_note')))));
}

/**
 * A proof: what it is called, whether the court holds it, and whether it is still what was handed in.
 * @param {NonNullable<import('./types.js').Statement['attachment']>} file @param {Read} told
 */
function proof(file, told) {
  const kept = file.held ? told.files?.find((one) => one.sha256 === file.sha256)?.state ?? (told.files === undefined ? 'loading' : 'unread') : 'named';
  const named = t('file.attachment', { name: file.name, size: file.size });
  return h('p', { class: 'proof', 'data-proof': file.sha256, 'data-state': kept },
    kept === 'intact' || kept === 'unread' ? h('a', { href: `${told.files_url}/${file.sha256}${told.query}`, download: true, 'data-action': 'proof' }, named) : h('span', null, named),
    h('small', { class: kept === 'missing' || kept === 'damaged' ? 'wrong' : 'muted' }, t(`file.proof.${kept}`), ' ', ref(file.held ?? 0), ' ', h('code', null, `${file.sha256.slice(0, 16)}…`)));
}

/** @param {Attendance} row @param {Read} told */
function statements(row, told) {
  const said = row.statements ?? [];
  return part('file.statements', 'statements', said.length === 0 && nothing('file.no_statements'), said.map((one) => h('blockquote', { 'data-key': `said-${one.seq}` },
    h('p', null, when(one.at), ' ', h('b', null, word('absence.reason', one.reason)), ' ', ref(one.seq)), one.text && h('p', null, one.text),
    one.attachment && proof(one.attachment, told))),
  row.leave?.until ? h('p', null, t('file.leave_until', { time: clockTime(row.leave.until) })) : null,
  (row.leave?.asked ?? []).map((one) => h('p', null, t('file.leave_asked', { time: clockTime(one.until), reason: one.reason }), ' ', ref(one.seq))));
}

/** What hangs on it in law is said either way; until then it is unknown. @param {string} fact @param {{holds: boolean, at: number, seq: number}|undefined} one @param {boolean} mayRecord */
function claim(fact, one, mayRecord) {
  const known = one ? (one.holds ? 'yes' : 'no') : 'unknown';
  return h('li', { 'data-fact': fact, 'data-holds': known }, h('span', null, word('file.on_file', fact)),
    h('small', { class: one ? '' : 'muted' }, t(`file.claim.${known}`), ' ', ref(one?.seq)),
    mayRecord && h('span', { class: 'row' }, ['yes', 'no'].filter((is) => is !== known).map((is) => h('button', { class: 'btn small', value: `record:${fact}:${is}`, 'data-action': `record-${fact}-${is}` }, t(`file.claim.${is}`)))));
}

/** @param {Attendance} row @param {boolean} mayRecord @param {string} role */
function service(row, mayRecord, role) {
  const newest = new Map((row.on_file ?? []).map((one) => [one.fact, one]));
  return part('file.service', 'service', h('ul', { class: 'on-file' }, (CLAIMS[role] ?? []).map((fact) => claim(fact, newest.get(fact), mayRecord)), SERVICE.map((fact) => {
    const one = newest.get(fact);
    return h('li', { 'data-fact': fact, 'data-holds': String(Boolean(one?.holds)) }, h('span', null, word('file.on_file', fact)),
      one ? h('small', null, one.holds ? [day(one.at), ' ', when(one.at)] : t('file.holds_not'), ' ', ref(one.seq)) : h('small', { class: 'muted' }, t('file.not_on_file')),
      mayRecord && fact !== 'self_test_passed' && !one?.holds && h('button', { class: 'btn small', value: `record:${fact}`, 'data-action': `record-${fact}` }, t('file.record')));
  })));
}

/** @param {Attendance} row */
function nextSteps(row) {
  const steps = STEPS.filter((name) => row.next?.[name]);
  return h('div', { class: 'next-steps', 'data-key': 'steps' }, steps.map((name) => {
    const step = /** @type {{ok: boolean, why: string|null, from: number}} */ (row.next?.[name]);
    const label = t(`command.${name}`);
    const possible = step.ok || (step.from > 0 && step.from <= now());
    const why = possible ? '' : step.from ? t('file.from', { time: clockTime(step.from, true) }) : first([`refused.${step.why}`], { seconds: Math.max(0, Math.ceil((step.from - now()) / 1e6)) }) || step.why;
    return h('div', { class: 'step', 'data-step': name, 'data-ok': String(possible) },
      h('button', { class: `btn ${name === 'prompt' ? 'primary' : ''}`, value: name, disabled: !possible, 'data-action': name }, label), why ? h('small', null, why) : null);
  }));
}

/** What `GET …/absence` told, or that it cannot be told. @param {Absence|null|undefined} told @param {string} url */
function needs(told, url) {
  if (told === undefined) return part('file.needs', 'needs', nothing('file.loading'));
  if (told === null) return part('file.needs', 'needs', nothing('file.unread'));
  const texts = told.texts[lang()];
  return part('file.needs', 'needs', h('p', { class: 'first-line', 'data-first': told.draft.first_line.code }, texts.first_line),
    h('ul', { class: 'needs' }, texts.preconditions.map((one, n) => h('li', { 'data-ok': String(one.ok), 'data-code': told.draft.preconditions[n]?.code ?? '' },
      h('b', { role: 'img', 'aria-label': one.word }, one.ok ? '✓' : '✗'), h('span', null, one.text), h('small', { class: 'seq' }, one.refs)))),
    h('h4', null, t('file.provisions')),
    texts.proposals.map((one) => h('p', { class: 'provision' }, one.cite && h('b', null, one.cite, ' '), one.text)),
    h('p', { class: 'papers' }, ['zh', 'en'].map((one) => [h('a', { href: `${url}.pdf?lang=${one}`, target: '_blank', rel: 'noopener' }, t(`file.pdf.${one}`)), ' '])));
}

/** @param {number} us */
const seconds = (us) => Math.round(us / 1e6);

/** Where it is in the recording; a link once there is a film. @param {Fairness['parties'][number]['missed'][number]} span */
function recorded(span) {
  const words = t('file.recording_at', { seconds: seconds(span.recording_us ?? 0) });
  return span.url ? h('a', { href: span.url, target: '_blank', rel: 'noopener', 'data-action': 'film' }, words) : words;
}

/** @param {State} state @param {string} seat @param {Fairness|null|undefined} told */
function fairness(state, seat, told) {
  const row = told?.parties.find((one) => one.seat === seat);
  if (!row) return null;
  const name = (/** @type {string} */ id) => state.view?.roster.find((p) => p.seat === id)?.name ?? id;
  return part('file.fairness', 'fairness', h('p', null, t('file.missed', { seconds: seconds(row.missed_us) }), ' · ', t('file.spoke', { seconds: seconds(row.spoke_us) })),
    h('ul', null, row.missed.map((span) => h('li', { 'data-ours': String(span.ours) },
      t('file.missed_span', { from: clockTime(span.from, true), to: clockTime(span.to, true), who: span.speakers.map((one) => name(one.seat)).join(t('file.comma')) || t('file.nobody') }),
      span.cause ? ` · ${causeName(span.cause)}` : '', span.recording_us === null ? null : [' · ', recorded(span)], ' ', ref(span.seq)))));
}

/**
 * The body of the dialog.
 * @param {State} state @param {string} seat @param {Read} told
 */
export function seatFile(state, seat, told) {
  const row = state.view?.attendance.find((one) => one.seat === seat);
  const person = state.view?.roster.find((one) => one.seat === seat);
  if (!row) return [nothing('page.attendance.nothing')];
  const may = state.view?.may_seat[seat] ?? [];
  return [h('p', { class: 'who', 'data-key': 'who' }, person ? `${roleName(person)} ${person.name}` : ''),
    nextSteps(row), timeline(row), noticesOf(row, may.includes('phone_note')), statements(row, told), service(row, may.includes('record_service'), person?.role ?? ''),
    needs(told.absence, told.url), fairness(state, seat, told.fairness), h('p', { class: 'muted', 'data-key': 'neutral' }, t('page.attendance.neutral'))];
}
