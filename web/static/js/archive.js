/**
 * Player of one sitting: phases and gaps on a line, click jumps; the verifier's checks one by one.
 *
 * Rules: the time shown is the court's clock, taken from the opening; a gap is shown as what it was, never skipped silently.
 */

import { clockTime, duration } from './clock.js';
import { startPage } from './common.js';
import { fill, h } from './dom.js';
import { icon } from './icons.js';
import { first, known, t } from './texts.js';
import { readPage } from './types.js';

/** @typedef {{phase: string, from_at: number, to_at: number}} Phase */
/** @typedef {{from_at: number, to_at: number, reason: string}} Gap */
/** @typedef {{lang: 'zh'|'en', hearing: string, seat?: string, state: string, opened_at: number, duration_us: number, phases?: Phase[], gaps?: Gap[], video_url?: string, verify_url?: string, status_url?: string}} ArchivePage */
/** @typedef {{name: string, ok: boolean, file?: string, second?: number|null, text: string}} Check */

const page = /** @type {ArchivePage} */ (/** @type {unknown} */ (readPage()));
const SPEEDS = [1, 1.5, 2, 0.5];
const PAUSES = ['recess', 'technical_hold', 'deliberation'];
/** @type {HTMLVideoElement|null} */
let video = null;

/** Seconds of the programme. */
const length = () => (video && Number.isFinite(video.duration) && video.duration > 0 ? video.duration : page.duration_us / 1e6);
/** @param {number} at µs @returns {number} seconds into the programme */
const offset = (at) => Math.min(length(), Math.max(0, (at - page.opened_at) / 1e6));
/** @param {number} seconds */
const percent = (seconds) => `${(seconds / Math.max(1, length()) * 100).toFixed(3)}%`;

function timeline() {
  const holder = document.getElementById('timeline');
  if (!holder || !page.opened_at || !length()) { holder?.setAttribute('hidden', ''); return; }
  const total = length();
  const step = [1, 10, 30, 60, 120, 300, 600, 900, 1800, 3600].find((s) => total / s <= 9) ?? 7200;
  const ticks = [];
  for (let s = step; s < total * 0.97; s += step) ticks.push(h('span', { style: { left: percent(s) } }, clockTime(page.opened_at + s * 1e6, step < 60)));
  fill(holder,
    h('div', { class: 'tl-row', 'aria-hidden': 'true' }, h('span', null, t('page.archive.phases')), h('div', { class: 'tl-track' },
      (page.phases ?? []).map((p) => h('div', { class: `tl-seg${PAUSES.includes(p.phase) ? ' paused' : ''}`, 'data-jump': offset(p.from_at), 'data-phase': p.phase, style: { left: percent(offset(p.from_at)), width: percent(Math.max(0, offset(p.to_at) - offset(p.from_at))) } }, t(`phase.${p.phase}.short`))),
      h('span', { class: 'tl-head', 'data-key': 'head', id: 'playhead' }))),
    h('div', { class: 'tl-row', 'aria-hidden': 'true' }, h('span', null, t('page.archive.recording')), h('div', { class: 'tl-track thin' }, h('span', { class: 'tl-ok' }),
      (page.gaps ?? []).map((g) => h('div', { class: 'tl-gap', 'data-jump': offset(g.from_at), style: { left: percent(offset(g.from_at)), width: percent(Math.max(0, offset(g.to_at) - offset(g.from_at))) } })))),
    h('div', { class: 'tl-row', 'aria-hidden': 'true' }, h('span'), h('div', { class: 'tl-axis' }, ticks)),
    h('ol', { class: 'jumps', 'aria-label': t('page.archive.phases') }, (page.phases ?? []).map((p) => h('li', null, h('button', { type: 'button', 'data-jump': offset(p.from_at), 'data-phase': p.phase }, h('b', null, clockTime(p.from_at)), ' ', t(`phase.${p.phase}`))))));
}

function moved() {
  if (!video) return;
  const put = (/** @type {string} */ id, /** @type {string} */ text) => { const e = document.getElementById(id); if (e) e.textContent = text; };
  if (page.opened_at) put('court-time', clockTime(page.opened_at + video.currentTime * 1e6, true));
  put('position', t('page.archive.position', { at: duration(video.currentTime * 1e6), all: duration(length() * 1e6) }));
  const head = document.getElementById('playhead');
  if (head) head.style.left = percent(video.currentTime);
}

/** @param {number} seconds */
function jump(seconds) {
  if (video) { video.currentTime = Math.min(Math.max(0, seconds), length()); moved(); }
}

function playing() {
  const holder = document.getElementById('play-icon');
  if (holder && video) fill(holder, icon(video.paused ? 'play' : 'pause'));
  document.querySelector('[data-action="play"]')?.setAttribute('aria-label', t(video?.paused ? 'page.archive.play' : 'page.archive.pause'));
}

/** @param {Check} check */
const checkLine = (check) => h('li', { class: check.ok ? '' : 'bad', 'data-check': check.name, 'data-ok': String(check.ok) }, icon(check.ok ? 'check' : 'cross'),
  h('b', null, first([`page.verify.${check.name}`]) || check.name), h('span', null, check.text, check.file && !check.ok ? ` · ${check.file}` : '', check.second !== null && check.second !== undefined && !check.ok ? ` · ${t('page.archive.second', { n: check.second })}` : ''));

async function verify() {
  const box = document.getElementById('verify-result');
  const button = document.querySelector('[data-action="verify"]');
  if (!box || button?.getAttribute('aria-disabled') === 'true') return;
  button?.setAttribute('aria-disabled', 'true');
  fill(box, h('div', { class: 'verdict-box unasked' }, icon('clock'), h('span', null, t('page.archive.verifying'))));
  const begun = performance.now();
  try {
    const url = page.verify_url || `/api/v1/hearings/${encodeURIComponent(page.hearing)}/archive/verify`;
    const answer = await fetch(url, { method: 'POST', headers: page.seat ? { 'Courtroom-Seat': page.seat } : {} });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.detail || result.code || String(answer.status));
    const checks = /** @type {Check[]} */ (result.checks);
    const bad = checks.filter((c) => !c.ok).length;
    const good = result.ok && !bad;
    fill(box, h('div', { class: `verdict-box${good ? '' : ' bad'}`, 'data-ok': String(good) }, icon(good ? 'seal' : 'alert'), h('span', null, h('strong', null, good ? t('page.archive.all_good', { n: checks.length }) : t('page.archive.some_bad', { n: bad, all: checks.length })), t('page.archive.took', { seconds: Math.max(1, Math.round((performance.now() - begun) / 1000)) }))),
      h('ul', { class: 'checks' }, checks.map(checkLine)));
  } catch (error) {
    fill(box, h('div', { class: 'verdict-box bad' }, icon('alert'), h('span', null, h('strong', null, t('page.archive.verify_failed')), error instanceof Error ? error.message : String(error))));
  } finally {
    button?.removeAttribute('aria-disabled');
  }
}

/** Not composed yet: look again until it is. */
function follow() {
  const words = document.getElementById('progress-words');
  if (!words || !['queued', 'composing', 'sealing'].includes(page.state)) return;
  const url = page.status_url || `/api/v1/hearings/${encodeURIComponent(page.hearing)}/archive`;
  const look = async () => {
    const answer = await fetch(url, { headers: page.seat ? { 'Courtroom-Seat': page.seat } : {} });
    if (!answer.ok) return;
    const now = await answer.json();
    words.textContent = `${now.progress}%${now.eta_s ? ` · ${t('page.archive.eta', { seconds: now.eta_s })}` : ''}`;
    if (now.state === 'sealed' || now.state === 'failed') location.reload();
    else if (known(`page.archive.state.${now.state}`)) { const head = words.previousElementSibling; if (head) head.textContent = t(`page.archive.state.${now.state}`); }
  };
  setInterval(() => { look().catch((error) => console.info('archive state', String(error))); }, 3000);
}

/** @type {Record<string, (element: Element) => void>} */
const ACTIONS = {
  play: () => { if (video?.paused) void video.play(); else video?.pause(); },
  back: () => jump((video?.currentTime ?? 0) - 15),
  forward: () => jump((video?.currentTime ?? 0) + 15),
  speed: (element) => { if (!video) return; video.playbackRate = SPEEDS[(SPEEDS.indexOf(video.playbackRate) + 1) % SPEEDS.length]; element.textContent = t('page.archive.speed', { n: String(video.playbackRate) }); },
  verify: () => void verify(),
};

async function start() {
  video = /** @type {HTMLVideoElement|null} */ (document.getElementById('programme'));
  await startPage(page.lang ?? 'zh');
  timeline();
  video?.addEventListener('loadedmetadata', () => { timeline(); moved(); });
  video?.addEventListener('timeupdate', moved);
  for (const event of ['play', 'pause']) video?.addEventListener(event, playing);
  document.addEventListener('click', (event) => {
    const element = event.target instanceof Element ? event.target.closest('[data-action], [data-jump]') : null;
    if (!element) return;
    const to = element.getAttribute('data-jump');
    if (to !== null) jump(Number(to));
    else ACTIONS[element.getAttribute('data-action') ?? '']?.(element);
  });
  follow();
  moved();
}

void start();
