// Runs the connector `fixed` in Node: `node fixed.mjs fixed.wasm`. All that a host must bring is in `imports`.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { transpile, writeFiles } from '@bytecodealliance/jco-transpile';
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation';

const out = new URL('./out/', import.meta.url);
await writeFiles((await transpile(process.argv[2], { name: 'fixed', instantiation: 'async', outDir: fileURLToPath(out) })).files);
const { instantiate } = await import(new URL('fixed.js', out));
const core = async (file) => WebAssembly.compile(await readFile(new URL(file, out)));

const wasi = new WASIShim().getImportObject();
const after = wasi['wasi:clocks/monotonic-clock'].subscribeDuration;
const A_DAY = 86_400_000_000_000n; // nanoseconds
class Permit { ready() { return after(0n); } }
const variables = { greeting: 'hello' };
const imports = {
  ...wasi,
  'ipaas:connector/variables': { get: (name) => variables[name] ?? (() => { throw { tag: 'undefined', val: name }; })() },
  'ipaas:connector/transport': { apply() {} },
  'ipaas:connector/quota': { Permit, reserve: () => new Permit(), report() {} },
  'ipaas:connector/control': { cancelled: () => after(A_DAY) },
  'ipaas:connector/logging': { log: (level, message) => console.error(`${level}: ${message}`) },
};
const connect = async () => {
  const { connection } = await instantiate(core, imports);
  connection.configure('{"greeting":"[greeting]"}');
  return connection;
};

const first = await connect();
assert.equal(first.test().account, 'hello');
assert.ok(first.listObjects().some((object) => object.name === 'people' && object.activities.query));

const request = { object: 'people', fields: ['id', 'balance'], filter: [], orderBy: [], include: [], pageSize: 2 };
const page = first.query(request);
const rest = (await connect()).query({ ...request, cursor: page.next });
const lines = [page, rest].flatMap((page) => Buffer.from(page.records).toString().trimEnd().split('\n'));
assert.deepEqual(lines.map((line) => JSON.parse(line).id), [1, 2, 3, 4]);

const records = Buffer.from('{"name":"new","balance":25.00}\n');
const write = { object: 'people', records, mode: 'strict', matchOn: [], continueOnError: false, validateOnly: false };
const [outcome] = first.create(write);
assert.equal(outcome.tag, 'applied');
assert.match(outcome.val, /25\.00/);
console.log(`Node: read two pages with two instances (${lines.join(' ')}), created ${outcome.val}`);
