/**
 * What every page shares: icons in server-made HTML, and the court clock in the band.
 */

import { setClock, tick } from './clock.js';
import { placeIcons } from './icons.js';
import { loadTexts } from './texts.js';

/** @param {'zh'|'en'} lang */
export async function startPage(lang) {
  placeIcons(document);
  await loadTexts(lang);
  const served = Number(document.body.dataset.court ?? 0);
  if (served > 0) setClock(served);
  tick(document);
  setInterval(() => tick(document), 1000);
}
