/**
 * One's own drop: when it began, what was missed of the hearing, and which pictures our line no longer carries.
 *
 * Rules
 * - A drop lasts from the last content that came to the moment both connections are back; the seconds are counted, never guessed.
 * - Seconds that were told and not acknowledged are never forgotten: the next drop's are added to them. A line that falters as it
 *   comes back is one drop.
 * - A cut too short for anybody to notice is read from the transport: who sends gets the court's feedback ten times a second, so a
 *   hole in all packets is our line; a hole in what others send alone is not.
 * - "Missed" is said only of a hearing in session, to somebody who sits in it.
 * - While it lasts the last routes are held, so that the last pictures stay where they are.
 */

import { routesOf } from './pictures.js';

/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').View} View */
/** @typedef {import('./media.js').Media} Media */

const IN_SESSION = ['open', 'investigation', 'debate', 'final_statements', 'mediation', 'pronouncement'];
const SHOWN_MS = 120_000;
const BACK_MS = 8000;
const HELD_MS = 2000; // until the court has told the new routes
const BEFORE_MS = 10_000; // content older than this was silence, not a cut
const HOLE_MS = 1600; // the pulse is read once a second: less may be no hole at all
const LINE_HOLE_MS = 2500;
const LOOK_MS = 200;
const EARLY_LOOKS = 20; // then what is certain is said, and the rest when content comes
const LOOKS = 150;

/** @param {View|null} view */
const inSession = (view) => view?.room === 'courtroom' && IN_SESSION.includes(view.phase ?? '');

export class Link {
  /** @param {State} state @param {() => void} render */
  constructor(state, render) {
    this.state = state;
    this.render = render;
    this.session = false; // the hearing was in session when the drop began
    this.flowed = false; // something was heard or seen until then
    this.dark = false; // media was lost, not signalling alone
    this.drops = 0;
    this.settling = false; // a drop has begun and its length is not known yet
    this.before = 0; // seconds told and not acknowledged when the drop began
    this.shown = 0; // counts what was said to be missed
  }

  /** Signalling or media changed. @param {Media} media */
  changed(media) {
    const { link, view } = this.state;
    const lost = link.socket === 'down' || (media.wanted !== null && link.media === 'down');
    const back = link.socket === 'up' && (media.wanted === null || link.media === 'up');
    if (lost && !link.lostAt && !link.ended && view?.room) this.#lost(media);
    else if (link.lostAt && back) void this.#back(media);
    if (link.lostAt && link.media === 'down') this.dark = true;
  }

  /** @param {Media} media */
  #lost(media) {
    const { link, view } = this.state;
    const now = performance.now();
    const flowed = now - media.pulse.at < BEFORE_MS;
    const again = this.settling;
    this.drops += 1;
    this.session = inSession(view) || (again && this.session);
    this.flowed = flowed || (again && this.flowed);
    this.dark &&= again;
    if (!again) { media.pulse.gap = 0; this.before = link.missed; }
    this.settling = true;
    const routes = view?.media?.routes ?? [];
    Object.assign(link, { lostAt: flowed ? media.pulse.at : now, back: false, held: routes.length ? routes : link.held });
  }

  /** @param {Media} media */
  async #back(media) {
    const { link } = this.state;
    const drop = this.drops;
    const away = this.dark ? performance.now() - link.lostAt : 0;
    Object.assign(link, { lostAt: 0, back: true });
    this.#later(HELD_MS, () => { link.held = []; });
    this.#later(BACK_MS, () => { link.back = false; });
    const hole = this.flowed ? await this.#hole(media, drop, away) : away;
    if (drop !== this.drops) return;
    this.settling = false;
    media.pulse.lineGap = 0;
    this.#tell(hole);
  }

  /** @param {number} hole in ms */
  #tell(hole) {
    if (!this.state.link.missed) this.before = 0; // acknowledged meanwhile
    if (hole >= HOLE_MS && (this.session || inSession(this.state.view))) this.#missed(this.before, hole);
  }

  /** @param {number} before in s @param {number} hole in ms */
  #missed(before, hole) {
    const shown = ++this.shown;
    this.state.link.missed = before + Math.round(hole / 1000);
    this.render();
    setTimeout(() => { if (shown === this.shown) { this.state.link.missed = 0; this.render(); } }, SHOWN_MS);
  }

  /** How long nothing came, in ms, known once something comes again. A court that forwards nothing yet (or has nothing to
   * forward) is waited for; how long our own media was gone is told meanwhile.
   * @param {Media} media @param {number} drop @param {number} away how long our media was gone */
  async #hole(media, drop, away) {
    const { microphone, camera } = media.devices.tracks;
    const certain = () => Math.max(media.pulse.gap, away, microphone || camera ? media.pulse.lineGap : 0);
    for (let looks = 0; looks < LOOKS && drop === this.drops; looks += 1) {
      if (await media.pulse.look().catch(() => false)) return media.pulse.gap;
      if (looks === EARLY_LOOKS) this.#tell(certain());
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return certain();
  }

  /** Unless another drop came in between. @param {number} ms @param {() => void} change */
  #later(ms, change) {
    const drop = this.drops;
    setTimeout(() => { if (drop === this.drops) { change(); this.render(); } }, ms);
  }

  /** A new view: what was held ends with the room it was held for, or with the court's new word. @param {View|null} before @param {View} view */
  told(before, view) {
    const { link } = this.state;
    if (!link.held.length) return;
    if (view.media?.room !== before?.media?.room || view.room !== before?.room || (!link.lostAt && view.media?.routes.length)) link.held = [];
  }

  /** A reading of the pulse: pictures that somebody looks at and that stand still. @param {Media} media */
  beat(media) {
    const { link, view } = this.state;
    const { microphone, camera } = media.devices.tracks;
    if (!link.lostAt && !this.settling) {
      const hole = media.pulse.lineGap;
      media.pulse.lineGap = 0;
      if (hole > LINE_HOLE_MS && (microphone || camera) && inSession(view)) this.#missed(link.missed, hole);
    }
    const looked = document.hidden || this.state.devices.audioOnly ? [] : routesOf(this.state).filter((r) => r.kind === 'video' && r.source === 'camera').map((r) => r.mid);
    const { still, blank } = link.media === 'up' && link.socket === 'up' ? media.pulse.standing(looked) : { still: [], blank: [] };
    if (still.join() === link.paused.join() && blank.join() === link.blank.join()) return;
    Object.assign(link, { paused: still, blank });
    this.render();
  }
}
