/**
 * A party signs the integrity value, or says why not; before the seal the page waits by itself.
 *
 * Rules: what is signed is named by its digest and checked by the server; after an answer the page is loaded anew and shows
 * what went into the ledger.
 */

import { startPage } from './common.js';
import { confirm } from './dialog.js';
import { signaturePad } from './signature-pad.js';
import { t } from './texts.js';
import { readPage } from './types.js';

/** @typedef {{lang: 'zh'|'en', hearing: string, seat: string, state: string, digest: string, outcome: string, signatures_url: string}} SignPage */

const page = /** @type {SignPage} */ (/** @type {unknown} */ (readPage()));
const AGAIN_MS = 4000;

/** @param {string} text */
function wrong(text) {
  const line = document.getElementById('sign-error');
  if (line) line.textContent = text;
  const name = document.getElementById('name');
  if (text) name?.setAttribute('aria-invalid', 'true'); else name?.removeAttribute('aria-invalid');
}

/** @param {Record<string, string>} fields */
async function send(fields) {
  const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll('#sign-form button'));
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await fetch(page.signatures_url, { method: 'POST', headers: { 'Content-Type': 'application/json', 'Courtroom-Seat': page.seat }, body: JSON.stringify({ sheet: page.digest, ...fields }) });
    if (answer.ok) { location.reload(); return; }
    const said = await answer.json().catch(() => ({}));
    wrong(said.detail || said.code || String(answer.status));
  } catch (error) {
    wrong(error instanceof Error ? error.message : String(error));
  }
  for (const button of buttons) button.disabled = false;
}

async function refuse() {
  const reason = await confirm({ id: 'refuse', title: t('page.sign.refuse_title'), text: t('page.sign.refuse_means'), confirm: t('page.sign.refuse'), reason: 'must', label: t('page.sign.refuse_reason') });
  if (reason) await send({ refuse: reason });
}

/** Nothing to sign yet: look until there is. */
function wait() {
  const look = async () => {
    const answer = await fetch(page.signatures_url, { headers: { 'Courtroom-Seat': page.seat } });
    if (!answer.ok) return;
    const now = await answer.json();
    if (now.sheet || now.state !== page.state) location.reload();
  };
  setInterval(() => { look().catch((error) => console.info('seal', String(error))); }, AGAIN_MS);
}

async function start() {
  await startPage(page.lang ?? 'zh');
  if (!page.digest) { wait(); return; }
  const form = document.getElementById('sign-form');
  if (!form) return;
  const pad = signaturePad();
  document.getElementById('pad')?.append(pad.element);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const name = /** @type {HTMLInputElement} */ (document.getElementById('name')).value.trim();
    const stroke = pad.stroke();
    if (!name) { wrong(t('page.sign.needs_name')); document.getElementById('name')?.focus(); return; }
    if (stroke === null) { wrong(t('page.sign.needs_drawing')); return; }
    wrong('');
    void send({ name, stroke });
  });
  document.querySelector('[data-action="refuse"]')?.addEventListener('click', () => void refuse());
}

void start();
