/**
 * This browser's own journal: what it saw of its line, its devices and its power, each entry bound by a hash to the one before.
 *
 * Rules (web/PROTOCOL.md section 7; courtroom/hearing/clientjournal.py reads it)
 * - One chain per loaded page; entry 1 names the page before it, with the last hash that page left behind. `hash` is SHA-256 over
 *   the hash before and the canonical JSON of `{at, detail, kind, n, up}`; details hold whole numbers and short ASCII words.
 * - Entries live in IndexedDB, so that they outlast a crash; where that is refused they live in memory and entry 1 says so.
 * - At most `MOST` entries a chain and `CHAINS` chains are kept here: the oldest go, and the last hash that went stays, so that the
 *   rest can be verified. What went without having been uploaded is missing at the court, by number.
 * - Uploaded at once when the court can be reached again, then each minute, until the court has acknowledged everything.
 * - Nothing of the hearing is written here: no name, no word, no picture.
 */

const MOST = 2000;
const CHAINS = 6;
const BATCH = 150;
const EVERY_MS = 60_000;
const LIMIT_MS = 10_000;
const SAMPLES = 8;
const FIRST_PINGS = 4;

/** @typedef {Record<string, number|string>} Detail */
/** @typedef {{n: number, at: number, up: number, kind: string, detail: Detail, hash: string}} Entry `at` ms of this clock, `up` ms of this page */
/** @typedef {{chain: string, where: string, began: number, at?: number, n: number, hash: string, acked: number, base: {n: number, hash: string}, over: boolean}} Chain
 *   `at`: of the newest entry; `base`: the newest entry that is not kept here any more; `over`: the court will have no more of it */

/** @param {string} text */
async function sha256(text) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {Record<string, unknown>} value @returns {string} */
const canonical = (value) => JSON.stringify(Object.fromEntries(Object.keys(value).sort().map((key) => [key, value[key]])));

/** @param {Omit<Entry, 'hash'>} entry */
const spelled = ({ at, detail, kind, n, up }) => `{"at":${at},"detail":${canonical(detail)},"kind":${JSON.stringify(kind)},"n":${n},"up":${up}}`;

/** Short ASCII words and whole numbers alone. @param {Record<string, unknown>} detail @returns {Detail} */
function plain(detail) {
  return Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined && value !== null).map(([key, value]) => (
    [key, typeof value === 'number' ? Math.round(value) : String(value).replace(/[^A-Za-z0-9 _.:/+-]/g, '_').slice(0, 128)])));
}

/** IndexedDB, or nothing. @returns {Promise<IDBDatabase|null>} */
async function openShelf() {
  try {
    const asked = indexedDB.open('courtroom-journal', 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore('chains', { keyPath: 'chain' });
      asked.result.createObjectStore('entries', { keyPath: ['chain', 'n'] });
    };
    return await done(asked);
  } catch (error) {
    console.info('journal in memory', String(error));
    return null;
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('no storage'));
    if (request instanceof IDBOpenDBRequest) request.onblocked = () => reject(new Error('blocked'));
  });
}

/** @param {string} chain @param {number} [from] */
const range = (chain, from = 0) => IDBKeyRange.bound([chain, from], [chain, Number.MAX_SAFE_INTEGER]);

export class Journal {
  /** @param {{hearing: string, seat: string}} where */
  constructor(where) {
    this.where = where;
    /** @type {IDBDatabase|null} */
    this.shelf = null;
    /** @type {Entry[]} this page's own chain, as far as it is kept */
    this.entries = [];
    /** @type {Chain} */
    this.chain = this.#fresh();
    /** @type {Chain[]} of pages before this one, not yet acknowledged whole */
    this.earlier = [];
    /** @type {number[][]} exchanges `[t0, t1, t2, t3]`, µs */
    this.samples = [];
    this.uploading = false;
    this.state = 'new'; // new | kept | memory, for tests and curious people
    /** @type {Promise<void>} one entry after the other */
    this.turn = this.#begin().catch((error) => console.info('journal', String(error)));
    setInterval(() => void this.upload(), EVERY_MS);
  }

  /** @returns {Chain} */
  #fresh() {
    const chain = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    return { chain, where: `${this.where.hearing}/${this.where.seat}`, began: Date.now(), n: 0, hash: '', acked: 0, base: { n: 0, hash: '' }, over: false };
  }

  /** @param {string} what */
  #mark(what) { return `journal:${what}:${this.chain.chain}`; }

  // --- the beginning -------------------------------------------------------------------------------

  async #begin() {
    this.shelf = await openShelf();
    this.state = this.shelf ? 'kept' : 'memory';
    const before = await this.#before();
    await this.#seal();
    const ended = before ? this.#goodbye(before.chain) : 0;
    const alive = before ? await this.#held(before.chain) : false;
    await this.#append('begun', { store: this.state, before: before?.chain ?? '', before_n: before?.n ?? 0, before_hash: before?.hash ?? '', goodbye: ended, alive: alive ? 1 : 0 }, Date.now(), performance.now());
    if (before && !ended && alive === false) await this.#append('crashed', { chain: before.chain, last: this.#lastSign(before) }, Date.now(), performance.now());
  }

  /** The hash before entry 1, and a lock as long as this page lives. */
  async #seal() {
    this.chain.hash = this.chain.base.hash = await sha256(canonical({ chain: this.chain.chain, hearing: this.where.hearing, seat: this.where.seat }));
    void navigator.locks?.request(this.#mark('alive'), () => new Promise(() => undefined));
  }

  /** The chains of pages before this one; the newest. @returns {Promise<Chain|null>} */
  async #before() {
    if (!this.shelf) return null;
    /** @type {Chain[]} */
    const all = (await done(this.shelf.transaction('chains').objectStore('chains').getAll())).filter((one) => one.where === this.chain.where);
    all.sort((one, other) => one.began - other.began);
    for (const old of all.splice(0, Math.max(0, all.length - CHAINS))) await this.#forget(old);
    const last = all[all.length - 1] ?? null;
    this.earlier = all.filter((one) => one.acked < one.n && !one.over);
    return last;
  }

  /** @param {Chain} old */
  async #forget(old) {
    const change = this.shelf?.transaction(['chains', 'entries'], 'readwrite');
    change?.objectStore('chains').delete(old.chain);
    change?.objectStore('entries').delete(range(old.chain));
    for (const what of ['goodbye', 'alive']) remembered(`journal:${what}:${old.chain}`, null);
  }

  /** When the page before said goodbye, ms; 0 when it did not. @param {string} chain */
  #goodbye(chain) { return Number(remembered(`journal:goodbye:${chain}`) ?? 0); }

  /** Chromium may write localStorage a minute late, IndexedDB it writes at once. @param {Chain} before */
  #lastSign(before) { return Math.max(Number(remembered(`journal:alive:${before.chain}`) ?? 0), before.at ?? before.began); }

  /** Whether the page of a chain still lives somewhere; null when this browser cannot tell. @param {string} chain */
  async #held(chain) {
    if (!navigator.locks?.query) return null;
    const { held } = await navigator.locks.query();
    return held?.some((lock) => lock.name === `journal:alive:${chain}`) ?? false;
  }

  // --- writing -------------------------------------------------------------------------------------

  /** Something happened now. @param {string} kind @param {Record<string, unknown>} [detail] */
  note(kind, detail = {}) {
    const [at, up] = [Date.now(), performance.now()];
    this.turn = this.turn.then(() => this.#append(kind, detail, at, up)).catch((error) => console.info('journal', String(error)));
    return this.turn;
  }

  /** @param {string} kind @param {Record<string, unknown>} detail @param {number} at @param {number} up */
  async #append(kind, detail, at, up) {
    const entry = { n: this.chain.n + 1, at: Math.round(at), up: Math.round(up), kind, detail: plain(detail), hash: '' };
    entry.hash = await sha256(this.chain.hash + spelled(entry));
    Object.assign(this.chain, { n: entry.n, hash: entry.hash, at: entry.at });
    this.entries.push(entry);
    const gone = this.entries.length > MOST ? this.entries.shift() : null;
    if (gone) this.chain.base = { n: gone.n, hash: gone.hash };
    await this.#keep(entry, gone ?? null);
  }

  /** @param {Entry|null} entry @param {Entry|null} gone */
  async #keep(entry, gone) {
    if (!this.shelf) return;
    try {
      const change = this.shelf.transaction(['chains', 'entries'], 'readwrite');
      change.objectStore('chains').put(this.chain);
      if (entry) change.objectStore('entries').put({ chain: this.chain.chain, ...entry });
      if (gone) change.objectStore('entries').delete([this.chain.chain, gone.n]);
    } catch (error) {
      this.shelf = null; // it was taken away while we ran: go on in memory
      console.info('journal in memory', String(error));
    }
  }

  /** The page is going: what cannot wait for a promise. @param {boolean} away */
  goodbye(away) { remembered(this.#mark('goodbye'), away ? String(Date.now()) : null); }

  /** A sign of life now and then, for the time of a crash. */
  alive() { remembered(this.#mark('alive'), String(Date.now())); }

  // --- uploading -----------------------------------------------------------------------------------

  /** Hands everything over that the court has not acknowledged; says whether all of it arrived. */
  async upload() {
    if (this.uploading) return false;
    this.uploading = true;
    try {
      await this.turn;
      while (this.samples.length < FIRST_PINGS) await this.#send(this.chain, [], this.chain.base);
      for (const chain of [...this.earlier, this.chain]) await this.#handOver(chain);
      this.earlier = this.earlier.filter((one) => one.acked < one.n && !one.over);
      return this.earlier.length === 0 && this.chain.acked === this.chain.n;
    } catch (error) {
      console.info('journal waits', String(error));
      return false;
    } finally {
      this.uploading = false;
    }
  }

  /** @param {Chain} chain */
  async #handOver(chain) {
    while (chain.acked < chain.n && !chain.over) {
      const { base, entries } = await this.#since(chain);
      if (!entries.length) { chain.over = true; return; }
      const answer = await this.#send(chain, entries, base);
      const moved = answer.acked > chain.acked;
      chain.acked = answer.acked;
      if (answer.state === 'broken') chain.over = true;
      else if (!moved) throw new Error('not taken');
    }
    if (chain === this.chain) { await this.#keep(null, null); if (chain.over) await this.#anew(); }
    else if (this.shelf) this.shelf.transaction('chains', 'readwrite').objectStore('chains').put(chain);
  }

  /** The court does not follow this chain: another one, which says so. */
  async #anew() {
    const { chain, n, hash } = this.chain;
    this.turn = this.turn.then(async () => {
      this.entries = [];
      this.chain = this.#fresh();
      await this.#seal();
      await this.#append('begun', { store: this.state, before: chain, before_n: n, before_hash: hash, goodbye: 0, alive: 1, broken: 1 }, Date.now(), performance.now());
    });
    await this.turn;
  }

  /** The next entries of a chain, and the one before them. @param {Chain} chain @returns {Promise<{base: {n: number, hash: string}, entries: Entry[]}>} */
  async #since(chain) {
    /** @type {Entry[]} */
    let all = this.entries;
    if (chain !== this.chain) {
      all = this.shelf ? await done(this.shelf.transaction('entries').objectStore('entries').getAll(range(chain.chain, chain.acked), BATCH + 1)) : [];
    }
    const entries = all.filter((entry) => entry.n > chain.acked).slice(0, BATCH);
    const before = entries.length ? all.find((entry) => entry.n === entries[0].n - 1) : null;
    return { base: before ? { n: before.n, hash: before.hash } : chain.base, entries: entries.map(({ n, at, up, kind, detail, hash }) => ({ n, at, up, kind, detail, hash })) };
  }

  /** One request, which is also an exchange of clocks. @param {Chain} chain @param {Entry[]} entries @param {{n: number, hash: string}} base
   * @returns {Promise<{acked: number, state: string, t1: number, t2: number}>} */
  async #send(chain, entries, base) {
    const t0 = Date.now() * 1000;
    const answer = await fetch(`/api/v1/hearings/${encodeURIComponent(this.where.hearing)}/journal`, {
      method: 'POST', cache: 'no-store', headers: { 'Content-Type': 'application/json', 'Courtroom-Seat': this.where.seat },
      body: JSON.stringify({ chain: chain.chain, base, entries, clock: this.samples }), signal: AbortSignal.timeout(LIMIT_MS),
    });
    if (!answer.ok) throw new Error(`journal ${answer.status}`);
    const told = await answer.json();
    this.samples = [...this.samples, [t0, told.t1, told.t2, Date.now() * 1000]].slice(-SAMPLES);
    return told;
  }
}

/** A word that is kept at once, where the browser keeps any. @param {string} key @param {string|null} [value] null forgets @returns {string|null} */
function remembered(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch (error) {
    console.info('nothing is kept here', String(error));
  }
  return null;
}
