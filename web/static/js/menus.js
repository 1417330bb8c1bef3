/**
 * The dialogs of a participant: devices, requests, leaving, more, everybody, the undertaking.
 */

import { now } from './clock.js';
import { show } from './dialog.js';
import { h } from './dom.js';
import { requestKinds } from './drawer.js';
import { t } from './texts.js';
import { article, roleName, seatState } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./acts.js').Send} Send */

/** @param {State} state @param {import('./devices.js').LocalDevices} local @returns {Promise<boolean>} whether anything was chosen */
export async function chooseDevices(state, local) {
  const all = await local.choices();
  const select = (/** @type {MediaDeviceKind} */ kind, /** @type {'microphone'|'camera'} */ name) => {
    const ones = all.filter((d) => d.kind === kind && d.deviceId);
    const current = local.tracks[name]?.getSettings().deviceId;
    return h('div', { class: 'field' }, h('label', { for: `choose-${name}` }, t(`device.${name}`)),
      ones.length ? h('select', { id: `choose-${name}`, name }, ones.map((d, i) => h('option', { value: d.deviceId, selected: d.deviceId === current }, d.label || `${t(`device.${name}`)} ${i + 1}`)))
        : h('p', { class: 'muted', id: `choose-${name}` }, t(`device.${name}.${local.state[name] === 'denied' ? 'denied' : 'none'}.do`)));
  };
  const { value, box } = await show({
    id: 'devices', title: t('page.room.devices'),
    body: [select('audioinput', 'microphone'), loudspeakers(all, local), select('videoinput', 'camera'),
      h('label', { class: 'row' }, h('input', { type: 'checkbox', id: 'audio-only', checked: state.devices.audioOnly }), t('page.devices.audio_only'))],
    buttons: [{ value: 'use', label: t('page.devices.use'), style: 'primary' }],
  });
  if (value !== 'use') return false;
  state.devices.audioOnly = Boolean(/** @type {HTMLInputElement|null} */ (box.querySelector('#audio-only'))?.checked);
  const id = (/** @type {string} */ name) => { const chosen = /** @type {HTMLSelectElement|null} */ (box.querySelector(`select[name="${name}"]`)); return chosen?.value ?? ''; };
  local.speaker = id('speaker');
  await local.acquire({ microphone: id('microphone'), camera: id('camera') });
  return true;
}

/** Where the browser lets a page choose. @param {MediaDeviceInfo[]} all @param {import('./devices.js').LocalDevices} local */
function loudspeakers(all, local) {
  const ones = all.filter((d) => d.kind === 'audiooutput' && d.deviceId && d.deviceId !== 'default');
  if (!ones.length || !('setSinkId' in HTMLMediaElement.prototype)) return null;
  return h('div', { class: 'field' }, h('label', { for: 'choose-speaker' }, t('page.devices.speaker')),
    h('select', { id: 'choose-speaker', name: 'speaker' }, h('option', { value: '', selected: !local.speaker }, t('page.devices.speaker_default')),
      ones.map((d, i) => h('option', { value: d.deviceId, selected: d.deviceId === local.speaker }, d.label || `${t('page.devices.speaker')} ${i + 1}`))));
}

/** @param {State} state @param {string} kind @param {Send} send */
export async function makeRequest(state, kind, send) {
  if (!state.view) return;
  const { value, box } = await show({
    id: 'request', title: t(`request.${kind}.long`),
    body: h('div', { class: 'field' }, h('label', { for: 'request-text' }, t('page.requests.text')), h('textarea', { id: 'request-text', rows: 3, maxlength: 500 })),
    buttons: [{ value: 'send', label: t('page.requests.send'), style: 'primary' }],
  });
  const text = /** @type {HTMLTextAreaElement|null} */ (box.querySelector('#request-text'))?.value.trim() ?? '';
  if (value === 'send') await send('request', { kind, text });
}

/** The request menu where there is no drawer to show it. @param {State} state @param {Send} send */
export async function requestMenu(state, send) {
  const view = state.view;
  if (!view) return;
  const { value } = await show({ id: 'requests', title: t('page.requests.new'), body: null, buttons: requestKinds(view).map((kind) => ({ value: kind, label: t(`request.${kind}.long`), action: `request-${kind}` })) });
  if (value) await makeRequest(state, value, send);
}

/** Leave, or ask the court first. @param {State} state @param {Send} send @param {() => void} asked @returns {Promise<boolean>} whether the person left */
export async function leave(state, send, asked) {
  const view = state.view;
  if (!view) return false;
  const live = view.room === 'courtroom' && view.phase !== 'closed';
  const mayAsk = view.may.ask_leave || view.may.request;
  const { value } = await show({
    id: 'leave', title: t('page.leave.title'),
    body: [h('p', null, t(live ? 'page.leave.means' : 'page.leave.means_waiting')), live && view.isolated === false && h('p', { class: 'article' }, article(view, 'leave', true))],
    buttons: [...(mayAsk ? [{ value: 'ask', label: t('page.leave.ask'), style: 'primary', action: 'ask_leave' }] : []), { value: 'leave', label: t('page.leave.now'), style: 'urgent', action: 'confirm_leave' }],
  });
  if (value === 'ask' && (await askLeave(view, send))) asked();
  return value === 'leave' && send('leave');
}

/** Permission to be away for a while (准许暂离). @param {import('./types.js').View} view @param {Send} send */
async function askLeave(view, send) {
  if (!view.may.ask_leave) return send('request', { kind: 'leave', text: '' });
  const { value, box } = await show({
    id: 'ask-leave', title: t('leave.title'),
    body: [h('p', null, t('leave.means')),
      h('div', { class: 'field' }, h('label', { for: 'leave-minutes' }, t('leave.how_long')), h('select', { id: 'leave-minutes' }, [5, 10, 15, 30].map((n) => h('option', { value: n }, t('unit.minutes', { minutes: n }))))),
      h('div', { class: 'field' }, h('label', { for: 'leave-reason' }, t('leave.reason')), h('textarea', { id: 'leave-reason', rows: 2, maxlength: 500, required: true }))],
    buttons: [{ value: 'send', label: t('leave.send'), style: 'primary' }],
  });
  return value === 'send' && send('ask_leave', { reason: field(box, 'leave-reason'), until: now() + Number(field(box, 'leave-minutes')) * 6e7 });
}

/** @param {HTMLDialogElement} box @param {string} id */
const field = (box, id) => /** @type {HTMLInputElement|null} */ (box.querySelector(`#${id}`))?.value.trim() ?? '';

/** @param {State} state @returns {Promise<string>} the chosen action */
export async function more(state) {
  const court = document.documentElement.classList.contains('large');
  const view = state.view;
  const list = [
    { value: 'everyone', label: t('page.room.everyone') },
    ...(view?.media?.publish.includes('screen') && view.may.present ? [{ value: 'present', label: t(state.devices.sharing ? 'command.stop_presenting' : 'command.present') }] : []),
    ...(view?.may.reply ? [{ value: 'statement', label: t('statement.title') }] : []),
    { value: 'help', label: t('page.room.help') }, { value: 'devices', label: t('page.room.devices') },
    { value: 'large', label: t(court ? 'page.normal_type' : 'page.large_type') }, { value: 'leave', label: t('command.leave'), style: 'urgent' },
  ];
  return (await show({ id: 'more', title: t('page.more'), body: null, buttons: list })).value;
}

/** @param {State} state */
export async function everyone(state) {
  const view = state.view;
  if (!view) return;
  await show({
    id: 'everyone', title: t('page.room.everyone'), buttons: [],
    body: h('table', { class: 'facts-table' }, h('tbody', null, view.roster.filter((p) => p.room === view.room || (p.required && !p.room)).map((p) => h('tr', null, h('td', null, roleName(p)), h('td', null, h('b', null, p.name)), h('td', null, seatState(view, p).words))))),
  });
}

export const undertaking = () => show({ id: 'undertaking', title: t('page.witness.undertaking'), body: [h('div', { class: 'undertaking' }, t('page.witness.undertaking_text')), h('p', { class: 'muted' }, t('page.witness.undertaking_when'))], buttons: [] });
