/**
 * The catalogue in the browser: every sentence comes from `/static/texts/{zh|en}.json`, by key.
 *
 * A key that is missing is shown as the key and said on the console: the tests look for that.
 * A counted noun stands in both its forms, `{n, plural, one {# gap} other {# gaps}}`, exactly as the server reads it.
 */

/** @type {Record<string, string>} */
let texts = {};
/** @type {'zh'|'en'} */
let language = 'zh';

/** @param {'zh'|'en'} lang */
export async function loadTexts(lang) {
  const answer = await fetch(`/static/texts/${lang}.json`);
  if (!answer.ok) throw new Error(`texts ${answer.status}`);
  texts = await answer.json();
  language = lang;
}

export const lang = () => language;

/** @param {string} key */
export const known = (key) => key in texts;

const PLURAL = /\{(\w+), plural, one \{([^{}]*)\} other \{([^{}]*)\}\}/g;

/**
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const sentence = texts[key];
  if (sentence === undefined) {
    console.warn(`text missing: ${key}`);
    return key;
  }
  const counted = sentence.replace(PLURAL, (_, name, one, other) => (String(values[name]) === '1' ? one : other).replaceAll('#', `{${name}}`));
  return counted.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** The first key that the catalogue holds. @param {string[]} keys @param {Record<string, string|number>} [values] */
export function first(keys, values = {}) {
  const found = keys.find(known);
  return found ? t(found, values) : '';
}
