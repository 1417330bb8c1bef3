// Notes when things happened at this page, in milliseconds of its own clock: answers sent, clicks on 传唤, first pictures.
(() => {
  const watch = { answered: [], called: [], first: [] };
  window.__watch = watch;

  const fetch = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await fetch(...asked);
    const method = asked[1]?.method ?? "GET";
    if (method === "PUT" && String(asked[0]).includes("/media/") && answer.ok) watch.answered.push(performance.now());
    return answer;
  };

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-command="call"]') : null;
    if (button) watch.called.push(performance.now());
  }, true);

  // The first picture of every stream that a video element is given
  const known = new WeakMap();
  const look = () => {
    for (const video of document.querySelectorAll("video[data-seat]")) {
      const stream = video.srcObject;
      if (!stream || known.get(video) === stream) continue;
      known.set(video, stream);
      video.requestVideoFrameCallback((_now, facts) => {
        watch.first.push({ seat: video.dataset.seat, mid: video.dataset.mid, at: facts.presentationTime });
      });
    }
    setTimeout(look, 4);
  };
  look();
})();
