/**
 * The hearing page: one state, one `render`, clicks read at the root. The view says which screen this is.
 *
 * Rules
 * - `render` draws from `state` alone; nothing is remembered on the page besides the last view and this person's devices.
 * - A change of room from waiting to the courtroom counts down three seconds before microphone and camera go on the air.
 * - For tests and curious people: `body[data-room|phase|screen|media|socket|seq]`, `article.tile[data-seat][data-state]`,
 *   `video[data-seat]`, `button[data-command]`, `[data-action]`, and the read-only `window.__courtroom`.
 */

import { Acknowledger } from './acknowledge.js';
import { carryOut, facts, refreshFile, seatMenu } from './acts.js';
import { renderBand } from './band.js';
import { setClock, tick } from './clock.js';
import { startPage } from './common.js';
import { Connection, watchNetwork } from './connection.js';
import { LocalDevices } from './devices.js';
import { Checker, chime, deviceCheck, freshCheck } from './devicecheck.js';
import { fill } from './dom.js';
import { Journal } from './journal.js';
import { Link } from './link.js';
import { Media } from './media.js';
import { chooseDevices, everyone, leave, makeRequest, more, requestMenu, undertaking } from './menus.js';
import { attach, preferences } from './pictures.js';
import { room } from './room.js';
import { Senses } from './senses.js';
import { statement } from './statement.js';
import { first, known, loadTexts, t } from './texts.js';
import { readPage } from './types.js';
import { countdown, ended, waiting } from './waiting.js';
import { witnessRoom } from './witness.js';
import { isCourt, setSitting } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').View} View */

const page = readPage();
const narrow = matchMedia('(max-width: 899px)');
const checkedKey = `checked:${page.hearing}:${page.seat}`;

/** @type {State} */
const state = {
  view: null,
  devices: { microphone: 'none', camera: 'none', stream: null, sharing: false, audioOnly: false, blockedSound: false },
  link: { socket: 'connecting', media: 'off', lostAt: 0, missed: 0, back: false, held: [], paused: [], blank: [], ended: '' },
  check: freshCheck(),
  ui: { drawer: false, tab: 'requests', countdown: 0, toast: '', toastBad: false, phone: narrow.matches, calling: false, allSeats: false },
};

const local = new LocalDevices(() => {
  Object.assign(state.devices, local.state, { stream: local.preview, sharing: local.screen !== null });
  media.refreshTracks();
  senses.devices(local);
  reportDevices();
  if (checker && state.check.step === 'running') checker.listen();
  render();
});
const link = new Link(state, () => render());
const media = new Media({ hearing: page.hearing, seat: page.seat }, local, (is) => { state.link.media = is; senses.connection('media', is, { ice: media.pc?.iceConnectionState }); link.changed(media); render(); }, () => link.beat(media));
const journal = new Journal({ hearing: page.hearing, seat: page.seat });
const acknowledger = new Acknowledger((type, fields) => connection.command(type, fields));
const senses = new Senses(journal, (kind) => connection?.fact(kind), () => media.pc);
/** @type {Connection} */
let connection;
/** @type {Checker|null} */
let checker = null;
let reported = '';
let preferred = '';
/** @type {ReturnType<typeof setTimeout>|undefined} */
let toastTimer;

/** The screen for this view. */
function screen() {
  const { view, link, check } = state;
  if (link.ended || (view && view.room === null)) return 'ended';
  if (!view) return 'connecting';
  if (view.room === 'waiting' || view.room === 'witness_room') {
    if (check.step === 'running') return 'check';
    return view.room === 'waiting' ? 'waiting' : 'witness';
  }
  return 'room';
}

function render() {
  const app = document.getElementById('app');
  if (!app) return;
  const which = screen();
  document.body.className = which === 'room' ? 'room' : 'paper';
  Object.assign(document.body.dataset, {
    screen: which, room: state.view?.room ?? '', phase: state.view?.phase ?? '', seq: String(state.view?.seq ?? 0),
    media: state.link.media, socket: state.link.socket, recording: state.view?.recording?.state ?? 'off',
  });
  renderBand(state);
  if (which === 'connecting') return;
  const draw = { ended, check: deviceCheck, waiting, witness: witnessRoom, room }[which];
  fill(app, draw(state), countdown(state), toast());
  attach(media, state, () => { if (!state.devices.blockedSound) { state.devices.blockedSound = true; queueMicrotask(render); } });
  refreshFile(state);
  tick(document);
  prefer();
  acknowledger.shown(state.view);
}

function toast() {
  if (!state.ui.toast) return null;
  const line = document.createElement('div');
  line.className = `toast${state.ui.toastBad ? ' bad' : ''}`;
  line.setAttribute('role', state.ui.toastBad ? 'alert' : 'status');
  line.dataset.key = 'toast';
  line.textContent = state.ui.toast;
  return line;
}

/** @param {string} words @param {boolean} [bad] */
function say(words, bad = false) {
  Object.assign(state.ui, { toast: words, toastBad: bad });
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { state.ui.toast = ''; render(); }, 6000);
  render();
}

/** @type {import('./acts.js').Send} */
async function send(type, fields = {}) {
  const answer = await connection.command(type, fields);
  if (!answer.ok) say(answer.message || first([`page.refused.${answer.code}`, `refused.${answer.code}`]) || t('page.refused.other', { code: answer.code ?? '' }), true);
  return answer.ok;
}

/** Tell the court what our devices do, once per change and again after every reconnect. */
function reportDevices() {
  const now = JSON.stringify(local.state);
  if (!state.view || state.view.room === null || now === reported || !connection?.socket.connected) return;
  reported = now;
  connection.command('set_devices', { ...local.state }).then((answer) => {
    if (!answer.ok) { reported = ''; console.info('set_devices', answer.code); }
  });
}

/** Ask only for pictures somebody looks at, as large as they are shown. */
function prefer() {
  if (state.link.media !== 'up' || !state.view?.media) return;
  const places = preferences(state);
  const now = JSON.stringify(places) + state.view.media.room;
  if (now === preferred || !places.length) return;
  preferred = now;
  void connection.command('media_preferences', { places });
}

/** @param {View} view */
function arrived(view) {
  const before = state.view;
  state.view = view;
  link.told(before, view);
  setClock(view.clock.court);
  setSitting(view);
  if (view.room !== null) state.link.ended = '';
  const came = before && (before.room === 'waiting' || before.room === 'witness_room') && view.room === 'courtroom';
  if (came && !isCourt(view.seat.role) && view.media?.publish.length) void countDown();
  enterCheck(view);
  if (local.screen && view.presenting?.seat !== view.seat.id && before?.presenting?.seat === view.seat.id) local.unshare();
  media.apply(state.link.ended || !wantsMedia(view) ? null : view.media);
  reportDevices();
  link.changed(media);
  render();
}

/** In the waiting and witness rooms nothing is sent to anybody until somebody of the court is in there too. @param {View} view */
function wantsMedia(view) {
  if (view.room !== 'waiting' && view.room !== 'witness_room') return true;
  return state.check.step !== 'running' && (view.media?.routes.length ?? 0) > 0;
}

/** Step 3 of joining stands between the join page and the waiting room, once per browser session. @param {View} view */
function enterCheck(view) {
  const waits = view.room === 'waiting' || view.room === 'witness_room';
  if (!waits) { if (state.check.step === 'running') checker?.stop(); return; }
  if (state.check.step !== 'off') return;
  if (sessionStorage.getItem(checkedKey)) { state.check.step = 'done'; return; }
  startCheck();
}

function startCheck() {
  state.check = freshCheck();
  state.check.step = 'running';
  checker = new Checker(local, state.check, render);
  acquired.then(() => { if (state.check.step === 'running') checker?.start(where(), state.view?.media?.ice_servers ?? []); });
}

const where = () => ({ hearing: page.hearing, seat: page.seat });

/** @param {boolean} tell */
function finishCheck(tell) {
  if (tell && checker) {
    fetch(`/api/v1/hearings/${encodeURIComponent(page.hearing)}/check`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'Courtroom-Seat': page.seat }, body: JSON.stringify(checker.proof()) })
      .catch((error) => console.info('check not kept', String(error)));
  }
  checker?.stop();
  state.check.step = 'done';
  sessionStorage.setItem(checkedKey, '1');
  render();
  document.getElementById('content')?.focus();
}

/** Sound, three seconds, then on the air. */
async function countDown() {
  local.setOnAir(false);
  chime();
  for (const left of [3, 2, 1]) {
    state.ui.countdown = left;
    render();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  state.ui.countdown = 0;
  local.setOnAir(true);
  render();
}

async function present() {
  if (state.devices.sharing) { local.unshare(); await send('stop_presenting'); return; }
  if (!(await local.share(() => void send('stop_presenting')))) { say(t('page.present.none'), true); return; }
  if (!(await send('present', { exhibit: '' }))) local.unshare();
}

/** @param {string} href a /lang or /large link: the cookie is set, the room stays */
async function preference(href) {
  await fetch(href, { redirect: 'manual' });
}

/** @param {HTMLElement} element */
async function switchLanguage(element) {
  const next = page.lang === 'zh' ? 'en' : 'zh';
  await preference(element.getAttribute('href') ?? `/lang/${next}`);
  page.lang = next;
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
  await loadTexts(next);
  connection.speak(next);
  element.textContent = t('page.other_language');
  element.setAttribute('href', `/lang/${next === 'zh' ? 'en' : 'zh'}?next=${encodeURIComponent(location.pathname + location.search)}`);
  element.setAttribute('lang', next === 'zh' ? 'en' : 'zh-CN');
  largeLabel();
  render();
}

function largeLabel() {
  const link = document.querySelector('.band-links [data-action="large"]');
  const large = document.documentElement.classList.contains('large');
  if (!link) return;
  link.textContent = t(large ? 'page.normal_type' : 'page.large_type');
  link.setAttribute('href', `/large/${large ? 0 : 1}?next=${encodeURIComponent(location.pathname + location.search)}`);
}

async function switchLarge() {
  const large = document.documentElement.classList.toggle('large');
  await preference(`/large/${large ? 1 : 0}?next=/`);
  largeLabel();
  render();
}

function comeBack() {
  state.link.ended = '';
  reported = '';
  connection.again();
}

async function muteAll() {
  const view = state.view;
  const seats = view?.roster.filter((p) => p.room === 'courtroom' && !isCourt(p.role) && !p.muted.includes('microphone') && view.may_seat[p.seat]?.includes('mute')) ?? [];
  for (const person of seats) if (!(await send('mute', { seat: person.seat, kind: 'microphone' }))) return;
}

/** @type {Record<string, (element: HTMLElement) => void|Promise<unknown>>} */
const ACTIONS = {
  microphone: () => local.toggle('microphone'),
  camera: () => local.toggle('camera'),
  hand: () => send((state.view?.roster.find((p) => p.seat === page.seat)?.hand ?? 0) > 0 ? 'lower_hand' : 'raise_hand'),
  requests: () => { if (narrow.matches) return requestMenu(state, send); state.ui.tab = 'requests'; state.ui.drawer = !state.ui.drawer; render(); return document.getElementById('tab-requests')?.focus(); },
  request: (e) => makeRequest(state, e.dataset.kind ?? 'speak', send),
  wish: (e) => send('request', { kind: e.dataset.kind, text: e.dataset.text ?? '' }).then((ok) => ok && say(t('page.waiting.told_long'))),
  call_clerk: () => send('request', { kind: 'help', text: '' }).then((ok) => ok && say(t('page.waiting.told_long'))),
  help: () => send('request', { kind: 'help', text: '' }).then((ok) => ok && say(t('page.waiting.told_long'))),
  present, muteAll, mute_all: muteAll,
  devices: () => chooseDevices(state, local).then(render),
  large: switchLarge,
  language: switchLanguage,
  leave: () => leave(state, send, () => say(t('leave.sent'))).then((gone) => { if (gone) { state.link.ended = 'left'; media.close(); render(); } }),
  more: () => more(state).then((action) => { if (action) void ACTIONS[action]?.(document.body); }),
  everyone: () => everyone(state),
  drawer: () => { state.ui.drawer = !state.ui.drawer; render(); },
  tab: (e) => { state.ui.tab = /** @type {'requests'} */ (e.dataset.tab); render(); document.getElementById(`tab-${state.ui.tab}`)?.focus(); },
  facts: (e) => facts(state, e.dataset.seat ?? '', send),
  seat_menu: (e) => seatMenu(state, e.dataset.seat ?? '', send),
  all_seats: () => { state.ui.allSeats = !state.ui.allSeats; render(); },
  undertaking,
  notice_read: (e) => acknowledger.read(Number(e.dataset.number)),
  statement: () => statement(state, send).then((ok) => { if (ok) say(t('statement.sent')); }),
  retry: () => { connection.resume(); media.hurry(); },
  repeat: () => send('request', { kind: 'speak', text: t('page.link.repeat_text', { seconds: state.link.missed }) }).then((ok) => { if (ok) { state.link.missed = 0; say(t('page.waiting.told_long')); } }),
  seen: () => { state.link.missed = 0; render(); },
  sound: () => { state.devices.blockedSound = false; document.querySelectorAll('audio').forEach((a) => void a.play()); render(); },
  return: comeBack,
  tone: () => checker?.tone(),
  record: () => checker?.record(),
  heard: () => { state.check.speaker = 'good'; render(); },
  unheard: () => { state.check.speaker = 'bad'; render(); },
  network_again: () => checker?.network(where(), []),
  check_done: () => finishCheck(true),
  check_skip: () => finishCheck(false),
  check_again: () => startCheck(),
  check_help: () => { finishCheck(true); return send('request', { kind: 'help', text: t('page.check.help_text') }); },
};

document.addEventListener('click', (event) => {
  const element = /** @type {HTMLElement|null} */ (event.target instanceof Element ? event.target.closest('[data-command], [data-action]') : null);
  if (!element || element.closest('dialog')) return;
  const { command, action } = element.dataset;
  if (element.getAttribute('aria-disabled') === 'true') { event.preventDefault(); say(t(action && known(`page.why.${action}`) ? `page.why.${action}` : 'page.desk.not_now_long')); return; }
  if (command) void carryOut(state, element.dataset, send);
  else if (action && ACTIONS[action]) { event.preventDefault(); void ACTIONS[action](element); }
});

document.addEventListener('keydown', (event) => {
  const field = event.target instanceof Element && event.target.closest('input, textarea, select, dialog');
  const action = { m: 'microphone', v: 'camera', h: 'hand' }[event.key.toLowerCase()];
  if (field || !action || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const button = /** @type {HTMLElement|null} */ (document.querySelector(`.bar [data-action="${action}"]`));
  button?.click();
});

document.addEventListener('keydown', (event) => {
  const tab = event.target instanceof HTMLElement && event.target.getAttribute('role') === 'tab' ? event.target : null;
  if (!tab || !['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
  const all = /** @type {HTMLElement[]} */ ([...(tab.parentElement?.querySelectorAll('[role="tab"]') ?? [])]);
  all[(all.indexOf(tab) + (event.key === 'ArrowRight' ? 1 : all.length - 1)) % all.length].click();
});

addEventListener('pagehide', () => {
  navigator.sendBeacon(`/api/v1/hearings/${encodeURIComponent(page.hearing)}/beacon?seat=${encodeURIComponent(page.seat)}`,
    new Blob([JSON.stringify({ kind: 'page_hide', at: Date.now() * 1000 })], { type: 'application/json' }));
});
const network = () => { connection?.resume(); media.hurry(); };
addEventListener('online', network);
watchNetwork(network);
addEventListener('resize', () => { state.ui.phone = narrow.matches; render(); });
document.addEventListener('visibilitychange', () => { prefer(); acknowledger.shown(state.view); });

/** @param {import('./connection.js').Signal} signal */
function signalled(signal) {
  if (signal.kind === 'replaced' || signal.kind === 'removed') {
    state.link.ended = signal.kind;
    media.close();
    local.unshare();
    render();
  } else if (signal.kind === 'knock') {
    chime();
    say(t('page.signal.knock'));
  } else if (signal.kind === 'toast' && signal.code) say(first([`notice.${signal.code}`]) || signal.code);
  else if (signal.kind === 'closing') say(t('page.signal.closing'));
}

/** Devices are asked for once; observers send nothing. @type {Promise<void>} */
let acquired = Promise.resolve();

async function start() {
  await startPage(page.lang);
  acquired = page.role === 'observer' ? Promise.resolve() : local.acquire();
  connection = new Connection(page.seat, page.lang, {
    view: arrived,
    signal: signalled,
    state: (is, detail) => {
      state.link.socket = is;
      senses.connection('socket', is);
      if (is === 'up') { reported = ''; preferred = ''; void journal.upload(); }
      else { console.info('signalling', is, detail); media.lineLost(); }
      link.changed(media);
      render();
    },
  });
  setInterval(() => { if (screen() === 'room' && state.view?.attendance?.length) render(); }, 10000);
}

Object.defineProperty(window, '__courtroom', {
  get: () => ({ view: structuredClone(state.view), screen: screen(), link: { ...state.link }, pc: media.pc?.connectionState ?? 'none', lastError: media.lastError, journal: { ...journal.chain, state: journal.state } }),
});

void start();
