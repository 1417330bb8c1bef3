// Runs the browser's journal without a browser: memory instead of IndexedDB, a court given by its address.
// Arguments: module, base URL, hearing, seat, token. Prints one line of JSON.
const [module, base, hearing, seat, token] = process.argv.slice(2);
const real = globalThis.fetch;
globalThis.fetch = (path, options) => real(base + path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
console.info = () => undefined;
const { Journal } = await import(module);
const journal = new Journal({ hearing, seat });
await journal.note('offline');
await journal.note('battery', { percent: 9.6, charging: 0, odd: 'a"b\\c\u4f60', none: undefined });
await journal.note('track', { device: 'camera', is: 'ended' });
const all = await journal.upload();
const first = { ...journal.chain };
for (let n = 0; n < 2100; n += 1) await journal.note('online');
const more = await journal.upload();
process.stdout.write(JSON.stringify({ all, more, first, chain: journal.chain, kept: journal.entries.length, samples: journal.samples.length, state: journal.state }));
process.exit(0);
