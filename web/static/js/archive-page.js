/**
 * The facts of one archived sitting, and the two clocks of it: the court's, and the film's.
 *
 * Rules: a long interruption is a short plate in the film, so neither clock follows from the other by subtraction; what a
 * moment of the court is in the film stands in `parts` (from the sealed manifest). Without parts the film runs straight.
 */

import { readPage } from './types.js';

/** @typedef {{kind: string, court_at: number, at_us: number, length_us: number}} Part */
/** @typedef {{phase: string, from_at: number, to_at: number}} Phase */
/** @typedef {{from_at: number, to_at: number, reason: string, fault?: boolean, by?: string[]}} Gap */
/** @typedef {{state: string, since: number, until: number, cause: string|null}} ArchiveSpell */
/** @typedef {{seat: string, role: string, side: string, name: string, spells: ArchiveSpell[], prompts: number[], warnings: number[]}} Strip */
/** @typedef {{seat: string, role: string, side: string, name: string}} Seated */
/**
 * @typedef {{lang: 'zh'|'en', hearing: string, seat?: string, state: string, opened_at: number, from_at?: number, to_at?: number,
 *   duration_us: number, digest?: string, parts?: Part[], phases?: Phase[], gaps?: Gap[], presence?: Strip[], people?: Seated[], video_url?: string,
 *   verify_url?: string, status_url?: string, speakers_url?: string, copies_url?: string, fairness_url?: string, signatures_url?: string,
 *   explanation_url?: string, holds_url?: string, retention_url?: string}} ArchivePage
 */

export const page = /** @type {ArchivePage} */ (/** @type {unknown} */ (readPage()));

export const FROM = page.from_at || page.opened_at;
export const TO = Math.max(FROM + 1, page.to_at || FROM + page.duration_us);
const parts = page.parts ?? [];

/** What follows when a seat asks: it names itself, since it may hold more than one. */
export const asSeat = () => (page.seat ? { 'Courtroom-Seat': page.seat } : /** @type {Record<string, string>} */ ({}));

/** @param {number} at µs of the court clock @returns {number} seconds of the film */
export function toFilm(at) {
  let found = null;
  for (const part of parts) if (part.court_at <= at) found = part;
  if (!found) return parts.length ? 0 : Math.max(0, at - FROM) / 1e6;
  return (found.at_us + Math.min(at - found.court_at, Math.max(0, found.length_us - 1))) / 1e6;
}

/** @param {number} seconds of the film @returns {number} µs of the court clock */
export function toCourt(seconds) {
  let found = null;
  for (const part of parts) if (part.at_us <= seconds * 1e6) found = part;
  return found ? found.court_at + Math.round(seconds * 1e6) - found.at_us : FROM + Math.round(seconds * 1e6);
}

/**
 * The second of the film that a fragment asks for: `#t=90`, `#t=npt:90.5`, `#t=1:30`, `#t=0:01:30,2:00` (W3C Media Fragments 4.2.1;
 * its end is left alone). `null` for everything else.
 * @param {string} hash @returns {number|null}
 */
export function fragment(hash) {
  const found = /(?:^#|&)t=(?:npt:)?(?:(?:(\d{1,4}):)?([0-5]?\d):)?(\d{1,7}(?:\.\d{0,6})?)(?:,[\d:.]*)?(?:&|$)/.exec(hash);
  return found ? Number(found[1] ?? 0) * 3600 + Number(found[2] ?? 0) * 60 + Number(found[3]) : null;
}

/** Who sits on a seat, whether or not they ever came. @param {string} seat */
export const seated = (seat) => page.people?.find((one) => one.seat === seat) ?? page.presence?.find((one) => one.seat === seat);

/** A moment of the court as a place on the line. @param {number} at µs */
export const percent = (at) => `${(Math.min(1, Math.max(0, (at - FROM) / (TO - FROM))) * 100).toFixed(3)}%`;

/** A stretch of the court as a place on the line. @param {number} from @param {number} to */
export const span = (from, to) => ({ left: percent(from), width: `${(Math.max(0, Math.min(to, TO) - Math.max(from, FROM)) / (TO - FROM) * 100).toFixed(3)}%` });

/**
 * A request as this page's reader; the answer's JSON, or an error with the court's own sentence.
 * @param {string} url @param {RequestInit} [init]
 */
export async function ask(url, init = {}) {
  const answer = await fetch(url, { ...init, headers: { ...asSeat(), ...(init.body ? { 'Content-Type': 'application/json' } : {}) } });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail || said.code || String(answer.status));
  return said;
}
