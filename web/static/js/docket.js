/**
 * Docket: create a hearing, then show every summons link and code once (they are stored hashed).
 */

import { startPage } from './common.js';
import { fill, h } from './dom.js';
import { t } from './texts.js';
import { readPage } from './types.js';
import { roleName } from './words.js';

const ROLES = ['presiding_judge', 'judge', 'assessor', 'clerk', 'plaintiff', 'defendant', 'third_party', 'counsel', 'prosecutor', 'accused', 'witness', 'expert', 'inspector', 'specialist', 'interpreter', 'guardian', 'observer'];
const FIRST = ['presiding_judge', 'clerk', 'plaintiff', 'defendant', 'witness'];
const SIDES = /** @type {Record<string, string>} */ ({ plaintiff: 'plaintiff', prosecutor: 'plaintiff', defendant: 'defendant', accused: 'defendant', third_party: 'third' });
/** What the law on absence hangs on, said when convening or left unknown. @type {Record<string, string[]>} */
const CLAIMS = { plaintiff: ['counterclaim', 'withdrawal_refused'], third_party: ['independent_claim'] };
let lines = 0;

/** @param {string} role */
function seatLine(role) {
  const n = lines++;
  const select = (/** @type {string} */ name, /** @type {string} */ label, /** @type {[string, string][]} */ options, /** @type {string} */ chosen) => h('div', { class: 'field' }, h('label', { for: `${name}-${n}` }, label), h('select', { id: `${name}-${n}`, name }, options.map(([value, text]) => h('option', { value, selected: value === chosen }, text))));
  return h('div', { class: 'seat-line' },
    select('role', t('page.docket.role'), ROLES.map((r) => [r, t(`role.${r}`)]), role),
    h('div', { class: 'field' }, h('label', { for: `name-${n}` }, t('page.docket.name')), h('input', { id: `name-${n}`, name: 'name', required: true, maxlength: 60 })),
    select('side', t('page.docket.side'), ['none', 'plaintiff', 'defendant', 'third'].map((s) => [s, t(`role.side.${s}`)]), SIDES[role] ?? 'none'),
    h('div', { class: 'field' }, h('label', { for: `linked-${n}` }, t('page.docket.linked')), h('input', { id: `linked-${n}`, name: 'linked', type: 'number', min: 1, max: 64, inputmode: 'numeric' })),
    h('button', { class: 'btn small', type: 'button', 'data-action': 'drop_seat' }, t('page.docket.drop_seat')),
    h('details', { class: 'seat-more' }, h('summary', null, t('page.docket.more')), h('div', { class: 'grid-form' },
      h('div', { class: 'field' }, h('label', { for: `email-${n}` }, t('page.docket.email')), h('input', { id: `email-${n}`, name: 'email', type: 'email', maxlength: 254, autocomplete: 'off' })),
      h('div', { class: 'field' }, h('label', { for: `phone-${n}` }, t('page.docket.phone')), h('input', { id: `phone-${n}`, name: 'phone', type: 'tel', maxlength: 32, autocomplete: 'off' })),
      Object.values(CLAIMS).flat().map((claim) => {
        const field = select(claim, t(`file.on_file.${claim}`), [['', t('file.claim.unknown')], ['yes', t('file.claim.yes')], ['no', t('file.claim.no')]], '');
        field.setAttribute('data-claim', claim);
        field.toggleAttribute('hidden', !(CLAIMS[role] ?? []).includes(claim));
        return field;
      }))));
}

/** Claims are asked of the roles they can be about. @param {HTMLSelectElement} chosen */
function roleChosen(chosen) {
  for (const field of chosen.closest('.seat-line')?.querySelectorAll('[data-claim]') ?? []) {
    field.toggleAttribute('hidden', !(CLAIMS[chosen.value] ?? []).includes(field.getAttribute('data-claim') ?? ''));
  }
}

/** @param {HTMLFormElement} form */
function body(form) {
  const data = new FormData(form);
  const text = (/** @type {string} */ name) => String(data.get(name) ?? '').trim();
  const seats = [...form.querySelectorAll('.seat-line')].map((line) => {
    const value = (/** @type {string} */ name) => /** @type {HTMLInputElement|null} */ (line.querySelector(`[name="${name}"]`))?.value.trim() ?? '';
    const claims = Object.fromEntries((CLAIMS[value('role')] ?? []).filter((claim) => value(claim)).map((claim) => [claim, value(claim) === 'yes']));
    return { role: value('role'), name: value('name'), side: value('side') === 'none' ? null : value('side'), linked_to: value('linked') ? Number(value('linked')) - 1 : null, required: value('role') !== 'observer', email: value('email'), phone: value('phone'), claims };
  });
  // The court's own time zone, not the one of this computer.
  const when = Date.parse(`${text('scheduled_at')}:00+08:00`) * 1000;
  return { case: { number: text('number'), court: text('court'), cause: text('cause'), procedure: text('procedure'), public: text('public') === 'true' }, scheduled_at: when, seats };
}

/** @param {{id: string, seats: {id: string, role: string, side?: string, name: string, join_url: string, code?: string}[]}} made */
function created(made) {
  const holder = document.getElementById('created');
  if (!holder) return;
  fill(holder, h('div', { class: 'card' }, h('h2', null, t('page.docket.links')), h('p', { class: 'message quiet' }, t('page.docket.links_say')),
    h('div', { class: 'table-card', tabindex: '0', role: 'region', 'aria-label': t('page.docket.links') }, h('table', { class: 'facts-table links' },
      h('thead', null, h('tr', null, ['role', 'name', 'link', 'code'].map((key) => h('th', { scope: 'col' }, t(`page.docket.${key}`))))),
      h('tbody', null, made.seats.map((s) => h('tr', { 'data-seat': s.id }, h('td', null, roleName(s)), h('td', null, s.name), h('td', null, h('code', null, s.join_url)), h('td', null, h('code', null, s.code || '—')))))))));
  holder.focus();
}

/** @param {HTMLFormElement} form */
async function create(form) {
  const error = document.getElementById('create-error');
  if (error) error.textContent = '';
  const bad = /** @type {HTMLInputElement|null} */ (form.querySelector(':invalid'));
  if (bad) { if (error) error.textContent = t('page.docket.fill'); bad.focus(); return; }
  const answer = await fetch('/api/v1/hearings', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body(form)) });
  const result = await answer.json();
  if (answer.status === 201) { created(result); document.getElementById('create')?.setAttribute('hidden', ''); }
  else if (error) error.textContent = result.detail || result.title || t('page.refused.other', { code: result.code ?? answer.status });
}

document.addEventListener('click', (event) => {
  const element = event.target instanceof Element ? event.target.closest('[data-action]') : null;
  const action = element?.getAttribute('data-action');
  if (action === 'create') {
    const section = document.getElementById('create');
    section?.toggleAttribute('hidden');
    if (section && !section.hidden) { section.scrollIntoView({ block: 'start' }); document.getElementById('f-number')?.focus(); }
  } else if (action === 'add_seat') document.getElementById('seat-lines')?.append(seatLine('counsel'));
  else if (action === 'drop_seat') element?.closest('.seat-line')?.remove();
});

document.addEventListener('change', (event) => {
  if (event.target instanceof HTMLSelectElement && event.target.name === 'role') roleChosen(event.target);
});

async function start() {
  await startPage(readPage().lang ?? 'zh');
  document.getElementById('seat-lines')?.append(...FIRST.map(seatLine));
  document.getElementById('create-form')?.addEventListener('submit', (event) => {
    event.preventDefault();
    create(/** @type {HTMLFormElement} */ (event.currentTarget)).catch((error) => {
      const line = document.getElementById('create-error');
      if (line) line.textContent = t('page.refused.other', { code: String(error) });
    });
  });
}

void start();
