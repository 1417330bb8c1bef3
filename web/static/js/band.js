/**
 * The emblem band of the hearing page: court, case, phase, lamp, clock. In a witness room it has no case, phase or lamp.
 */

import { h, morph } from './dom.js';
import { t } from './texts.js';
import { roleName } from './words.js';
import { endedWhy } from './waiting.js';

/** @typedef {import('./types.js').State} State */

/** @param {State} state @returns {[string, string]} title and the line under it */
function heading(state) {
  const view = state.view;
  if (!view || state.link.ended) return ['', ''];
  if (view.room === 'witness_room') return [t('room.witness_room'), t('page.witness.alone')];
  if (view.room === 'waiting') {
    return state.check.step === 'running' ? [t('page.join.title'), t('page.join.step_of', { n: 3 })] : [t('room.waiting'), `${roleName(view.seat)} ${view.seat.name}`];
  }
  if (view.room === null) return [t('page.title'), endedWhy(state) === 'closed' ? t('phase.closed') : ''];
  if (view.room === 'deliberation') return [t('room.deliberation'), t('page.deliberation.unrecorded')];
  const step = view.roster.some((p) => p.room === 'courtroom' && p.role === 'witness') ? t('page.room.testimony') : t(view.case?.public === false ? 'page.room.not_public' : 'page.room.public');
  return [view.phase ? t(`phase.${view.phase}`) : '', step];
}

/** @param {State} state */
function lamp(state) {
  const view = state.view;
  const recording = view?.recording;
  if (!view || state.link.ended || view.isolated || view.room !== 'courtroom' || !recording || recording.state === 'off') return null;
  const words = recording.state === 'interrupted' ? t(`recording.interrupted.${recording.reason || 'recess'}`) : t(`recording.${recording.state}`);
  return h('span', { class: 'lamp', 'data-recording': recording.state, role: 'status', 'data-key': 'lamp' }, words,
    recording.state === 'on' && recording.since ? h('small', { 'data-since': recording.since, 'data-form': 'stopwatch', 'data-keep': true, 'aria-hidden': 'true' }) : null);
}

/** @param {State} state */
export function renderBand(state) {
  const view = state.view;
  const put = (/** @type {string} */ id, /** @type {string} */ text) => {
    const element = document.getElementById(id);
    if (element && element.textContent !== text) element.textContent = text;
    if (element) element.hidden = text === '';
  };
  const [title, step] = heading(state);
  if (view?.case) put('band-name', view.case.court);
  if (view) {
    put('band-case', view.isolated ? '' : view.case?.number ?? '');
    put('band-cause', view.isolated || !view.case?.cause ? '' : `　${view.case.cause}`);
  }
  put('band-title', title);
  put('band-step', [step, view?.unchecked && view.room !== 'witness_room' ? t('page.unchecked') : ''].filter(Boolean).join(' · '));
  const holder = document.getElementById('band-lamp');
  if (holder) morph(holder, h('span', { id: 'band-lamp' }, lamp(state)));
  document.title = [title, view?.case?.court].filter(Boolean).join(' · ') || t('page.title');
}
