/**
 * Media: one RTCPeerConnection per stay in a room (web/PROTOCOL.md section 5).
 *
 * Rules
 * - The server offers, we answer, once. Afterwards `view.media.routes` says who is in which place; nothing is renegotiated.
 * - A new `view.media.room` is a new transport: the new one is opened, then the old one is closed. Nothing of an old room is
 *   ever shown: streams are handed out for the present room only.
 * - A connection that fails is opened again, with growing pauses and without limit.
 * - DELETE is never used here: hanging up is the leave button and is evidence.
 */

const PAUSES_MS = [300, 700, 1500, 3000, 5000, 8000];
const PATIENCE_MS = 4000; // how long 'disconnected' may last before a new transport is asked for
const CONNECT_MS = 12000;

/** Open one transport and answer its offer.
 * @param {{hearing: string, seat: string, places: number, publish: string[], ice: RTCIceServer[],
 *   track: (mid: string) => MediaStreamTrack|null}} ask
 * @returns {Promise<RTCPeerConnection>} */
export async function openTransport(ask) {
  const headers = { 'Content-Type': 'application/json', 'Courtroom-Seat': ask.seat };
  const answer = await fetch(`/api/v1/hearings/${encodeURIComponent(ask.hearing)}/media`, {
    method: 'POST', headers, body: JSON.stringify({ places: ask.places, publish: ask.publish }),
  });
  if (answer.status !== 201) throw new Error(`media ${answer.status}`);
  const location = answer.headers.get('Location') ?? '';
  const pc = new RTCPeerConnection({ iceServers: ask.ice, bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
  try {
    await pc.setRemoteDescription({ type: 'offer', sdp: await answer.text() });
    for (const transceiver of pc.getTransceivers()) {
      if (!['mic', 'cam', 'scr', 'scs'].includes(transceiver.mid ?? '')) continue;
      transceiver.direction = 'sendonly';
      await transceiver.sender.replaceTrack(ask.track(transceiver.mid ?? ''));
    }
    await pc.setLocalDescription(await pc.createAnswer());
    await tuneSenders(pc);
    const put = await fetch(location, {
      method: 'PUT', headers: { 'Content-Type': 'application/sdp', 'Courtroom-Seat': ask.seat }, body: pc.localDescription?.sdp ?? '',
    });
    if (!put.ok) throw new Error(`answer ${put.status}`);
    return pc;
  } catch (error) {
    pc.close();
    throw error;
  }
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

/** @typedef {'off'|'connecting'|'up'|'down'} MediaState */

export class Media {
  /**
   * @param {{hearing: string, seat: string}} where
   * @param {import('./devices.js').LocalDevices} devices
   * @param {(state: MediaState) => void} changed
   */
  constructor(where, devices, changed) {
    this.where = where;
    this.devices = devices;
    this.changed = changed;
    /** @type {MediaState} */
    this.state = 'off';
    /** @type {RTCPeerConnection|null} */
    this.pc = null;
    this.room = '';
    this.lastError = '';
    /** @type {import('./types.js').MediaView|null} */
    this.wanted = null;
    this.attempt = 0;
    this.failures = 0;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.timer = undefined;
    /** @type {Map<string, MediaStream>} */
    this.streams = new Map();
  }

  /** The newest word of the server about our media. @param {import('./types.js').MediaView|null} media */
  apply(media) {
    const changedRoom = (media?.room ?? '') !== (this.wanted?.room ?? '');
    this.wanted = media;
    if (!changedRoom) return;
    this.failures = 0;
    if (media) this.#open();
    else this.close();
  }

  close() {
    this.attempt += 1;
    clearTimeout(this.timer);
    this.wanted = null;
    this.#drop();
    this.#say('off');
  }

  #drop() {
    this.pc?.close();
    this.pc = null;
    this.room = '';
    this.streams.clear();
  }

  /** @param {MediaState} state */
  #say(state) {
    if (this.state === state) return;
    this.state = state;
    this.changed(state);
  }

  #open() {
    clearTimeout(this.timer);
    const [attempt, media] = [++this.attempt, this.wanted];
    if (!media) return;
    if (media.room !== this.room) this.#say('connecting');
    const ask = { ...this.where, places: media.places, publish: media.publish, ice: media.ice_servers ?? [], track: (/** @type {string} */ mid) => this.devices.track(mid) };
    openTransport(ask).then((pc) => this.#arrived(attempt, media.room, pc)).catch((error) => {
      if (attempt !== this.attempt) return;
      this.lastError = String(error);
      this.#again();
    });
  }

  /** @param {number} attempt @param {string} room @param {RTCPeerConnection} pc */
  #arrived(attempt, room, pc) {
    if (attempt !== this.attempt) { pc.close(); return; }
    const old = this.pc;
    this.pc = pc;
    this.room = room;
    this.streams.clear();
    for (const { mid, receiver } of pc.getTransceivers()) {
      if (mid && /^[av]\d+$/.test(mid)) this.streams.set(mid, new MediaStream([receiver.track]));
    }
    old?.close();
    this.refreshTracks();
    pc.onconnectionstatechange = () => { if (this.pc === pc) this.#moved(pc); };
    this.timer = setTimeout(() => { if (this.pc === pc && pc.connectionState !== 'connected') this.#again(); }, CONNECT_MS);
    this.#moved(pc);
    this.changed(this.state);
  }

  /** @param {RTCPeerConnection} pc */
  #moved(pc) {
    if (pc.connectionState === 'connected') {
      clearTimeout(this.timer);
      this.failures = 0;
      this.#say('up');
    } else if (pc.connectionState === 'failed' || pc.connectionState === 'closed') this.#again();
    else if (pc.connectionState === 'disconnected') {
      this.#say('down');
      clearTimeout(this.timer);
      this.timer = setTimeout(() => { if (this.pc === pc && pc.connectionState === 'disconnected') this.#open(); }, PATIENCE_MS);
    }
  }

  #again() {
    if (!this.wanted) return;
    this.#say('down');
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#open(), PAUSES_MS[Math.min(this.failures++, PAUSES_MS.length - 1)]);
  }

  /** Signalling came back: do not sit out the pause. */
  hurry() {
    if (this.wanted && this.state === 'down') { this.failures = 0; this.#open(); }
  }

  /** Local tracks changed (another camera, a screen): same transport, other track. */
  refreshTracks() {
    for (const { mid, sender } of this.pc?.getTransceivers() ?? []) {
      if (!['mic', 'cam', 'scr', 'scs'].includes(mid ?? '')) continue;
      const track = this.devices.track(mid ?? '');
      if (sender.track !== track) sender.replaceTrack(track).catch((error) => { this.lastError = String(error); });
    }
  }

  /** What is in a place of the present room, or null. @param {string} mid */
  stream(mid) {
    return this.wanted && this.room === this.wanted.room ? this.streams.get(mid) ?? null : null;
  }
}

/**
 * Hand streams to the elements on the page: `video[data-seat]` by route, one `audio` per heard microphone.
 * @param {Media} media
 * @param {import('./types.js').State} state
 * @param {() => void} blocked called when the browser wants a click before it plays sound
 */
export function attach(media, state, blocked) {
  const routes = state.view?.media?.routes ?? [];
  const own = state.view?.seat.id;
  for (const video of /** @type {NodeListOf<HTMLVideoElement>} */ (document.querySelectorAll('video[data-seat]'))) {
    const [seat, source] = [video.dataset.seat, video.dataset.source];
    const mine = seat === own && source === 'camera';
    const route = routes.find((r) => r.kind === 'video' && r.seat === seat && r.source === source);
    const shown = mine ? media.devices.preview : seat === own ? media.devices.screen : route ? media.stream(route.mid) : null;
    video.muted = true;
    if (video.srcObject !== shown) video.srcObject = shown;
    video.dataset.mid = route?.mid ?? '';
    if (shown && video.paused) video.play().catch(() => undefined);
  }
  const holder = document.getElementById('sound');
  if (!holder) return;
  const heard = new Set(routes.filter((r) => r.kind === 'audio').map((r) => r.mid));
  for (const audio of /** @type {NodeListOf<HTMLAudioElement>} */ (holder.querySelectorAll('audio'))) {
    if (!heard.has(audio.dataset.mid ?? '')) audio.remove();
  }
  for (const mid of heard) {
    let audio = /** @type {HTMLAudioElement|null} */ (holder.querySelector(`audio[data-mid="${CSS.escape(mid)}"]`));
    if (!audio) {
      audio = document.createElement('audio');
      audio.dataset.mid = mid;
      audio.autoplay = true;
      holder.append(audio);
    }
    const stream = media.stream(mid);
    if (audio.srcObject !== stream) audio.srcObject = stream;
    if (stream && audio.paused) audio.play().catch((error) => { if (error.name === 'NotAllowedError') blocked(); });
  }
}

/** How large each place is on this screen, CSS pixels; 0 for a place nobody looks at. @param {import('./types.js').State} state */
export function preferences(state) {
  /** @type {Map<string, number>} */
  const widths = new Map();
  for (const route of state.view?.media?.routes ?? []) if (route.kind === 'video') widths.set(route.mid, 0);
  if (!state.devices.audioOnly && !document.hidden) {
    for (const video of /** @type {NodeListOf<HTMLVideoElement>} */ (document.querySelectorAll('video[data-mid]'))) {
      const mid = video.dataset.mid ?? '';
      if (widths.has(mid)) widths.set(mid, Math.max(widths.get(mid) ?? 0, Math.round(video.clientWidth)));
    }
  }
  return [...widths].map(([mid, width]) => ({ mid, width }));
}
