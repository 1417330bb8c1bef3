/**
 * From a click on `data-command` to a command: what must be asked first, what goes with it.
 *
 * Rules: destructive acts ask once and name the consequence and the article; nothing is done when the person goes back.
 */

import { factsOf } from './attendance.js';
import { now } from './clock.js';
import { rowCommands } from './desk.js';
import { confirm, show } from './dialog.js';
import { h } from './dom.js';
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
    case 'open_hearing':
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

/** The facts of one seat; from here prompt, warning and the judge's own words. @param {State} state @param {string} seat @param {Send} send */
export async function facts(state, seat, send) {
  const view = /** @type {View} */ (state.view);
  const may = view.may_seat[seat] ?? [];
  const steps = ['prompt', 'warn', 'rule'].filter((c) => may.includes(c));
  const { value } = await show({
    id: 'facts', side: true, title: t('page.attendance.facts'), body: [h('p', null, who(view, seat)), factsOf(state, seat), h('p', { class: 'article' }, article(view, 'warn', true))],
    buttons: steps.map((c) => ({ value: c, label: t(`command.${c}`), style: c === 'prompt' ? 'primary' : '' })),
  });
  if (value) await carryOut(state, /** @type {DOMStringMap} */ (/** @type {unknown} */ ({ command: value, seat })), send);
}

/** @param {State} state @param {string} seat @param {Send} send */
async function rule(state, seat, send) {
  const view = /** @type {View} */ (state.view);
  const finding = await confirm({ id: 'rule', title: t('command.rule'), text: t('command.rule.means', { who: who(view, seat) }), article: article(view, 'rule', true), confirm: t('command.rule.record'), reason: 'must', label: t('command.rule.words') });
  if (finding) await send('rule', { seat, finding });
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
  const { value } = await show({ id: 'seat', title: who(view, seat), body: null, buttons: list });
  if (!value) return;
  const [command, kind] = value.split('-');
  await carryOut(state, /** @type {DOMStringMap} */ (/** @type {unknown} */ ({ command, kind: kind ?? 'microphone', seat })), send);
}

