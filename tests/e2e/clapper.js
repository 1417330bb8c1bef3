// A person whose camera flashes white while the microphone beeps, once a second: for lip sync. Installed before the page's
// own scripts; window.__clapper = {colour, tone} is set by the test.
(() => {
  const { colour, tone } = window.__clapper;
  const BEEP_S = 0.2;
  let context = null;

  function sound() {
    context ??= new AudioContext({ sampleRate: 48000 });
    void context.resume();
    const wave = context.createOscillator();
    const gain = context.createGain();
    const out = context.createMediaStreamDestination();
    wave.frequency.value = tone;
    gain.gain.value = 0;
    wave.connect(gain).connect(out);
    wave.start();
    let next = Math.ceil(context.currentTime + 0.2);
    setInterval(() => {
      while (next < context.currentTime + 2) {
        gain.gain.setValueAtTime(0.4, next);
        gain.gain.setValueAtTime(0, next + BEEP_S);
        next += 1;
      }
    }, 250);
    return out.stream.getAudioTracks()[0];
  }

  function picture() {
    context ??= new AudioContext({ sampleRate: 48000 });
    const canvas = document.createElement("canvas");
    canvas.width = 320;
    canvas.height = 240;
    const brush = canvas.getContext("2d");
    setInterval(() => {
      const at = context.currentTime % 1;
      brush.fillStyle = context.state === "running" && at < BEEP_S ? "#ffffff" : `rgb(${colour.join(",")})`;
      brush.fillRect(0, 0, 320, 240);
      }, 40);
    return canvas.captureStream(25).getVideoTracks()[0];
  }

  navigator.mediaDevices.getUserMedia = async (wish) => {
    const tracks = [];
    if (wish.audio) tracks.push(sound());
    if (wish.video) tracks.push(picture());
    return new MediaStream(tracks);
  };
})();
