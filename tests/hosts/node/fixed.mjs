// Runs the connector `fixed` in Node: `node fixed.mjs fixed.wasm`. All that a host must bring is in `imports`.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { transpile, writeFiles } from '@bytecodealliance/jco-transpile';
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation';

const out = new URL('./out/', import.meta.url);
await writeFiles((await transpile(process.argv[2], { name: 'fixed', instantiation: 'async', outDir: out.pathname })).files);
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
const [object] = first.listObjects().filter((object) => object.activities.query && object.activities.create);
const request = { object: object.name, fields: [], filter: [], orderBy: [], include: [], pageSize: 2 };
const page = first.query(request);
const rest = (await connect()).query({ ...request, cursor: page.next });
const text = Buffer.concat([page.records, rest.records]).toString();
assert.equal(text.trimEnd().split('\n').length, page.count + rest.count);
assert.equal(rest.next, undefined);

const write = { object: object.name, records: Buffer.from('{"name":"new"}\n'), mode: 'strict', matchOn: [], continueOnError: false, validateOnly: false };
const [outcome] = first.create(write);
assert.equal(outcome.tag, 'applied');
console.log(`Node: ${page.count + rest.count} ${object.name} in two pages by two instances; created ${outcome.val}`);
