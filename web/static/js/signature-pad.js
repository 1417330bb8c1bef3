/**
 * A box to sign in, by finger, pen or mouse; the signature is path data in whole numbers, bounded in size.
 *
 * Rules: the drawing is on a sheet of 1000 × 300 whatever the screen; points nearer than can be seen are left out, and a
 * long signature is thinned until it fits. Who cannot draw confirms by the typed name alone: then there is no drawing.
 */

import { h } from './dom.js';
import { t } from './texts.js';

const [WIDTH, HEIGHT] = [1000, 300];
const MAX_LENGTH = 7000;
const LEAST_STEP = 4;
const MIN_POINTS = 12;
const SVG = 'http://www.w3.org/2000/svg';

/** @typedef {[number, number]} Point */

/** @param {Point[][]} lines */
export const pathOf = (lines) => lines.filter((line) => line.length > 1).map((line) => line.map(([x, y], i) => `${i ? 'L' : 'M'}${x} ${y}`).join('')).join('');

/** Every second point goes, first and last stay, until the path fits. @param {Point[][]} lines */
export function bounded(lines) {
  let kept = lines;
  for (let round = 0; pathOf(kept).length > MAX_LENGTH && round < 12; round += 1) {
    kept = kept.map((line) => line.filter((_, i) => i === 0 || i === line.length - 1 || i % 2 === 0)).slice(0, 400);
  }
  return pathOf(kept);
}

/** @returns {{element: HTMLElement, stroke: () => string|null}} `stroke`: path data, '' without drawing by choice, null while unfinished */
export function signaturePad() {
  /** @type {Point[][]} */
  let lines = [];
  let drawing = false;
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  for (const [name, value] of [['viewBox', `0 0 ${WIDTH} ${HEIGHT}`], ['class', 'pad-sheet'], ['role', 'img'], ['id', 'pad-sheet'], ['aria-label', t('page.sign.draw_box')]]) svg.setAttribute(name, value);
  svg.append(path);
  const draw = () => path.setAttribute('d', pathOf(lines));
  const cannot = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', id: 'cannot-draw', 'data-action': 'cannot_draw' }));
  const again = h('button', { type: 'button', class: 'btn small', 'data-action': 'draw_again' }, t('page.sign.draw_again'));
  const box = h('div', { class: 'pad' }, h('p', { class: 'pad-label' }, t('page.sign.draw')), svg, again);

  /** @param {PointerEvent} event @returns {Point} */
  const at = (event) => {
    const frame = svg.getBoundingClientRect();
    const place = (/** @type {number} */ value, /** @type {number} */ size, /** @type {number} */ limit) => Math.round(Math.min(1, Math.max(0, value / Math.max(1, size))) * limit);
    return [place(event.clientX - frame.left, frame.width, WIDTH), place(event.clientY - frame.top, frame.height, HEIGHT)];
  };
  svg.addEventListener('pointerdown', (event) => {
    drawing = true;
    svg.setPointerCapture(event.pointerId);
    lines.push([at(event)]);
    event.preventDefault();
  });
  svg.addEventListener('pointermove', (event) => {
    const line = lines.at(-1);
    const last = line?.at(-1);
    if (!drawing || !line || !last) return;
    const next = at(event);
    if (Math.hypot(next[0] - last[0], next[1] - last[1]) < LEAST_STEP) return;
    line.push(next);
    draw();
  });
  for (const name of ['pointerup', 'pointercancel']) svg.addEventListener(name, () => { drawing = false; });
  again.addEventListener('click', () => { lines = []; draw(); });
  cannot.addEventListener('change', () => box.toggleAttribute('hidden', cannot.checked));

  return {
    element: h('div', { class: 'pad-holder' }, box, h('label', { class: 'row cannot' }, cannot, t('page.sign.cannot_draw'))),
    stroke: () => (cannot.checked ? '' : new Set(lines.flat().map(String)).size >= MIN_POINTS ? bounded(lines) : null),
  };
}
