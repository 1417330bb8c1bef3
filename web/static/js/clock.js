/**
 * The court's clock on this screen: offset from the last view, times in Beijing time, durations in words.
 *
 * Rules: never the device's own clock alone (a party's may be wrong); seconds tick without a new view.
 */

import { lang, t } from './texts.js';

let offsetMs = 0;

/** @param {number} courtUs µs of the court clock, read now */
export function setClock(courtUs) {
  offsetMs = courtUs / 1000 - Date.now();
}

/** Now, µs of the court clock. */
export const now = () => Math.round((Date.now() + offsetMs) * 1000);

const ZONE = 'Asia/Shanghai';

/** @param {number} us @param {boolean} [seconds] */
export function clockTime(us, seconds = false) {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: ZONE, hour: '2-digit', minute: '2-digit', second: seconds ? '2-digit' : undefined, hourCycle: 'h23',
  }).format(us / 1000);
}

/** @param {number} us */
export function longDate(us) {
  const format = new Intl.DateTimeFormat(lang() === 'zh' ? 'zh-CN' : 'en-GB', {
    timeZone: ZONE, year: 'numeric', month: 'long', day: 'numeric', weekday: 'long',
  });
  return lang() === 'zh' ? format.format(us / 1000).replace('星期', ' 星期') : format.format(us / 1000).replaceAll(',', '');
}

/** A duration as people say it: 15分38秒, 2小时05分. @param {number} us */
export function duration(us) {
  const seconds = Math.max(0, Math.floor(us / 1e6));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (hours) return t('unit.hours_minutes', { hours, minutes: two(minutes) });
  if (minutes) return t('unit.minutes_seconds', { minutes, seconds: two(rest) });
  return t('unit.seconds', { seconds: rest });
}

/** 40分, for longer stretches where seconds say nothing. @param {number} us */
export function roughly(us) {
  const minutes = Math.floor(us / 6e7);
  if (minutes < 1) return t('unit.seconds', { seconds: Math.max(0, Math.floor(us / 1e6)) });
  if (minutes < 60) return t('unit.minutes', { minutes });
  return t('unit.hours_minutes', { hours: Math.floor(minutes / 60), minutes: String(minutes % 60).padStart(2, '0') });
}

/** 00:39:06 since a moment. @param {number} us */
export function stopwatch(us) {
  const seconds = Math.max(0, Math.floor(us / 1e6));
  return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((n) => String(n).padStart(2, '0')).join(':');
}

/** Fill everything on the page that shows time; called each second. @param {ParentNode} root */
export function tick(root) {
  const at = now();
  for (const element of root.querySelectorAll('[data-clock]')) {
    const shown = element.getAttribute('data-clock') === 'date' ? longDate(at) : clockTime(at, true);
    if (element.textContent !== shown) element.textContent = shown;
  }
  for (const element of root.querySelectorAll('[data-since]')) {
    const since = at - Number(element.getAttribute('data-since'));
    const shown = element.getAttribute('data-form') === 'stopwatch' ? stopwatch(since) : duration(since);
    if (element.textContent !== shown) element.textContent = shown;
  }
}
