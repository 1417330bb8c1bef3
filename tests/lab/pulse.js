// Notes every picture that a page shows, by seat: wall-clock ms and the stream it came by (a new stream is a new transport).
(() => {
  const KEPT = 3000;
  const pulse = { frames: {}, media: [], missed: [] };
  window.__pulse = pulse;
  const watched = new WeakSet();

  function watch(video) {
    watched.add(video);
    const seen = () => {
      const seat = video.dataset.seat;
      const frames = (pulse.frames[seat] ??= []);
      frames.push([Date.now(), video.srcObject?.id ?? ""]);
      if (frames.length > KEPT) frames.splice(0, frames.length - KEPT);
      video.requestVideoFrameCallback(seen);
    };
    video.requestVideoFrameCallback(seen);
  }

  // What the page says of its own connections, and the seconds it tells the person they missed
  let state = "";
  let missed = 0;
  setInterval(() => {
    for (const video of document.querySelectorAll('video[data-source="camera"]')) if (!watched.has(video)) watch(video);
    const now = `${document.body?.dataset.media ?? ""}/${document.body?.dataset.socket ?? ""}`;
    if (now !== state) pulse.media.push([Date.now(), (state = now)]);
    const told = document.querySelector('[data-action="seen"]') ? (window.__courtroom?.link?.missed ?? 0) : 0;
    if (told && told !== missed) pulse.missed.push([Date.now(), told]);
    missed = told;
  }, 20);

  // The page's connections, so that their statistics can be read
  let peers = [];
  let opened = 0;
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...how) {
      super(...how);
      peers = [...peers.filter((one) => one.peer.connectionState !== "closed"), { peer: this, number: opened++ }];
    }
  };

  // Counters of the connections that are open: what came, what was mended, what was made up
  const WANTED = {
    "inbound-rtp": ["packetsReceived", "packetsLost", "packetsDiscarded", "bytesReceived", "framesDecoded", "freezeCount", "totalFreezesDuration",
      "nackCount", "pliCount", "concealedSamples", "silentConcealedSamples", "totalSamplesReceived", "concealmentEvents",
      "jitterBufferDelay", "jitterBufferEmittedCount", "fecPacketsReceived", "retransmittedPacketsReceived", "framesDropped",
      "insertedSamplesForDeceleration", "removedSamplesForAcceleration", "keyFramesDecoded"],
    "outbound-rtp": ["packetsSent", "bytesSent", "framesEncoded", "framesSent", "nackCount", "pliCount", "retransmittedPacketsSent",
      "keyFramesEncoded", "qualityLimitationReason", "rid", "active"],
    "media-source": ["frames", "framesPerSecond"],
    "candidate-pair": ["currentRoundTripTime", "availableOutgoingBitrate"],
  };
  window.__stats = async () => {
    const rows = [];
    for (const { peer, number } of peers) {
      if (peer.connectionState === "closed") continue;
      for (const report of (await peer.getStats()).values()) {
        const wanted = WANTED[report.type];
        if (!wanted || (report.type === "candidate-pair" && !report.nominated)) continue;
        const row = { type: report.type, kind: report.kind ?? "", mid: report.mid ?? "", id: `${number}/${report.id}` };
        for (const name of wanted) if (report[name] !== undefined) row[name] = report[name];
        rows.push(row);
      }
    }
    return rows;
  };
})();
