/**
 * The icon set: a 24 grid, 2 px line, round caps, drawn for this product. Always beside words, so hidden from readers.
 */

/** @type {Record<string, string>} */
const PATHS = {
  mic: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM6 11a6 6 0 0 0 12 0M12 17v4M9 21h6',
  micoff: 'M9 9v2a3 3 0 0 0 4.6 2.5M15 10.5V6a3 3 0 0 0-5.8-1M6 11a6 6 0 0 0 9.3 5M17.9 12q.1-.5.1-1M12 17v4M9 21h6M4 3l16 17',
  lock: 'M6 11h12v9H6ZM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  cam: 'M3 6.5h12v11H3ZM15 11l6-3.5v9L15 13',
  camoff: 'M7 6.5h8V13l6 3.5v-9L15 11M3 7v10.5h11.5M3 3l18 18',
  hand: 'M7 13V6.5a1.5 1.5 0 0 1 3 0V11V4.5a1.5 1.5 0 0 1 3 0V11V5.5a1.5 1.5 0 0 1 3 0V12V8.5a1.5 1.5 0 0 1 3 0V15a6 6 0 0 1-6 6h-1.5a6 6 0 0 1-5-2.7L4 14.3a1.5 1.5 0 0 1 2.4-1.8L7 13',
  doc: 'M6 3h8l4 4v14H6ZM14 3v4h4M9 12h6M9 16h6',
  share: 'M4 4h16v12H4ZM9 20h6M12 13V7M9.5 9.5 12 7l2.5 2.5',
  gear: 'M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1',
  type: 'M3 18 8 5h1l5 13M5 14h7M14.5 18l3-8h.8l3 8M15.7 15.3h4.5',
  leave: 'M13 4H5v16h8M10 12h11M17 8l4 4-4 4',
  net: 'M4 18v-2M9 18v-5M14 18V9M19 18v-3M19 11V9M19 6V5',
  off: 'M4 4l16 16M3 9a14 14 0 0 1 4-2.5M21 9a14 14 0 0 0-10-3.4M6.5 13a9 9 0 0 1 4-2.2M17.5 13l-1-.8M9.5 16.5a4 4 0 0 1 3.5-1M12 20h.01',
  check: 'M4 12.5 9.5 18 20 6.5',
  cross: 'M5 5l14 14M19 5 5 19',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7v5l3.5 2',
  help: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M12 17h.01',
  bell: 'M6 17V10.5a6 6 0 0 1 12 0V17l1.5 1H4.5ZM10 21h4',
  alert: 'M12 3.5 21.5 20h-19ZM12 10v5M12 17.5h.01',
  info: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 11v5.5M12 7.5h.01',
  down: 'M5 9l7 7 7-7',
  up: 'M5 15l7-7 7 7',
  left: 'M15 5l-7 7 7 7',
  right: 'M9 5l7 7-7 7',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  floor: 'M4 20h16M6 20v-8h12v8M12 12V5M9 5h6',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4.5v15L20 12Z',
  back: 'M4 5v5h5M4.5 10a8 8 0 1 1-.5 4',
  fwd: 'M20 5v5h-5M19.5 10a8 8 0 1 0 .5 4',
  seal: 'M4 4h16v16H4ZM8 12l3 3 5.5-6.5',
  speaker: 'M4 9.5h3.5L12 5.5v13l-4.5-4H4ZM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11',
  cup: 'M4 9h12v6a5 5 0 0 1-5 5H9a5 5 0 0 1-5-5ZM16 11h2a2.5 2.5 0 0 1 0 5h-2M8 3v2.5M12 3v2.5',
  scale: 'M12 4v16M8 20h8M5 7h14M5 7l-3 7h6ZM19 7l-3 7h6Z',
  list: 'M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01',
  plus: 'M12 5v14M5 12h14',
  user: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4.5 21a7.5 7.5 0 0 1 15 0',
  download: 'M12 4v11M7.5 10.5 12 15l4.5-4.5M4 20h16',
  cal: 'M4 5.5h16V20H4ZM4 10h16M8 3v4M16 3v4',
  disk: 'M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0ZM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0',
  phone: 'M7 2.5h10v19H7ZM11 18.5h2',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.5V4M12 20v1.5M2.5 12H4M20 12h1.5M5.3 5.3l1 1M17.7 17.7l1 1M18.7 5.3l-1 1M6.3 17.7l-1 1',
};
const SVG = 'http://www.w3.org/2000/svg';

/** @param {string} name one of the set @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [key, value] of [['viewBox', '0 0 24 24'], ['class', 'icon'], ['aria-hidden', 'true'], ['focusable', 'false']]) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name] ?? PATHS.info);
  if (name === 'more') path.setAttribute('stroke-width', '3.2');
  svg.append(path);
  return svg;
}

/** ▲ of a prompt and ■ of a warning on the attendance strip. @param {'prompt'|'warning'} kind */
export function mark(kind) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 14 14');
  svg.setAttribute('aria-hidden', 'true');
  const shape = document.createElementNS(SVG, 'path');
  shape.setAttribute('d', kind === 'prompt' ? 'M7 1.5 13 12.5H1Z' : 'M1.5 1.5h11v11h-11Z');
  shape.setAttribute('fill', kind === 'prompt' ? '#F5F0E6' : '#E5534B');
  shape.setAttribute('stroke', kind === 'prompt' ? '#0D1828' : '#F5F0E6');
  shape.setAttribute('stroke-width', '1.3');
  svg.append(shape);
  return svg;
}

/** Fill every `<svg data-icon="name">` placeholder that a server-made page carries. @param {ParentNode} root */
export function placeIcons(root) {
  for (const holder of root.querySelectorAll('[data-icon]')) holder.replaceWith(icon(holder.getAttribute('data-icon') ?? ''));
}
