// Pictures and connections for a browser without a court: canvas people in place of cameras and of the media worker.
// Only the browser's own API is stood in for; every line of the pages' code runs as it is.
(() => {
  const WALLS = ['#6b4a32', '#cfc6b6', '#b9c2cc', '#8a7a5c', '#d9d2c2', '#5c4432', '#aebccb', '#c7b99a'];
  const COATS = ['#1c1a1e', '#4a6472', '#2e3744', '#22262e', '#86909a', '#3f5a76', '#4b3a3a', '#2f4a3d'];
  function person(seed) {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const pen = canvas.getContext('2d');
    const draw = () => {
      pen.fillStyle = WALLS[seed % WALLS.length]; pen.fillRect(0, 0, 640, 360);
      pen.fillStyle = 'rgb(255 255 255 / 14%)'; pen.fillRect(430, 0, 120, 360);
      pen.fillStyle = COATS[(seed * 3) % COATS.length];
      pen.beginPath(); pen.ellipse(320, 372, 170, 110, 0, 0, 7); pen.fill();
      pen.fillStyle = '#e0b491'; pen.fillRect(292, 225, 56, 60);
      pen.beginPath(); pen.ellipse(320, 175, 66, 82, 0, 0, 7); pen.fill();
      pen.fillStyle = ['#2a211e', '#55504d', '#1f1b1a'][seed % 3];
      pen.beginPath(); pen.ellipse(320, 132, 74, 62, 0, Math.PI, 0); pen.fill();
      pen.fillStyle = '#2a211e'; pen.beginPath(); pen.arc(296, 176, 5, 0, 7); pen.arc(344, 176, 5, 0, 7); pen.fill();
      pen.strokeStyle = '#9c5f4d'; pen.lineWidth = 4; pen.beginPath(); pen.moveTo(302, 218); pen.lineTo(338, 218); pen.stroke();
    };
    draw();
    setInterval(draw, 500);
    return canvas.captureStream(2).getVideoTracks()[0];
  }
  function document_() {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 800 });
    const pen = canvas.getContext('2d');
    const draw = () => {
      pen.fillStyle = '#fffdf8'; pen.fillRect(0, 0, 1280, 800); pen.fillStyle = '#17202d'; pen.font = '700 40px sans-serif'; pen.fillText('证据三　微信聊天记录', 60, 90);
      pen.font = '32px sans-serif'; ['何建国  2025-09-02 16:21', '货已全部入库，数量和单子一致。', '林晓芸  2025-09-02 16:24', '好的，货款186,400元请按约定支付。'].forEach((l, i) => pen.fillText(l, 60, 190 + i * 80));
    };
    draw(); setInterval(draw, 500);
    return canvas.captureStream(2).getVideoTracks()[0];
  }
  const devices = window.__noDevices ? null : true;
  navigator.mediaDevices.getUserMedia = async (wish) => {
    if (!devices) throw new DOMException('none', 'NotFoundError');
    if (wish.video) return new MediaStream([person(1)]);
    const sound = new AudioContext();
    const [tone, out, gain] = [sound.createOscillator(), sound.createMediaStreamDestination(), sound.createGain()];
    gain.gain.value = 0.08; tone.connect(gain).connect(out); tone.start();
    return out.stream;
  };
  window.__pcs = [];
  window.__asked = [];
  window.RTCPeerConnection = class extends EventTarget {
    constructor() { super(); window.__pcs.push(this); this.connectionState = 'new'; this.transceivers = []; }
    async setRemoteDescription() {
      const mids = ['mic', 'cam', 'scr', 'scs', ...Array.from({ length: 12 }, (_, i) => [`a${i}`, `v${i}`]).flat()];
      this.transceivers = mids.map((mid) => {
        let track = null;
        return { mid, direction: 'recvonly', receiver: { get track() { track ??= mid === 'v11' ? document_() : person(Number(mid.slice(1)) || 0); return track; } },
          sender: { track: null, async replaceTrack(t) { this.track = t; }, getParameters: () => ({ encodings: [] }), async setParameters() {} } };
      });
    }
    getTransceivers() { return this.transceivers; }
    async createAnswer() { return { type: 'answer', sdp: 'v=0' }; }
    async setLocalDescription(d) { this.localDescription = d; setTimeout(() => this.become('connected'), 30); }
    become(state) { this.connectionState = state; this.onconnectionstatechange?.(); this.dispatchEvent(new Event('connectionstatechange')); }
    async getStats() {
      // sound comes as long as window.__silent is not set; pictures run except in the places window.__still names
      const now = performance.now();
      if (!window.__silent) this.octets = Math.round(now);
      if (!window.__cut) this.packets = Math.round(now);
      const rows = [['p', { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.042 }], ['r', { type: 'remote-inbound-rtp', fractionLost: 0.002 }], ['a', { type: 'inbound-rtp', kind: 'audio', mid: 'a0', bytesReceived: this.octets ?? 0 }],
        ['t', { type: 'transport', packetsReceived: this.packets ?? 0 }]];
      for (let place = 0; place < 12; place += 1) {
        const mid = `v${place}`;
        rows.push([mid, { type: 'inbound-rtp', kind: 'video', mid, bytesReceived: 0, framesDecoded: window.__blank ? 0 : window.__still?.includes(mid) ? 1 : Math.round(now) }]);
      }
      return new Map(rows);
    }
    close() { this.connectionState = 'closed'; }
  };
  window.__pretend = { RTCPeerConnection: window.RTCPeerConnection };
  const real = window.fetch.bind(window);
  window.fetch = async (url, options = {}) => {
    if (String(url).includes('/media')) window.__asked.push(`${options.method} ${url}`);
    if (String(url).endsWith('/media') && options.method === 'POST') {
      if (window.__mediaDown) return new Response('', { status: 503 });
      return new Response('v=0', { status: 201, headers: { Location: '/media/1' } });
    }
    if (String(url).endsWith('/restart')) return window.__gone ? new Response('', { status: 404 }) : new Response('v=0', { status: 200 });
    return real(url, options);
  };
})();
