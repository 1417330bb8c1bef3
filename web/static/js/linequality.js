/**
 * How this end's line did in the last seconds, out of the browser's statistics (W3C webrtc-stats).
 *
 * Rules
 * - Each stream is counted against itself: one that is new, or of a new connection, only gives a beginning.
 * - What this line loses all streams lose alike: the loss is that of the stream that lost least. The hole that somebody
 *   else's line tore into one stream is not this one's.
 * - A stream of few packets says nothing.
 */

const LEAST_PACKETS = 50;

/** @typedef {{lost: number, received: number}} Counted */
/** @typedef {{loss_permille: number, packets: number, rtt_ms: number, jitter_ms: number}} Quality */

/**
 * @param {Iterable<any>} rows of `RTCStatsReport.values()`
 * @param {Map<string, Counted>} before counters of the last look by stream; brought up to date
 * @returns {Quality} loss 0 where nothing can be said
 */
export function quality(rows, before) {
  const [made, now] = [{ loss_permille: 0, packets: 0, rtt_ms: 0, jitter_ms: 0 }, new Map()];
  let least = 1000;
  let said = false;
  for (const row of rows) {
    if (row.type === 'candidate-pair' && row.nominated) made.rtt_ms = Math.max(made.rtt_ms, 1000 * (row.currentRoundTripTime ?? 0));
    if (row.type !== 'inbound-rtp') continue;
    const counted = { lost: row.packetsLost ?? 0, received: row.packetsReceived ?? 0 };
    now.set(row.id, counted);
    const earlier = before.get(row.id);
    if (!earlier) continue;
    const [gone, came] = [Math.max(0, counted.lost - earlier.lost), Math.max(0, counted.received - earlier.received)];
    made.packets += came;
    if (came) made.jitter_ms = Math.max(made.jitter_ms, 1000 * (row.jitter ?? 0));
    if (gone + came < LEAST_PACKETS) continue;
    [least, said] = [Math.min(least, (1000 * gone) / (gone + came)), true];
  }
  before.clear();
  for (const [id, counted] of now) before.set(id, counted);
  if (said) made.loss_permille = least;
  return made;
}
