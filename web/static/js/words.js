/**
 * Names of things in a person's language: roles with their side, states of a seat, causes, articles.
 *
 * Rules: state facts, never blame; a legal term stands exactly as in the law; nothing here concludes about a person.
 */

import { clockTime, duration, now, roughly } from './clock.js';
import { first, known, t } from './texts.js';

/** @typedef {import('./types.js').Person} Person */
/** @typedef {import('./types.js').View} View */

export const BENCH = ['presiding_judge', 'judge', 'assessor'];
export const ISOLATED = ['witness', 'expert', 'inspector', 'specialist'];

/** @param {string} role */
export const isBench = (role) => BENCH.includes(role);
/** @param {string} role */
export const isCourt = (role) => isBench(role) || role === 'clerk';

/** What the sitting makes of two titles: a judge alone is 独任审判员, counsel of the accused is 辩护人. Set from each view. */
const sitting = { sole: false, criminal: false };

/** @param {{roster: {role: string}[]}} view */
export function setSitting(view) {
  sitting.sole = view.roster.filter((p) => BENCH.includes(p.role)).length === 1;
  sitting.criminal = criminal(view);
}

/** Role with its side: 原告委托诉讼代理人. @param {{role: string, side?: string}} person @param {boolean} [short] */
export function roleName(person, short = false) {
  const tail = short ? ['.short'] : [];
  if (person.role === 'presiding_judge' && sitting.sole) return t('role.sole_judge');
  if (person.role === 'counsel' && person.side === 'defendant' && sitting.criminal) return t('role.defender');
  return first([...tail.map((s) => `role.${person.role}.${person.side}${s}`), `role.${person.role}.${person.side}`, `role.${person.role}`]) || person.role;
}

/** Whether this is a criminal case: then other articles stand on the buttons. @param {{roster: {role: string}[]}} view */
export const criminal = (view) => view.roster.some((p) => p.role === 'prosecutor' || p.role === 'accused');

/** The article under which a command is given, or ''. @param {View} view @param {string} act @param {boolean} [full] */
export function article(view, act, full = false) {
  const law = criminal(view) ? 'criminal' : 'civil';
  const keys = [`article.${law}.${act}`, `article.${act}`];
  return first(full ? [...keys.map((key) => `${key}.full`), ...keys] : keys);
}

/** @typedef {'speaking'|'quiet'|'self-muted'|'court-muted'|'unstable'|'lost'|'platform'|'excused'|'camera-off'|'absent'} TileState */

/**
 * What the tile of a person says: outline class, icon and words (design page TOKENS, "Tile").
 * @param {View} view @param {Person} person
 * @returns {{kind: TileState, icon: string, words: string, short: string, since: number}} `short` for a phone
 */
export function seatState(view, person) {
  const [kind, icon, key, since] = stateOf(view, person);
  const words = t(key);
  return { kind, icon, words, short: first([`${key}.short`]) || words, since };
}

/** @param {View} view @param {Person} person @returns {[TileState, string, string, number]} outline, icon, text key, since */
function stateOf(view, person) {
  if (person.presence === 'excused') return ['excused', 'cup', 'presence.excused', 0];
  if (['absent', 'left', 'removed', 'offline_seat'].includes(person.presence) || (!person.room && person.presence !== 'interrupted')) {
    return ['absent', 'user', known(`presence.${person.presence}`) && person.presence !== 'present' ? `presence.${person.presence}` : 'presence.absent', 0];
  }
  if (person.connection === 'platform') return ['platform', 'alert', 'presence.platform', 0];
  if (person.presence === 'interrupted' || (person.room && !person.connected) || person.connection === 'lost') {
    return ['lost', 'off', 'presence.interrupted', person.since];
  }
  if (person.muted.includes('microphone')) return ['court-muted', 'lock', 'device.muted_by_court', 0];
  if (person.microphone !== 'on') {
    return ['self-muted', 'micoff', person.microphone === 'off' ? 'device.muted' : `device.microphone.${person.microphone}`, 0];
  }
  if (view.speaking.includes(person.seat)) return ['speaking', 'mic', 'device.speaking', 0];
  return ['quiet', 'mic', 'device.microphone.on', 0];
}

/** Cause in words, or ''. @param {string|null} cause */
export const causeName = (cause) => (cause && known(`cause.${cause}`) ? t(`cause.${cause}`) : '');

/** The facts of an attendance row in words: 在庭 40分 · 网络中断 50秒. @param {import('./types.js').Attendance} row */
export function attendanceWords(row) {
  const last = row.timeline.at(-1);
  if (!last) return t('presence.absent');
  const cause = last.state === 'interrupted' ? causeName(last.cause) : '';
  const parts = [(cause || t(`presence.${last.state}`)) + (last.state === 'absent' ? '' : ` ${(last.state === 'interrupted' ? duration : roughly)((last.until || now()) - last.since)}`)];
  if (row.warnings.length) parts.push(t('presence.warned'));
  else if (row.prompts.length) parts.push(t('presence.prompted'));
  return parts.join(' · ');
}

/** @param {number} us */
export const backBy = (us) => (us ? t('presence.back_by', { time: clockTime(us) }) : '');

/** @param {string} name the letter or character shown where a picture would be */
export const initial = (name) => [...name.trim()][0] ?? '';
