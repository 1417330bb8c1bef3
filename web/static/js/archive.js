/**
 * Player of one sitting: the film, its line, the verifier's checks one by one; signatures, copies and reads beside it.
 *
 * Rules: the time shown is the court's clock; a gap is shown as what it was, never skipped silently; a click on the line
 * jumps to that moment, a click on something that has a beginning jumps there; `#t=` in the address opens the film there.
 */

import { explain, note } from './archive-acts.js';
import { copies } from './archive-copies.js';
import { classify, hold, lift } from './archive-holds.js';
import { fairness } from './archive-fairness.js';
import { FROM, TO, ask, fragment, page, toCourt, toFilm } from './archive-page.js';
import { clicked, learnSpeech, point, timeline } from './archive-timeline.js';
import { clockTime, duration } from './clock.js';
import { startPage } from './common.js';
import { fill, h } from './dom.js';
import { icon } from './icons.js';
import { first, known, t } from './texts.js';
import { setSitting } from './words.js';

/** @typedef {{name: string, ok: boolean, level?: string, file?: string, second?: number|null, text: string, text_en?: string}} Check */

const SPEEDS = [1, 1.5, 2, 0.5];
/** @type {HTMLVideoElement|null} */
let video = null;

/** Seconds of the film. */
const length = () => (video && Number.isFinite(video.duration) && video.duration > 0 ? video.duration : page.duration_us / 1e6);
/** @returns {HTMLInputElement|null} */
const slider = () => /** @type {HTMLInputElement|null} */ (document.getElementById('seek'));

function moved() {
  if (!video) return;
  const put = (/** @type {string} */ id, /** @type {string} */ text) => { const e = document.getElementById(id); if (e && e.textContent !== text) e.textContent = text; };
  const at = toCourt(video.currentTime);
  if (page.opened_at) put('court-time', clockTime(at, true));
  put('position', t('page.archive.position', { at: duration(video.currentTime * 1e6), all: duration(length() * 1e6) }));
  const seek = slider();
  if (seek) {
    seek.max = String(length());
    seek.value = String(video.currentTime);
    seek.setAttribute('aria-valuetext', clockTime(at, true));
  }
  point(at);
}

/** @param {number} seconds of the film */
function jump(seconds) {
  if (video) { video.currentTime = Math.min(Math.max(0, seconds), length()); moved(); }
}

/** Where the address asks to be. */
function followFragment() {
  const wanted = fragment(location.hash);
  if (wanted === null || !video) return;
  jump(wanted);
  video.scrollIntoView({ block: 'nearest' });
}

function playing() {
  const holder = document.getElementById('play-icon');
  if (holder && video) fill(holder, icon(video.paused ? 'play' : 'pause'));
  document.querySelector('[data-action="play"]')?.setAttribute('aria-label', t(video?.paused ? 'page.archive.play' : 'page.archive.pause'));
}

/** A finding in the reader's language; what is no fault and yet must be known (a note) does not look like a pass. @param {Check} check */
function checkLine(check) {
  const style = !check.ok ? 'bad' : check.level === 'note' ? 'note' : '';
  const at = (check.second ?? -1) * 1e6;
  const told = (page.lang === 'en' ? check.text_en : null) ?? check.text;
  return h('li', { class: style, 'data-check': check.name, 'data-ok': String(check.ok) }, icon({ bad: 'cross', note: 'info', '': 'check' }[style] ?? 'check'),
    h('b', null, first([`page.verify.${check.name}`]) || check.name),
    h('span', null, told, check.file && !check.ok && !told.includes(check.file) ? ` · ${check.file}` : '',
      video && style && at + 1e6 > FROM && at < TO && [' ', h('button', { class: 'btn small', type: 'button', 'data-jump': toFilm(Math.max(FROM, at)) }, clockTime(at, true))]));
}

async function verify() {
  const box = document.getElementById('verify-result');
  const button = document.querySelector('[data-action="verify"]');
  if (!box || button?.getAttribute('aria-disabled') === 'true') return;
  button?.setAttribute('aria-disabled', 'true');
  fill(box, h('div', { class: 'verdict-box unasked' }, icon('clock'), h('span', null, t('page.archive.verifying'))));
  const begun = performance.now();
  try {
    const result = await ask(page.verify_url || `/api/v1/hearings/${encodeURIComponent(page.hearing)}/archive/verify`, { method: 'POST' });
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
    const now = await ask(url);
    words.textContent = `${now.progress}%${now.eta_s ? ` · ${t('page.archive.eta', { seconds: now.eta_s })}` : ''}`;
    if (now.state === 'sealed' || now.state === 'failed') location.reload();
    else if (known(`page.archive.state.${now.state}`)) { const head = words.previousElementSibling; if (head) head.textContent = t(`page.archive.state.${now.state}`); }
  };
  setInterval(() => { look().catch((error) => console.info('archive state', String(error))); }, 3000);
}

/** One of the tabs. @param {string} name @param {boolean} [focus] */
function openTab(name, focus = false) {
  for (const tab of document.querySelectorAll('[role="tab"]')) {
    const on = tab.getAttribute('data-tab') === name;
    tab.setAttribute('aria-selected', String(on));
    tab.setAttribute('tabindex', on ? '0' : '-1');
    document.getElementById(tab.getAttribute('aria-controls') ?? '')?.toggleAttribute('hidden', !on);
    if (on && focus && tab instanceof HTMLElement) tab.focus();
  }
}

/** Arrow keys move between tabs (ARIA authoring practices). @param {KeyboardEvent} event */
function tabKeys(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || !(event.target instanceof Element) || !event.target.matches('[role="tab"]')) return;
  const names = [...document.querySelectorAll('[role="tab"]')].map((tab) => tab.getAttribute('data-tab') ?? '');
  openTab(names[(names.indexOf(event.target.getAttribute('data-tab') ?? '') + step + names.length) % names.length], true);
}

/** @type {Record<string, (element: HTMLElement) => void>} */
const ACTIONS = {
  play: () => { if (video?.paused) void video.play(); else video?.pause(); },
  back: () => jump((video?.currentTime ?? 0) - 15),
  forward: () => jump((video?.currentTime ?? 0) + 15),
  speed: (element) => { if (!video) return; video.playbackRate = SPEEDS[(SPEEDS.indexOf(video.playbackRate) + 1) % SPEEDS.length]; element.textContent = t('page.archive.speed', { n: String(video.playbackRate) }); },
  verify: () => void verify(),
  note: (element) => void note(element.dataset),
  explain: () => void explain(),
  hold: () => void hold(),
  lift: (element) => void lift(element.dataset),
  classify: (element) => void classify(element.dataset),
};

/** @param {MouseEvent} event */
function click(event) {
  const element = event.target instanceof Element ? event.target.closest('[data-action], [data-jump], [data-tab], [data-track]') : null;
  if (!(element instanceof HTMLElement)) return;
  if (element.dataset.tab) { openTab(element.dataset.tab); return; }
  const line = clicked(event);
  // On the line a click means that very moment, unless it hit something short that one wants to hear from its beginning.
  if (line !== null && !element.dataset.speech) { jump(toFilm(line)); return; }
  if (element.dataset.jump !== undefined) { jump(Number(element.dataset.jump)); return; }
  ACTIONS[element.dataset.action ?? '']?.(element);
}

function seekBar() {
  const bar = document.querySelector('.player-bar');
  if (!video || !bar) return;
  const seek = h('input', { type: 'range', id: 'seek', class: 'seek', min: 0, max: Math.max(1, Math.round((TO - FROM) / 1e6)), step: 'any', value: 0, 'aria-label': t('page.archive.seek') });
  seek.addEventListener('input', () => jump(Number(/** @type {HTMLInputElement} */ (seek).value)));
  seek.addEventListener('keydown', (event) => { // five seconds a step: an arrow that moves 0.1 s leads nowhere
    const step = { ArrowRight: 5, ArrowUp: 5, ArrowLeft: -5, ArrowDown: -5, PageUp: 60, PageDown: -60 }[event.key];
    if (step) { event.preventDefault(); jump((video?.currentTime ?? 0) + step); }
  });
  bar.before(seek);
}

async function start() {
  video = /** @type {HTMLVideoElement|null} */ (document.getElementById('programme'));
  await startPage(page.lang ?? 'zh');
  setSitting({ roster: page.people ?? [] });
  openTab('signatures');
  seekBar();
  timeline();
  video?.addEventListener('loadedmetadata', moved);
  addEventListener('hashchange', followFragment);
  if (video && video.readyState === 0) video.addEventListener('loadedmetadata', followFragment, { once: true });
  else followFragment();
  video?.addEventListener('timeupdate', moved);
  for (const event of ['play', 'pause']) video?.addEventListener(event, playing);
  document.addEventListener('click', click);
  document.addEventListener('keydown', tabKeys);
  addEventListener('resize', () => { timeline(); moved(); });
  follow();
  copies();
  void fairness();
  moved();
  learnSpeech(() => { timeline(); moved(); }).catch((error) => console.info('speakers', String(error)));
}

void start();
