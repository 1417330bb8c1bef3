/**
 * Elements as values, and one way to bring the page to them.
 *
 * Rules
 * - `h` builds, `morph` makes the live tree equal to the built one and keeps what has not changed: focus, videos, scroll.
 * - Children are matched by `data-key`, otherwise by order and tag. A node with `data-keep` keeps its children.
 * - No listener hangs on a built node: clicks are read at the root from `data-action` and `data-command`.
 * - Styles go through the CSSOM only; the page's Content-Security-Policy allows no style attribute.
 */

/** @typedef {Node|string|number|null|undefined|false|Array<any>} Child an array holds children again */
/** @typedef {Record<string, string|number|boolean|null|undefined|Record<string, string>>} Attributes */

/**
 * @param {string} tag
 * @param {Attributes|null} [attributes] `false`, `null` and `undefined` leave an attribute out; `style` is an object
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'object') {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

/** @param {HTMLElement} element @param {Child[]} children */
function add(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
  }
}

/** @param {Node} node */
const keyOf = (node) => (node instanceof Element ? node.getAttribute('data-key') : null);

/** @param {Node} live @param {Node} built */
const same = (live, built) => live.nodeName === built.nodeName && keyOf(live) === keyOf(built);

/** @param {Element} live @param {Element} built */
function attributes(live, built) {
  for (const { name } of [...live.attributes]) {
    if (name !== 'style' && name !== 'open' && !built.hasAttribute(name)) live.removeAttribute(name);
  }
  for (const { name, value } of built.attributes) {
    if (name !== 'style' && live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  if (live instanceof HTMLElement && built instanceof HTMLElement && live.style.cssText !== built.style.cssText) {
    live.style.cssText = built.style.cssText;
  }
}

/**
 * Make `live` equal to `built`; both are the same kind of node.
 * @param {Node} live
 * @param {Node} built
 */
export function morph(live, built) {
  if (!(live instanceof Element) || !(built instanceof Element)) {
    if (live.nodeValue !== built.nodeValue) live.nodeValue = built.nodeValue;
    return;
  }
  attributes(live, built);
  if (built.hasAttribute('data-keep')) return;
  children(live, [...built.childNodes]);
}

/** @param {Element} live @param {Node[]} wanted */
function children(live, wanted) {
  const keyed = new Map();
  for (const child of live.childNodes) if (keyOf(child) !== null) keyed.set(keyOf(child), child);
  /** @type {ChildNode|null} */
  let cursor = live.firstChild;
  for (const next of wanted) {
    const byKey = keyed.get(keyOf(next) ?? '');
    const match = byKey && same(byKey, next) ? byKey : cursor && keyOf(cursor) === null && same(cursor, next) ? cursor : null;
    if (match) {
      if (match === cursor) cursor = cursor?.nextSibling ?? null;
      else live.insertBefore(match, cursor);
      morph(match, next);
    } else live.insertBefore(next, cursor);
  }
  while (cursor) {
    const gone = cursor;
    cursor = cursor.nextSibling;
    gone.remove();
  }
}

/** @param {Element} root @param {Child[]} wanted everything that `root` is to hold */
export function fill(root, ...wanted) {
  const holder = h('div', null, ...wanted);
  children(root, [...holder.childNodes]);
}
