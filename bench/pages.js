/** Put into every page that is measured. Times are milliseconds, of `marks` and `painted` since 1970. */
window.measured = { paint: 0, shift: 0, inputs: [], marks: {} };

function observe(type, take, options = {}) {
  const observer = new PerformanceObserver((list) => list.getEntries().forEach(take));
  observer.observe({ type, buffered: true, ...options });
}
observe("largest-contentful-paint", (one) => {
  measured.paint = one.startTime;
});
observe("layout-shift", (one) => {
  if (!one.hadRecentInput) measured.shift += one.value;
});
const LEAST = { durationThreshold: 16 };
observe("event", (one) => one.interactionId && measured.inputs.push(one.duration), LEAST);

/** Ends once the frame that comes next is painted. */
window.painted = () =>
  new Promise((done) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => done(performance.timeOrigin + performance.now());
      channel.port2.postMessage(0);
    });
  });

const PATIENCE_MS = 30_000;

/** When an element that holds the text was painted. */
window.untilShown = async (selector, text = "") => {
  const until = performance.now() + PATIENCE_MS;
  const shows = () => [...document.querySelectorAll(selector)].some((one) => one.textContent.includes(text));
  while (!shows()) {
    if (performance.now() > until) throw new Error(`${selector} with "${text}" is not shown.`);
    await new Promise(requestAnimationFrame);
  }
  return painted();
};

/** Notes from now on when each text like `mark-7` was first painted. */
window.watchMarks = () => {
  const look = async (changes) => {
    const texts = changes.flatMap((one) => [one.target, ...one.addedNodes]).map((one) => one.textContent);
    const names = texts.flatMap((text) => text.match(/mark-\d+/g) ?? []);
    const fresh = names.filter((name) => !(name in measured.marks));
    for (const name of fresh) measured.marks[name] = null;
    if (!fresh.length) return;
    const at = await painted();
    for (const name of fresh) measured.marks[name] = at;
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { subtree: true, childList: true, characterData: true });
};
