/**
 * Device check, step 3 of joining: picture, microphone, loudspeaker, and a real connection to this court's media port.
 *
 * Rules: a verdict is a measurement, never a guess (RTT and loss come from the connection's own statistics); the result is
 * sent to the court as proof that the person could join; everything can be skipped, nobody is kept out by a check.
 */

import { h } from './dom.js';
import { icon } from './icons.js';
import { openTransport } from './transport.js';
import { t } from './texts.js';
import { preview } from './waiting.js';
import { roleName } from './words.js';
import { clockTime, now } from './clock.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').DeviceCheck} DeviceCheck */

/** @returns {DeviceCheck} */
export const freshCheck = () => ({ step: 'off', light: '', heard: false, speaker: '', network: '', rtt: 0, loss: 0, replay: '' });

const GOOD = { rtt: 200, loss: 2 };
const FAIR = { rtt: 500, loss: 8 };
const SAMPLES = 6;

/** @param {number} rtt ms @param {number} loss percent @returns {'good'|'fair'|'bad'} */
export function verdict(rtt, loss) {
  if (rtt <= GOOD.rtt && loss <= GOOD.loss) return 'good';
  return rtt <= FAIR.rtt && loss <= FAIR.loss ? 'fair' : 'bad';
}

/** @param {RTCPeerConnection} pc @returns {Promise<void>} */
const connected = (pc) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error('no connection in 10 s')), 10000);
  const look = () => {
    if (pc.connectionState === 'connected') { clearTimeout(timer); resolve(); }
    if (pc.connectionState === 'failed') { clearTimeout(timer); reject(new Error('failed')); }
  };
  pc.addEventListener('connectionstatechange', look);
  look();
});

/** Round trip and loss of a real transport to the court. @param {RTCPeerConnection} pc */
async function measure(pc) {
  let [rtt, loss] = [0, 0];
  for (let i = 0; i < SAMPLES; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    (await pc.getStats()).forEach((report) => {
      if (report.type === 'candidate-pair' && report.nominated && report.currentRoundTripTime !== undefined) rtt = report.currentRoundTripTime * 1000;
      if (report.type === 'remote-inbound-rtp' && report.fractionLost !== undefined) loss = Math.max(loss, report.fractionLost * 100);
    });
  }
  return { rtt: Math.round(rtt), loss: Math.round(loss * 10) / 10 };
}

export class Checker {
  /** @param {import('./devices.js').LocalDevices} devices @param {DeviceCheck} result @param {() => void} changed */
  constructor(devices, result, changed) {
    this.devices = devices;
    this.result = result;
    this.changed = changed;
    /** @type {AudioContext|null} */
    this.sound = null;
    /** @type {ReturnType<typeof setInterval>[]} */
    this.timers = [];
  }

  /** @param {{hearing: string, seat: string}} where @param {RTCIceServer[]} ice */
  start(where, ice) {
    this.result.step = 'running';
    this.listen();
    this.timers.push(setInterval(() => this.#light(), 1000));
    void this.network(where, ice);
  }

  stop() {
    this.result.step = 'done';
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    void this.sound?.close();
    this.sound = null;
  }

  /** The meter: 24 segments over −60 … 0 dB, drawn without touching anything else on the page. */
  listen() {
    const track = this.devices.tracks.microphone;
    if (!track || this.sound) return;
    this.sound = new AudioContext();
    const analyser = this.sound.createAnalyser();
    analyser.fftSize = 1024;
    this.sound.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timers.push(setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const level = 20 * Math.log10(Math.max(1e-3, Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length)));
      const lit = Math.round((level + 60) / 60 * 24);
      document.querySelectorAll('.meter i').forEach((bar, i) => { bar.className = i < lit ? (i > 20 ? 'high' : 'on') : ''; });
      if (lit >= 8 && !this.result.heard) { this.result.heard = true; this.changed(); }
    }, 80));
  }

  /** Mean brightness of the own picture. */
  #light() {
    const video = /** @type {HTMLVideoElement|null} */ (document.querySelector('.preview video'));
    if (!video || !video.videoWidth) return;
    const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 24 });
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    if (!pen) return;
    pen.drawImage(video, 0, 0, 32, 24);
    const { data } = pen.getImageData(0, 0, 32, 24);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    const mean = sum / (data.length / 4);
    const light = mean < 45 ? 'dark' : mean > 225 ? 'bright' : 'good';
    if (light !== this.result.light) { this.result.light = light; this.changed(); }
  }

  /** Two notes, half a second each; then the person says whether they were heard. */
  tone() {
    chime(this.sound);
    this.result.speaker = 'asked';
    this.changed();
  }

  /** Five seconds of one's own voice. */
  record() {
    const track = this.devices.tracks.microphone;
    if (!track || this.result.replay) return;
    const recorder = new MediaRecorder(new MediaStream([track]));
    /** @type {Blob[]} */
    const pieces = [];
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => {
      const url = URL.createObjectURL(new Blob(pieces, { type: recorder.mimeType }));
      const audio = new Audio(url);
      const done = () => { URL.revokeObjectURL(url); this.result.replay = ''; this.changed(); };
      audio.onended = done;
      audio.onerror = done;
      this.result.replay = 'playing';
      this.changed();
      audio.play().catch(done);
    };
    this.result.replay = 'recording';
    this.changed();
    recorder.start();
    setTimeout(() => recorder.state === 'recording' && recorder.stop(), 5000);
  }

  /** @param {{hearing: string, seat: string}} where @param {RTCIceServer[]} ice */
  async network(where, ice) {
    if (this.result.network === 'running') return;
    this.result.network = 'running';
    this.changed();
    /** @type {RTCPeerConnection|null} */
    let pc = null;
    try {
      ({ pc } = await openTransport({ ...where, places: 0, publish: ['microphone'], ice, track: () => this.devices.tracks.microphone }));
      await connected(pc);
      const { rtt, loss } = await measure(pc);
      Object.assign(this.result, { rtt, loss, network: verdict(rtt, loss) });
    } catch (error) {
      console.info('network check', String(error));
      this.result.network = 'bad';
    } finally {
      pc?.close();
      this.changed();
    }
  }

  /** What is kept as proof. */
  proof() {
    const { light, heard, speaker, network, rtt, loss } = this.result;
    return { at: now(), camera: this.devices.state.camera, microphone: this.devices.state.microphone, light, microphone_heard: heard, speaker, network, rtt_ms: rtt, loss_permille: Math.round(loss * 10) };
  }
}

/** A quiet two-note sound: somebody is admitted, or the loudspeaker is tried. @param {AudioContext|null} context */
export function chime(context = null) {
  try {
    const sound = context ?? new AudioContext();
    [523.25, 659.25].forEach((pitch, i) => {
      const [tone, gain, at] = [sound.createOscillator(), sound.createGain(), sound.currentTime + i * 0.45];
      tone.frequency.value = pitch;
      gain.gain.setValueAtTime(0.0001, at);
      gain.gain.exponentialRampToValueAtTime(0.25, at + 0.03);
      gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.7);
      tone.connect(gain).connect(sound.destination);
      tone.start(at);
      tone.stop(at + 0.75);
      if (!context && i === 1) tone.onended = () => void sound.close();
    });
  } catch (error) {
    console.info('no sound here', String(error));
  }
}

/** @param {'good'|'ask'|'bad'} style @param {string} words */
const tag = (style, words) => h('span', { class: `tag ${style}` }, style === 'good' && icon('check'), words);

/** @param {string} picture @param {string} name @param {import('./dom.js').Child} state @param {import('./dom.js').Child} body @param {import('./dom.js').Child} acts @param {boolean} [next] */
const item = (picture, name, state, body, acts, next = false) => h('section', { class: `card check-item${next ? ' next' : ''}`, 'data-key': picture }, icon(picture), h('div', { class: 'body' }, h('h2', null, name, ' ', state), body), acts);

/** @param {State} state */
function microphone(state) {
  const { check, devices } = state;
  const on = devices.microphone === 'on';
  const label = check.replay ? `page.check.${check.replay}` : 'page.check.record';
  return item('mic', t('device.microphone'), on ? tag(check.heard ? 'good' : 'ask', t(check.heard ? 'page.check.fine' : 'page.check.speak')) : tag('bad', t(`device.microphone.${devices.microphone}`)),
    on ? [h('div', { class: 'meter', 'data-keep': true, 'data-key': 'meter', 'aria-hidden': 'true' }, Array.from({ length: 24 }, () => h('i'))), h('p', null, t('page.check.meter'))] : h('p', null, t(`device.microphone.${devices.microphone}.do`)),
    h('button', { class: 'btn', type: 'button', 'data-action': 'record', 'aria-disabled': on && !check.replay ? null : 'true' }, t(label)));
}

/** @param {State} state */
function speaker(state) {
  const { speaker: heard } = state.check;
  const asked = heard === 'asked';
  return item('speaker', t('page.check.speaker'), heard === 'good' ? tag('good', t('page.check.fine')) : heard === 'bad' ? tag('bad', t('page.check.not_heard')) : asked ? tag('ask', t('page.check.please_confirm')) : tag('ask', t('page.check.not_tried')),
    h('p', null, t(asked ? 'page.check.tone_asked' : heard === 'bad' ? 'page.check.tone_help' : 'page.check.tone')),
    h('div', { class: 'row' }, asked ? [h('button', { class: 'btn', type: 'button', 'data-action': 'heard', 'data-key': 'heard' }, t('page.check.heard')), h('button', { class: 'btn', type: 'button', 'data-action': 'unheard', 'data-key': 'unheard' }, t('page.check.unheard'))]
      : h('button', { class: 'btn', type: 'button', 'data-action': 'tone', 'data-key': 'tone' }, t(heard ? 'page.check.tone_again' : 'page.check.tone_play'))), asked || heard === '');
}

/** @param {State} state */
function network(state) {
  const { network: is, rtt, loss } = state.check;
  const cell = (/** @type {string} */ which) => h('span', { class: is === which ? `chosen ${which}` : '' }, is === which && which === 'good' && [icon('check'), ' '], t(`page.check.network.${which}`));
  const words = is === 'running' || is === '' ? t('page.check.network.running') : is === 'bad' && rtt === 0 ? t('page.check.network.none') : `${t('page.check.network.measured', { rtt, loss })} ${is === 'good' ? '' : t(`page.check.network.${is}.do`)}`;
  return item('net', t('page.check.network'), null, [h('div', { class: 'verdict', 'data-network': is }, cell('good'), cell('fair'), cell('bad')), h('p', { 'aria-live': 'polite' }, words)],
    ['bad', 'fair'].includes(is) ? h('button', { class: 'btn', type: 'button', 'data-action': 'network_again' }, t('page.check.again')) : null);
}

/** @param {State} state */
export function deviceCheck(state) {
  const view = /** @type {import('./types.js').View} */ (state.view);
  const { light } = state.check;
  const camera = state.devices.camera;
  const done = (/** @type {string} */ key) => h('li', { class: 'done' }, icon('check'), t(key));
  return h('main', { id: 'content', tabindex: '-1', class: 'sheet', 'data-key': 'check', 'data-screen': 'check' },
    h('ol', { class: 'steps', 'aria-label': t('page.join.steps') }, done('page.join.step1'), done('page.join.step2'), h('li', { 'aria-current': 'step' }, h('b', null, '3'), t('page.join.step3')), h('li', null, h('b', null, '4'), t('page.join.step4'))),
    h('h1', null, t('page.check.title')),
    h('p', { class: 'lead' }, t('page.check.lead', { who: `${roleName(view.seat)} ${view.seat.name}`, time: clockTime(view.scheduled_at) })),
    h('div', { class: 'pair' },
      preview(state, [h('h2', null, t('device.camera'), ' ', camera === 'on' ? tag(light === 'dark' || light === 'bright' ? 'ask' : 'good', t(light === 'dark' || light === 'bright' ? `page.check.light.${light}` : 'page.check.fine')) : tag('bad', t(`device.camera.${camera}`))),
        h('p', null, camera === 'on' ? t(light ? `page.check.light.${light}.do` : 'page.check.light.looking') : t(`device.camera.${camera}.do`))], 'check', h('span', { class: 'guide', 'aria-hidden': 'true' })),
      h('div', { class: 'stack' }, microphone(state), speaker(state), network(state),
        h('p', { class: 'kept' }, icon('info'), t('page.check.kept')),
        h('div', { class: 'row actions' },
          h('button', { class: 'btn primary', type: 'button', 'data-action': 'check_done' }, t('page.check.continue')),
          h('button', { class: 'btn', type: 'button', 'data-action': 'check_help' }, t('page.check.help')),
          h('button', { class: 'btn bare', type: 'button', 'data-action': 'check_skip' }, t('page.check.skip'))))));
}
