// Says every text that is asked for in `asked.json`, with the page's own module; on stdout, as JSON.
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const { texts, asked } = JSON.parse(await readFile(`${folder}/asked.json`, 'utf8'));
globalThis.fetch = async (url) => ({ ok: true, json: async () => texts[/(\w+)\.json$/.exec(url)[1]] });
const { loadTexts, t } = await import(pathToFileURL(`${folder}/texts.mjs`).href);
const said = [];
let lang = '';
for (const [wanted, key, values] of asked) {
  if (wanted !== lang) await loadTexts(wanted);
  lang = wanted;
  said.push(t(key, values));
}
process.stdout.write(JSON.stringify(said));
