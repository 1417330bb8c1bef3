/**
 * The shapes that travel: the view of web/PROTOCOL.md section 4 and the state of this page.
 *
 * Rules: a screen is drawn from `State` and from nothing else; `View` is the server's word and is never changed here.
 * Times are µs of the court clock unless a name says otherwise.
 *
 * @typedef {{seat: string, role: string, name: string, side: string, linked_to: string, room: string|null,
 *   presence: string, since: number, cause: string|null, connected: boolean, connection: string, microphone: string,
 *   camera: string, muted: string[], floor: boolean, hand: number, excused_until: number, required: boolean,
 *   identity_verified?: boolean|null, consented?: boolean|null}} Person
 * @typedef {{mid: string, seat: string, source: string, kind: string}} Route
 * @typedef {{room: string, publish: string[], places: number, ice_servers: RTCIceServer[], routes: Route[]}} MediaView
 * @typedef {{item: string, met: boolean, waived: boolean, seat: string|null}} Check
 * @typedef {{id: string, seat: string, kind: string, text: string, at: number, granted: boolean|null}} Request
 * @typedef {{id: string, level: string, code: string, values: Record<string, string|number>, at: number}} Notice
 * @typedef {Record<string, string|number>} Row
 * @typedef {{state: string, since: number, until: number, cause: string|null, seq?: number, evidence?: Row[],
 *   attributions?: {cause: string, at: number, seq: number}[]}} Spell
 * @typedef {{channel: string, state: string, at: number, seq: number, detail: string}} Delivery
 * @typedef {{notice: number, step: string, at: number, delivered_at: number, read_at: number, ended_at: number, deliveries: Delivery[]}} Told
 * @typedef {{seq: number, at: number, reason: string, text: string, notice: number, attachment: {sha256: string, name: string, size: number,
 *   held?: number, kind?: string}|null}} Statement `held`: the entry by which the court holds the file
 * @typedef {{seat: string, required: boolean, timeline: Spell[], prompts: number[], warnings: number[], presence?: string,
 *   offline?: boolean, notices?: Told[], statements?: Statement[], on_file?: {fact: string, holds: boolean, at: number, seq: number}[],
 *   leave?: {until: number, asked: {request: string, reason: string, until: number, at: number, seq: number}[]},
 *   next?: Record<string, {ok: boolean, why: string|null, from: number}>}} Attendance
 * @typedef {{first_line: string, preconditions: {ok: boolean, text: string, word: string, refs: string}[], proposals: {cite: string, text: string}[]}} AbsenceTexts
 * @typedef {{digest: string, seq: number, draft: {first_line: {code: string}, preconditions: {code: string}[]},
 *   texts: Record<'zh'|'en', AbsenceTexts>}} Absence what `GET …/absence` answers
 * @typedef {{sha256: string, size: number, kind: string, at: number, seq: number, state: 'intact'|'damaged'|'missing'}} Proof of `GET …/attachments`
 * @typedef {{parties: {seat: string, missed_us: number, spoke_us: number, missed: {from: number, to: number, cause: string|null, ours: boolean,
 *   seq: number, recording_us: number|null, film_us?: number|null, url?: string|null,
 *   speakers: {seat: string, us?: number, from?: number, film_us?: number|null}[]}[]}[]}} Fairness what `GET …/fairness` answers
 * @typedef {{state: string, reason?: string|null, since?: number, free_hours?: number|null}} Recording
 *
 * @typedef {Object} View
 * @property {number} seq
 * @property {string} hearing
 * @property {{id: string, role: string, name: string, side: string, linked_to: string}} seat
 * @property {string|null} room
 * @property {boolean} isolated
 * @property {string|null} phase
 * @property {{number?: string, court: string, cause?: string, procedure?: string, public?: boolean}|null} case
 * @property {number} scheduled_at
 * @property {boolean} unchecked
 * @property {Person[]} roster
 * @property {string[]} speaking
 * @property {MediaView|null} media
 * @property {Record<string, boolean>} may
 * @property {Record<string, string[]>} may_seat
 * @property {Check[]} checklist
 * @property {Request[]} requests
 * @property {{seat: string, exhibit: string}|null} presenting
 * @property {Notice[]} notices
 * @property {Recording} recording
 * @property {Attendance[]} attendance
 * @property {{grounds: string[], proposal: {id: string, ground: string, by: string, name: string, at: number, until: number}|null,
 *   interrupted_by: string[]}|null} [interruption] bench and clerk: what takes two people
 * @property {{state: string, progress: number, eta_s: number|null}|null} archive
 * @property {{court: number}} clock
 *
 * @typedef {{microphone: string, camera: string, stream: MediaStream|null, sharing: boolean, audioOnly: boolean,
 *   blockedSound: boolean}} Devices what this browser's own devices do (`on off lost denied none`)
 * @typedef {{socket: 'connecting'|'up'|'down'|'refused', media: 'off'|'connecting'|'up'|'down', lostAt: number,
 *   missed: number, back: boolean, held: Route[], paused: string[], blank: string[], ended: ''|'replaced'|'removed'|'left'}} Link our two connections; `lostAt` is
 *   performance.now() ms; `held` are the last routes while we are cut off; `paused` the places whose picture stands
 *   still, `blank` those that never showed one
 * @typedef {{step: 'off'|'running'|'done', light: ''|'good'|'dark'|'bright', heard: boolean, speaker: ''|'asked'|'good'|'bad',
 *   network: ''|'running'|'good'|'fair'|'bad', rtt: number, loss: number, replay: ''|'recording'|'playing'}} DeviceCheck
 * @typedef {{drawer: boolean, tab: 'transcript'|'exhibits'|'requests', countdown: number, toast: string, toastBad: boolean,
 *   phone: boolean, calling: boolean, allSeats: boolean}} Ui what this person opened on this screen
 * @typedef {{view: View|null, devices: Devices, link: Link, check: DeviceCheck, ui: Ui}} State
 * @typedef {{hearing: string, seat: string, lang: 'zh'|'en', role: string, isolated: boolean, large: boolean}} Page
 */

/** The data block of the page (web/PROTOCOL.md section 3). @returns {Page} */
export function readPage() {
  const block = document.getElementById('page');
  return JSON.parse(block?.textContent || '{}');
}
