// Runs link.js without a browser, on a clock of its own. Argument: the module. Reads a list of steps from stdin and prints
// what the page said to be missed (seconds) after each. A step is [ms, socket, media, 'content'|'feedback'|'nothing']: for so
// many ms, with the two connections in these states, that is what comes; the pulse is read every 250 ms.
import { mock } from 'node:test';
mock.timers.enable({ apis: ['setTimeout'] });
let now = 100_000;
performance.now = () => now;
globalThis.document = { hidden: true };
const { Link } = await import(process.argv[2]);
let text = '';
for await (const piece of process.stdin) text += piece;

const view = { room: 'courtroom', phase: 'open', seat: { id: 's1', role: 'plaintiff' }, media: { room: 'courtroom', routes: [{ place: 0 }] } };
const state = { view, devices: { audioOnly: true }, link: { socket: 'up', media: 'up', lostAt: 0, missed: 0, back: false, held: [], paused: [], blank: [], ended: '' } };
let fresh = true; // content since the pulse was last read
let heard = true; // anything since then
let lineAt = now;
const pulse = {
  at: now, gap: 0, lineGap: 0,
  async look() {
    const came = fresh;
    if (came) { pulse.gap = Math.max(pulse.gap, now - pulse.at); pulse.at = now; }
    if (heard) { pulse.lineGap = Math.max(pulse.lineGap, now - lineAt); lineAt = now; }
    fresh = heard = false;
    return came;
  },
  standing: () => ({ still: [], blank: [] }),
};
const media = { wanted: {}, pulse, devices: { tracks: { microphone: {}, camera: null } } };
const link = new Link(state, () => {});
const told = [];
for (const [ms, socket, is, what] of JSON.parse(text)) {
  const changed = state.link.socket !== socket || state.link.media !== is;
  Object.assign(state.link, { socket, media: is });
  if (changed) link.changed(media);
  for (let done = 0; done < ms; done += 50) {
    now += 50;
    fresh ||= what === 'content';
    heard ||= what !== 'nothing';
    mock.timers.tick(50);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    if (done % 250 === 0) { await pulse.look(); link.beat(media); }
  }
  told.push([state.link.missed, state.link.lostAt > 0]);
}
process.stdout.write(JSON.stringify(told));
