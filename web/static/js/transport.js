/**
 * One transport: asking for it, answering it, restarting its ICE (web/PROTOCOL.md section 5, RFC 8829, RFC 8445 section 9).
 *
 * Rules
 * - Every request has a time limit; a request that is not answered is an error like any other.
 * - A failed opening leaves no RTCPeerConnection behind.
 * - A restart keeps the connection, its DTLS and its tracks: only the path is sought anew.
 */

/** @typedef {{pc: RTCPeerConnection, location: string}} Transport */

export const OWN = ['mic', 'cam', 'scr', 'scs'];

/** One request that may not hang. @param {string} url @param {RequestInit & {seat: string, limit: number}} how */
async function ask(url, { seat, limit, headers, ...rest }) {
  return fetch(url, { ...rest, cache: 'no-store', headers: { ...headers, 'Courtroom-Seat': seat }, signal: AbortSignal.timeout(limit) });
}

/** The server does not know this transport any more, or will not have it. */
export class Gone extends Error {}

/**
 * Audio NACK: Chromium asks for lost sound again as soon as the offer has `nack`, but answers such requests itself only if its
 * own answer says so, and createAnswer() leaves it out. Engines without RED (Firefox) do neither: their answer must not say it.
 * @param {string} answer @param {string} offer
 */
export function withAudioNack(answer, offer) {
  const offered = new Set([...offer.matchAll(/^a=rtcp-fb:(\d+) nack\r?$/gm)].map((m) => m[1]));
  return answer.split(/(?=^m=)/m).map((section) => {
    if (!section.startsWith('m=audio')) return section;
    return section.replace(/^a=rtpmap:(\d+) opus\/.*\r\n/gim, (line, type) => (offered.has(type) && !section.includes(`a=rtcp-fb:${type} nack\r\n`) ? `${line}a=rtcp-fb:${type} nack\r\n` : line));
  }).join('');
}

/** @param {RTCPeerConnection} pc @param {string} offer @param {string} location @param {string} seat @param {number} limit */
async function answer(pc, offer, location, seat, limit) {
  const plain = await pc.createAnswer();
  const knows = RTCRtpSender.getCapabilities?.('audio')?.codecs.some((codec) => codec.mimeType.toLowerCase() === 'audio/red');
  try {
    await pc.setLocalDescription({ type: 'answer', sdp: knows ? withAudioNack(plain.sdp ?? '', offer) : plain.sdp });
  } catch (error) {
    console.info('plain answer kept', String(error));
    await pc.setLocalDescription(plain);
  }
  const put = await ask(location, { method: 'PUT', seat, limit, headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription?.sdp ?? '' });
  if (!put.ok) throw new Error(`answer ${put.status}`);
}

/** Open one transport and answer its offer.
 * @param {{hearing: string, seat: string, places: number, publish: string[], ice: RTCIceServer[],
 *   track: (mid: string) => MediaStreamTrack|null, limit?: number}} wish
 * @returns {Promise<Transport>} */
export async function openTransport(wish) {
  const limit = wish.limit ?? 10_000;
  const given = await ask(`/api/v1/hearings/${encodeURIComponent(wish.hearing)}/media`, {
    method: 'POST', seat: wish.seat, limit, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ places: wish.places, publish: wish.publish }),
  });
  if (given.status !== 201) throw new Error(`media ${given.status}`);
  const location = given.headers.get('Location') ?? '';
  const pc = new RTCPeerConnection({ iceServers: wish.ice, bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
  try {
    const offer = await given.text();
    await pc.setRemoteDescription({ type: 'offer', sdp: offer });
    for (const transceiver of pc.getTransceivers()) {
      if (!OWN.includes(transceiver.mid ?? '')) continue;
      transceiver.direction = 'sendonly';
      await transceiver.sender.replaceTrack(wish.track(transceiver.mid ?? ''));
    }
    await answer(pc, offer, location, wish.seat, limit);
    await tuneSenders(pc);
    return { pc, location };
  } catch (error) {
    pc.close();
    throw error;
  }
}

/** A new path for a living transport (another network). @param {Transport} transport @param {string} seat @param {number} limit */
export async function restartTransport({ pc, location }, seat, limit) {
  const given = await ask(`${location}/restart`, { method: 'POST', seat, limit });
  if (!given.ok) throw new Gone(`restart ${given.status}`);
  const offer = await given.text();
  await pc.setRemoteDescription({ type: 'offer', sdp: offer });
  await answer(pc, offer, location, seat, limit);
}

/** Whether it gets there within `limit` ms. @param {RTCPeerConnection} pc @param {number} limit @returns {Promise<boolean>} */
export function connects(pc, limit) {
  return new Promise((resolve) => {
    const look = () => {
      if (pc.connectionState === 'connected') done(true);
      else if (pc.connectionState === 'failed' || pc.connectionState === 'closed') done(false);
    };
    const timer = setTimeout(() => done(false), limit);
    const done = (/** @type {boolean} */ is) => { clearTimeout(timer); pc.removeEventListener('connectionstatechange', look); resolve(is); };
    pc.addEventListener('connectionstatechange', look);
    look();
  });
}

/** Bit rates for a court: voices first, faces clear, documents sharp. @param {RTCPeerConnection} pc */
async function tuneSenders(pc) {
  for (const { mid, sender } of pc.getTransceivers()) {
    const parameters = sender.getParameters();
    if (!parameters.encodings?.length || !['mic', 'cam', 'scr'].includes(mid ?? '')) continue;
    for (const encoding of parameters.encodings) {
      if (mid === 'mic') { encoding.maxBitrate = 40_000; encoding.networkPriority = 'high'; encoding.priority = 'high'; }
      if (mid === 'scr') { encoding.maxBitrate = 2_000_000; encoding.maxFramerate = 15; }
      if (mid === 'cam') {
        const low = encoding.rid === 'l';
        encoding.scaleResolutionDownBy = low ? 2 : 1;
        encoding.maxBitrate = low ? 180_000 : 900_000;
      }
    }
    try { await sender.setParameters(parameters); } catch (error) { console.info('sender parameters kept', mid, String(error)); }
  }
}
