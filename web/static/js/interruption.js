/**
 * Interrupting the recording at the desk: one proposes, another confirms, either resumes; everybody there sees who waits.
 *
 * Rules: offered are only the grounds the server names for this phase; proposing and confirming each ask once and name the
 * consequence and the article; a recess is not here, since the phase itself is the interruption.
 */

import { clockTime } from './clock.js';
import { confirm } from './dialog.js';
import { h } from './dom.js';
import { icon } from './icons.js';
import { t } from './texts.js';
import { article } from './words.js';

/** @typedef {import('./types.js').View} View */
/** @typedef {(type: string, fields?: Record<string, unknown>) => Promise<boolean>} Send */

/** @param {string} ground */
const groundName = (ground) => t(`recording.gap.${ground}`);

/** @param {View} view @param {string} command @param {string} label @param {string} under @param {Record<string, string>} [more] @param {string} [style] */
const act = (view, command, label, under, more = {}, style = '') => view.may[command] === true && h('button', { type: 'button', class: `act ${style}`, 'data-command': command, 'data-key': `${command}-${more['data-ground'] ?? ''}`, ...more }, label, under && h('small', null, under));

/** @param {View} view */
export function interruptionSection(view) {
  const now = view.interruption;
  if (!now || (!now.proposal && !now.interrupted_by.length && !view.may.propose_interruption)) return null;
  const { proposal } = now;
  const own = proposal?.by === view.seat.id;
  return h('section', { 'data-key': 'interruption', 'data-interruption': proposal ? 'proposed' : now.interrupted_by.length ? 'in_force' : 'none', 'aria-labelledby': 'desk-interruption' },
    h('h2', { id: 'desk-interruption' }, t('page.desk.interrupt'), !proposal && !now.interrupted_by.length && h('small', null, t('page.desk.interrupt_two'))),
    proposal && h('div', { class: 'plea', 'data-key': proposal.id, 'data-proposal': proposal.id, role: 'status' },
      h('p', null, icon('clock'), ' ', t(own ? 'page.desk.interrupt_yours' : 'page.desk.interrupt_waits', { name: proposal.name, ground: groundName(proposal.ground) }), h('small', { class: 'who' }, ' ', t('page.desk.interrupt_lapses', { time: clockTime(proposal.until, true) })))),
    now.interrupted_by.length > 0 && h('p', { 'data-key': 'by', role: 'status' }, icon('pause'), ' ', t('page.desk.interrupted_by', { names: now.interrupted_by.join(t('file.comma')) })),
    h('div', { class: 'phase-buttons', 'data-key': 'buttons' },
      proposal && act(view, 'confirm_interruption', t('command.confirm_interruption'), article(view, 'propose_interruption'), { 'data-proposal': proposal.id }, 'danger'),
      proposal && act(view, 'decline_interruption', t(own ? 'command.withdraw_interruption' : 'command.decline_interruption'), '', { 'data-proposal': proposal.id }),
      !proposal && now.grounds.map((ground) => act(view, 'propose_interruption', t('page.desk.interrupt_ground', { ground: groundName(ground) }), article(view, 'propose_interruption'), { 'data-ground': ground }, 'danger')),
      act(view, 'resume_recording', t('command.resume_recording'), '', {}, 'primary')));
}

/** @param {View} view @param {string} ground @param {Send} send */
export async function proposeInterruption(view, ground, send) {
  const yes = await confirm({ id: 'propose_interruption', title: t('page.desk.interrupt'), text: t('command.propose_interruption.means', { ground: groundName(ground) }), article: article(view, 'propose_interruption', true), confirm: t('command.propose_interruption'), danger: true });
  if (yes !== null) await send('propose_interruption', { ground });
}

/** @param {View} view @param {string} id @param {Send} send */
export async function confirmInterruption(view, id, send) {
  const proposal = view.interruption?.proposal;
  if (!proposal || proposal.id !== id) return;
  const yes = await confirm({ id: 'confirm_interruption', title: t('page.desk.interrupt'), text: t('command.confirm_interruption.means', { name: proposal.name, ground: groundName(proposal.ground) }), article: article(view, 'propose_interruption', true), confirm: t('command.confirm_interruption'), danger: true });
  if (yes !== null) await send('confirm_interruption', { proposal: id });
}
