/**
 * This person's own microphone, camera and screen: acquired once, kept through every room.
 *
 * Rules: missing or refused devices never stop anybody from joining (picture and sound, sound alone, or neither);
 * switching off disables the track and keeps the device; a device that is unplugged or whose permission is withdrawn is
 * reported; nothing here decides whether the court hears: that is the server.
 */

/** @typedef {'on'|'off'|'lost'|'denied'|'none'} Device */

const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const VIDEO = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 25 } };

export class LocalDevices {
  /** @param {() => void} changed called whenever a state, a track or the choice of a device changes */
  constructor(changed) {
    this.changed = changed;
    /** @type {Record<'microphone'|'camera', Device>} */
    this.state = { microphone: 'none', camera: 'none' };
    /** @type {Record<'microphone'|'camera', MediaStreamTrack|null>} */
    this.tracks = { microphone: null, camera: null };
    /** @type {MediaStream|null} */
    this.screen = null;
    /** @type {Record<'microphone'|'camera', boolean>} what the person switched off stays off, also on another device */
    this.off = { microphone: false, camera: false };
    this.speaker = ''; // device id of the loudspeaker, '' for the system's choice
    this.preview = new MediaStream();
    /** false while the count-down of an admission runs: nobody is put on the air by surprise */
    this.onAir = true;
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.#returned());
  }

  /** Ask for both, then for each alone. @param {{microphone?: string, camera?: string}} [choice] device ids */
  async acquire(choice = {}) {
    await Promise.all([this.#take('microphone', choice.microphone), this.#take('camera', choice.camera)]);
    this.changed();
  }

  /** @param {'microphone'|'camera'} kind @param {string} [id] */
  async #take(kind, id) {
    const exact = id ? { deviceId: { exact: id } } : {};
    const wish = kind === 'microphone' ? { audio: { ...AUDIO, ...exact } } : { video: { ...VIDEO, ...exact } };
    try {
      if (!navigator.mediaDevices) throw new DOMException('no media devices here', 'NotFoundError');
      const stream = await navigator.mediaDevices.getUserMedia(wish);
      this.#adopt(kind, stream.getTracks()[0]);
    } catch (error) {
      const name = error instanceof DOMException ? error.name : '';
      if (!id) this.#drop(kind, name === 'NotAllowedError' || name === 'SecurityError' ? 'denied' : name === 'NotReadableError' ? 'lost' : 'none');
    }
  }

  /** @param {'microphone'|'camera'} kind @param {MediaStreamTrack} track */
  #adopt(kind, track) {
    const old = this.tracks[kind];
    if (old) { this.preview.removeTrack(old); old.onended = null; old.stop(); }
    this.tracks[kind] = track;
    this.preview.addTrack(track);
    this.state[kind] = this.off[kind] ? 'off' : 'on';
    track.onended = () => void this.#ended(kind);
    this.#apply();
  }

  /** The browser took the device away: withdrawn permission is told from a cable that was pulled. @param {'microphone'|'camera'} kind */
  async #ended(kind) {
    this.#drop(kind, 'lost');
    const permission = await navigator.permissions?.query({ name: /** @type {PermissionName} */ (kind) }).catch(() => null);
    if (permission?.state === 'denied' && this.state[kind] === 'lost') this.state[kind] = 'denied';
    this.changed();
  }

  /** @param {'microphone'|'camera'} kind @param {Device} why */
  #drop(kind, why) {
    const old = this.tracks[kind];
    if (old) this.preview.removeTrack(old);
    this.tracks[kind] = null;
    this.state[kind] = why;
  }

  #apply() {
    for (const kind of /** @type {const} */ (['microphone', 'camera'])) {
      const track = this.tracks[kind];
      if (track) track.enabled = this.onAir && this.state[kind] === 'on';
    }
  }

  /** Something was plugged in or out: take a device back if ours had gone; a loudspeaker that is gone is the system's choice again. */
  async #returned() {
    if (this.speaker && !(await this.choices()).some((one) => one.kind === 'audiooutput' && one.deviceId === this.speaker)) this.speaker = '';
    for (const kind of /** @type {const} */ (['microphone', 'camera'])) {
      if (!this.tracks[kind] && this.state[kind] !== 'denied') await this.#take(kind);
    }
    this.changed();
  }

  /** @param {boolean} open */
  setOnAir(open) {
    this.onAir = open;
    this.#apply();
  }

  /** The person's own switch. Asks again for a device that is not there. @param {'microphone'|'camera'} kind */
  async toggle(kind) {
    this.off[kind] = this.tracks[kind] !== null && this.state[kind] === 'on';
    if (this.tracks[kind]) this.state[kind] = this.off[kind] ? 'off' : 'on';
    else await this.#take(kind);
    this.#apply();
    this.changed();
  }

  /** Must be called straight from a click. @param {() => void} ended @returns {Promise<boolean>} */
  async share(ended) {
    try {
      this.screen = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true });
    } catch {
      return false;
    }
    const picture = this.screen.getVideoTracks()[0];
    picture.contentHint = 'detail'; // a document must stay legible; it may lose frames instead
    picture.onended = () => { this.unshare(); ended(); };
    this.changed();
    return true;
  }

  unshare() {
    for (const track of this.screen?.getTracks() ?? []) { track.onended = null; track.stop(); }
    this.screen = null;
    this.changed();
  }

  /** What may be chosen, with names once permission is there. @returns {Promise<MediaDeviceInfo[]>} */
  async choices() {
    return navigator.mediaDevices ? navigator.mediaDevices.enumerateDevices() : [];
  }

  /** The track for a mid that this client may send. @param {string} mid */
  track(mid) {
    if (mid === 'mic') return this.tracks.microphone;
    if (mid === 'cam') return this.tracks.camera;
    if (mid === 'scr') return this.screen?.getVideoTracks()[0] ?? null;
    if (mid === 'scs') return this.screen?.getAudioTracks()[0] ?? null;
    return null;
  }
}
