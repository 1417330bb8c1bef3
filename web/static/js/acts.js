/**
 * From a click on `data-command` to a command: what must be asked first, what goes with it.
 *
 * Rules: destructive acts ask once and name the consequence and the article; nothing is done when the person goes back.
 */

import { now } from './clock.js';
import { rowCommands } from './desk.js';
import { confirm, show } from './dialog.js';
import { confirmInterruption, proposeInterruption } from './interruption.js';
import { fill, h } from './dom.js';
import { seatFile } from './seatfile.js';
import { first, t } from './texts.js';
import { article, roleName } from './words.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').View} View */
/** @typedef {(type: string, fields?: Record<string, unknown>) => Promise<boolean>} Send */

/** @param {View} view @param {string} seat */
function who(view, seat) {
  const person = view.roster.find((p) => p.seat === seat);
  return person ? `${roleName(person)} ${person.name}` : '';
}

/** @param {View} view @param {string} type @param {string} seat @param {'none'|'may'|'must'} reason @param {boolean} [danger] */
const ask = (view, type, seat, reason, danger = false) => confirm({
  id: type, title: t(`command.${type}`), text: t(`command.${type}.means`, { who: who(view, seat) }), article: article(view, type, true), confirm: t(`command.${type}`), reason, danger,
});

/** Carry out one clicked command. @param {State} state @param {DOMStringMap} data @param {Send} send */
export async function carryOut(state, data, send) {
  const view = state.view;
  if (!view || !data.command) return;
  const [type, seat] = [data.command, data.seat ?? ''];
  /** @type {string|null} */
  let reason;
  switch (type) {
    case 'close_hearing':
      if ((await ask(view, type, '', 'none', true)) !== null) await send(type);
      return;
    case 'recess':
    case 'move_offline':
    case 'remove':
      reason = await ask(view, type, seat, type === 'recess' ? 'may' : 'must', type !== 'recess');
      if (reason !== null) await send(type, type === 'remove' ? { seat, reason } : { reason });
      return;
    case 'prompt':
    case 'warn': await tell(view, type, seat, send); return;
    case 'waive_check':
      reason = await confirm({ id: type, title: t('command.waive_check'), text: t('command.waive_check.means', { item: first([`checklist.${data.item}`]) || data.item || '' }), confirm: t('command.waive_check'), reason: 'must' });
      if (reason !== null) await send(type, { item: data.item + (seat ? `:${seat}` : ''), reason });
      return;
    case 'set_phase': await send(type, { phase: data.phase, reason: '' }); return;
    case 'mute':
    case 'unmute': await send(type, { seat, kind: data.kind ?? 'microphone' }); return;
    case 'give_floor': await send(type, { seat: data.taking ? '' : seat }); return;
    case 'answer_request': await send(type, { request: data.request, granted: data.granted === 'true', reason: '' }); return;
    case 'excuse': await excuse(view, seat, send); return;
    case 'rule': await rule(state, seat, send); return;
    case 'propose_interruption': await proposeInterruption(view, data.ground ?? '', send); return;
    case 'confirm_interruption': await confirmInterruption(view, data.proposal ?? '', send); return;
    case 'decline_interruption': await send(type, { proposal: data.proposal }); return;
    case 'open_hearing':
    case 'resume_recording':
    case 'resume': await send(type); return;
    default: await send(type, seat ? { seat } : {});
  }
}

/**
 * Prompt or warn. Who is not connected cannot read it here: the court writes down how the person was reached, and without
 * such a note it counts as not delivered (COURT.md 6).
 * @param {View} view @param {'prompt'|'warn'} type @param {string} seat @param {Send} send
 */
async function tell(view, type, seat, send) {
  const here = view.roster.find((p) => p.seat === seat)?.connected;
  if (here && type === 'prompt') { await send(type, { seat }); return; }
  const note = await confirm({
    id: type, title: t(`command.${type}`), text: t(`command.${type}.means`, { who: who(view, seat) }), article: article(view, type, true),
    confirm: t(`command.${type}`), reason: here ? 'none' : 'may', label: t('command.prompt.note'),
  });
  if (note !== null) await send(type, here ? { seat } : { seat, note });
}

/** @param {View} view @param {string} seat @param {Send} send */
async function excuse(view, seat, send) {
  const { value } = await show({
    id: 'excuse', title: t('command.excuse'), body: h('p', null, t('command.excuse.means', { who: who(view, seat) })),
    buttons: [5, 10, 15, 30].map((n) => ({ value: String(n), label: t('unit.minutes', { minutes: n }), action: `excuse-${n}` })),
  });
  if (value) await send('excuse', { seat, until: now() + Number(value) * 6e7 });
}

/** @type {(import('./seatfile.js').Read & {seat: string})|null} */
let opened = null;

/** Bring the open file of a seat, if there is one, to the newest view. @param {State} state */
export function refreshFile(state) {
  const holder = document.getElementById('seat-file');
  if (holder && opened) fill(holder, seatFile(state, opened.seat, opened));
}

/** @param {string} url @param {string} seat our own, as the doors of the server want it */
async function read(url, seat) {
  try {
    const answer = await fetch(url, { headers: { 'Courtroom-Seat': seat }, cache: 'no-store' });
    return answer.ok ? await answer.json() : null;
  } catch (error) {
    console.info('not read', url, String(error));
    return null;
  }
}

/** The file of one seat; from here prompt, warning and the judge's own words. @param {State} state @param {string} seat @param {Send} send */
export async function facts(state, seat, send) {
  const view = /** @type {View} */ (state.view);
  const base = `/api/v1/hearings/${encodeURIComponent(view.hearing)}`;
  const file = `${base}/seats/${encodeURIComponent(seat)}`;
  /** @type {import('./seatfile.js').Read & {seat: string}} */
  const mine = { seat, absence: undefined, fairness: undefined, files: undefined, url: `${file}/absence`, files_url: `${file}/attachments`, query: `?seat=${encodeURIComponent(view.seat.id)}` };
  opened = mine;
  void read(mine.files_url, view.seat.id).then((told) => { mine.files = told?.attachments ?? null; refreshFile(state); });
  void read(mine.url, view.seat.id).then((told) => { mine.absence = told; refreshFile(state); });
  void read(`${base}/fairness`, view.seat.id).then((told) => { mine.fairness = told; refreshFile(state); });
  const { value } = await show({
    id: 'facts', side: true, title: t('page.attendance.facts'), buttons: [],
    body: [h('div', { id: 'seat-file' }, seatFile(state, seat, mine)), h('p', { class: 'article' }, article(view, 'warn', true))],
  });
  opened = null;
  const [command, which, is] = value.split(':');
  switch (command) {
    case '': return;
    case 'phone': return phoneNote(view, seat, Number(which), send);
    case 'record': return recordService(view, seat, which ?? '', is !== 'no', send);
    case 'rule': return rule(state, seat, send, mine.absence ?? null);
    default: await carryOut(state, /** @type {DOMStringMap} */ (/** @type {unknown} */ ({ command, seat })), send);
  }
}

/** @param {HTMLDialogElement} box @param {string} id */
const written = (box, id) => /** @type {HTMLInputElement|null} */ (box.querySelector(`#${id}`))?.value.trim() ?? '';

/** 电话记录: who answered, when, what was said. @param {View} view @param {string} seat @param {number} notice @param {Send} send */
async function phoneNote(view, seat, notice, send) {
  const { value, box } = await show({
    id: 'phone', title: t('file.phone_note'),
    body: [h('p', null, who(view, seat)),
      h('div', { class: 'field' }, h('label', { for: 'phone-who' }, t('file.phone_who')), h('select', { id: 'phone-who' }, ['self', 'family', 'counsel', 'other', 'nobody'].map((one) => h('option', { value: one }, t(`absence.who.${one}`))))),
      h('div', { class: 'field' }, h('label', { for: 'phone-ago' }, t('file.phone_when')), h('input', { id: 'phone-ago', type: 'number', min: 0, max: 600, value: 0, required: true })),
      h('div', { class: 'field' }, h('label', { for: 'phone-said' }, t('file.phone_said')), h('textarea', { id: 'phone-said', rows: 3, maxlength: 500, required: true }))],
    buttons: [{ value: 'note', label: t('command.phone_note'), style: 'primary' }],
  });
  if (value === 'note') await send('phone_note', { seat, notice, who: written(box, 'phone-who'), called_at: now() - Number(written(box, 'phone-ago')) * 6e7, said: written(box, 'phone-said') });
}

/** @param {View} view @param {string} seat @param {string} fact @param {boolean} holds @param {Send} send */
async function recordService(view, seat, fact, holds, send) {
  const title = holds ? t(`file.on_file.${fact}`) : t('file.claim.not', { fact: t(`file.on_file.${fact}`) });
  const note = await confirm({ id: 'record', title, text: who(view, seat), confirm: t('file.record'), reason: 'must', label: t('file.record_note') });
  if (note !== null) await send('record_service', { seat, fact, holds, note });
}

/**
 * The judge's own words; with them goes the digest of the facts that lay before the judge, so that nobody need ask later.
 * @param {State} state @param {string} seat @param {Send} send @param {import('./types.js').Absence|null} [absence]
 */
async function rule(state, seat, send, absence = null) {
  const view = /** @type {View} */ (state.view);
  const before = absence ?? await read(`/api/v1/hearings/${encodeURIComponent(view.hearing)}/seats/${encodeURIComponent(seat)}/absence`, view.seat.id);
  const finding = await confirm({ id: 'rule', title: t('command.rule'), text: t('command.rule.means', { who: who(view, seat) }), article: article(view, 'rule', true), confirm: t('command.rule.record'), reason: 'must', label: t('command.rule.words') });
  if (finding) await send('rule', { seat, finding, ...(before ? { draft: before.digest, draft_seq: before.seq } : {}) });
}

/** Everything else that may be done with a seat. @param {State} state @param {string} seat @param {Send} send */
export async function seatMenu(state, seat, send) {
  const view = /** @type {View} */ (state.view);
  const person = view.roster.find((p) => p.seat === seat);
  if (!person) return;
  const { more } = rowCommands(view, person);
  const cameraOff = person.muted.includes('camera');
  const list = more.filter((c) => c !== 'mute' && c !== 'unmute').map((c) => ({ value: c, label: t(`command.${c}`), style: c === 'remove' ? 'urgent' : '' }));
  if ((view.may_seat[seat] ?? []).includes(cameraOff ? 'unmute' : 'mute')) list.push({ value: cameraOff ? 'unmute-camera' : 'mute-camera', label: t(cameraOff ? 'command.unmute_camera' : 'command.mute_camera'), style: '' });
  // The strip that leads to the file has no room on a phone or at 200 %: this is the way there.
  if (view.attendance?.some((row) => row.seat === seat)) list.unshift({ value: 'file', label: t('page.attendance.facts'), style: '' });
  const { value } = await show({ id: 'seat', title: who(view, seat), body: null, buttons: list });
  if (!value) return;
  if (value === 'file') { await facts(state, seat, send); return; }
  const [command, kind] = value.split('-');
  await carryOut(state, /** @type {DOMStringMap} */ (/** @type {unknown} */ ({ command, kind: kind ?? 'microphone', seat })), send);
}

