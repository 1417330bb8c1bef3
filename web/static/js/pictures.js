/**
 * Pictures and voices on the page: streams to elements by route, sizes back to the server, marks for what stands still.
 *
 * Rules: a route says who is in which place; without one nothing is shown, except the last picture of a person while our own line
 * is down; sound is never taken from a tile.
 */

/** @typedef {import('./media.js').Media} Media */
/** @typedef {import('./types.js').State} State */

/** Who is in which place: the server's word, or its last word while our own line is down. @param {State} state */
export function routesOf(state) {
  const routes = state.view?.media?.routes ?? [];
  return routes.length || !state.link.held.length ? routes : state.link.held;
}

/**
 * Hand streams to the elements on the page: `video[data-seat]` by route, one `audio` per heard microphone.
 * @param {Media} media
 * @param {import('./types.js').State} state
 * @param {() => void} blocked called when the browser wants a click before it plays sound
 */
export function attach(media, state, blocked) {
  const routes = routesOf(state);
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
    speakThrough(audio, media.devices.speaker);
    if (stream && audio.paused) audio.play().catch((error) => { if (error.name === 'NotAllowedError') blocked(); });
  }
}

/** @param {HTMLAudioElement} audio @param {string} speaker */
function speakThrough(audio, speaker) {
  if (typeof audio.setSinkId !== 'function' || audio.sinkId === speaker) return;
  audio.setSinkId(speaker).catch((error) => console.info('loudspeaker kept', String(error)));
}

/** How large each place is on this screen, CSS pixels; 0 for a place nobody looks at. @param {import('./types.js').State} state */
export function preferences(state) {
  /** @type {Map<string, number>} */
  const widths = new Map();
  for (const route of routesOf(state)) if (route.kind === 'video') widths.set(route.mid, 0);
  if (!state.devices.audioOnly && !document.hidden) {
    for (const video of /** @type {NodeListOf<HTMLVideoElement>} */ (document.querySelectorAll('video[data-mid]'))) {
      const mid = video.dataset.mid ?? '';
      if (widths.has(mid)) widths.set(mid, Math.max(widths.get(mid) ?? 0, Math.round(video.clientWidth)));
    }
  }
  return [...widths].map(([mid, width]) => ({ mid, width }));
}
