// Reads what a person at this page sees and hears: pixels of every tile, peaks of everything that is played.
(() => {
  const STALE_S = 0.3;
  const hold = { context: null, nodes: new Map() };
  const peers = (window.__peers = []); // every connection this page has made
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real { constructor(...all) { super(...all); peers.push(this); } };

  // A source keeps the track it was made with: after a new connection the same stream holds another one.
  function analyser(element) {
    const track = element.srcObject?.getAudioTracks()[0];
    if (!track) return null;
    const known = hold.nodes.get(element);
    if (known?.track === track) return known.node;
    known?.source.disconnect();
    const node = hold.context.createAnalyser();
    node.fftSize = 2048;
    node.smoothingTimeConstant = 0;
    const source = hold.context.createMediaStreamSource(new MediaStream([track]));
    source.connect(node);
    hold.nodes.set(element, { track, source, node });
    return node;
  }

  // The loudest bin of each audio element over `ms`, in Hz, with its level in dB; silent ones are left out. The graph rests
  // in between, since five pages that listen all the time are much of two cores; what it held before is not heard again.
  async function hear(ms) {
    const best = new Map();
    hold.context ??= new AudioContext({ sampleRate: 48000 });
    void hold.context.resume();
    const fresh = hold.context.currentTime + STALE_S;
    const end = performance.now() + ms;
    while (performance.now() < end) {
      for (const element of document.querySelectorAll("audio")) {
        const node = analyser(element);
        if (!node || hold.context.currentTime < fresh) continue;
        const bins = new Float32Array(node.frequencyBinCount);
        node.getFloatFrequencyData(bins);
        let top = 2;
        for (let bin = 3; bin < bins.length / 4; bin += 1) if (bins[bin] > bins[top]) top = bin;
        const level = bins[top];
        const before = best.get(element);
        if (level > -60 && (!before || level > before.level)) {
          best.set(element, { hz: (top * 48000) / node.fftSize, level, seat: element.dataset.seat || null });
        }
      }
      await new Promise((done) => setTimeout(done, 25));
    }
    void hold.context.suspend();
    return [...best.values()].map((one) => ({ hz: Math.round(one.hz), level: Math.round(one.level), seat: one.seat }));
  }

  // Mean colour of the middle of each tile's picture, and how many frames its video has decoded.
  function see() {
    const canvas = document.createElement("canvas");
    canvas.width = 8;
    canvas.height = 8;
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    const tiles = {};
    for (const video of document.querySelectorAll("video[data-seat]")) {
      const box = video.getBoundingClientRect();
      const style = getComputedStyle(video);
      if (!video.videoWidth || box.width < 8 || style.visibility === "hidden" || style.display === "none") continue;
      brush.drawImage(video, video.videoWidth / 4, video.videoHeight / 4, video.videoWidth / 2, video.videoHeight / 2, 0, 0, 8, 8);
      const data = brush.getImageData(0, 0, 8, 8).data;
      const sum = [0, 0, 0];
      for (let at = 0; at < data.length; at += 4) for (let one = 0; one < 3; one += 1) sum[one] += data[at + one];
      tiles[video.dataset.seat] = {
        colour: sum.map((value) => Math.round(value / 64)),
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
        box: [box.x, box.y, box.width, box.height].map(Math.round),
        self: video.muted && video.dataset.self === "true",
      };
    }
    return tiles;
  }

  // What the sound here hangs on, for the words of a failed test: elements, audio graph, received and sent streams.
  async function hearing() {
    const rows = [...document.querySelectorAll("audio")].map((one) => [one.dataset.mid, one.paused ? "paused" : "plays",
      one.readyState, one.srcObject?.getAudioTracks().map((track) => `${track.readyState}${track.muted ? " muted" : ""}`)]);
    const streams = [];
    for (const pc of peers.filter((one) => one.connectionState !== "closed")) {
      for (const one of (await pc.getStats()).values()) {
        if (one.kind !== "audio") continue;
        if (one.type === "inbound-rtp") {
          streams.push([pc.connectionState, one.mid, one.packetsReceived, one.packetsLost, one.totalSamplesReceived,
            one.concealedSamples, Math.round(1000 * one.totalAudioEnergy)]);
        } else if (one.type === "outbound-rtp") streams.push([pc.connectionState, one.mid, one.packetsSent, one.active]);
        else if (one.type === "media-source") streams.push(["source", Math.round(1000 * one.totalAudioEnergy)]);
      }
    }
    return { rows, streams, graph: [hold.context?.state, hold.context?.currentTime], clock: performance.now() / 1000 };
  }

  window.__ears = { hear, see, hearing };
})();
