// The scenarios' runner for `host/node`: translates the protocol of tests/scenarios/README.md, and nothing else. The package is the one
// that `cargo xtask hosts` built below `target/`.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

const folder = new URL('../../../target/node/', import.meta.url);
const { Connector, ConnectorError, SettingsError } = await import(new URL('dist/src/index.js', folder));

let connector;
let connection;
let variables = {};

/** The names of a value's members, as the contract and as JavaScript writes them. */
function renamed(value, rename) {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [rename(name), renamed(member, rename)]));
}
const kebab = (value) => renamed(value, (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
const camel = (value) => renamed(value, (name) => name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase()));

const lines = (ndjson) => Buffer.from(ndjson).toString().split('\n').filter((line) => line !== '');
const outcomes = (list) =>
  list.map(({ outcome, record, error }) => (outcome === 'skipped' ? outcome : { [outcome]: record ?? kebab(error) }));

async function version(name) {
  return JSON.parse(await readFile(new URL(`node_modules/${name}/package.json`, folder), 'utf8')).version;
}

async function close() {
  await connection?.close();
  connection = undefined;
}

function cancelledAfter(milliseconds) {
  return milliseconds === undefined ? undefined : AbortSignal.timeout(milliseconds);
}

const write = (kind) => async (command) => {
  const { object, records, ...options } = camel(command.request);
  const signal = cancelledAfter(command['cancel-after-ms']);
  return outcomes(await connection[kind](object, records, { ...options, ...(signal && { signal }) }));
};

const commands = {
  async hello() {
    const versions = { node: process.versions.node, jco: await version('@bytecodealliance/jco-transpile') };
    return { host: 'node', versions: { ...versions, undici: await version('undici') } };
  },
  async connect({ component, settings, variables: values = {}, grant, proxy, without, 'requests-in-flight': most }) {
    await close();
    variables = structuredClone(values);
    connector = await Connector.load(component, { without: without ?? [] });
    const limits = most === undefined ? {} : { requestsInFlight: most };
    const log = ({ level, message }) => console.error(`${level}: ${message}`);
    connection = await connector.connect({ settings, variables, grant: grant ?? [], ...(proxy && { proxy }), limits, log });
    return {};
  },
  'set-variable'({ name, value }) {
    variables[name] = { hidden: true, ...variables[name], value };
    return {};
  },
  describe: () => kebab(connector.info),
  test: async () => kebab(await connection.test()),
  'list-objects': async () => kebab(await connection.listObjects()),
  'describe-object': async ({ name }) => kebab(await connection.describeObject(name)),
  async query({ request }) {
    for await (const page of connection.query(camel(request)).pages()) return { ...page, records: lines(page.records) };
  },
  async 'query-all'({ request, 'cancel-after-records': enough, 'count-only': countOnly }) {
    const abort = new AbortController();
    const records = [];
    try {
      for await (const record of connection.query(camel(request), { signal: abort.signal })) {
        if (records.push(record) === enough) abort.abort();
      }
    } catch (error) {
      if (!abort.signal.aborted || error.code !== 'cancelled') throw error;
    }
    return countOnly ? { count: records.length } : { records };
  },
  explain: async ({ request }) => kebab(await connection.explain(camel(request))),
  create: write('create'),
  update: write('update'),
  delete: write('delete'),
  async resolve({ 'written-by': writtenBy, request }) {
    const { object, records, ...options } = camel(request);
    return outcomes(await connection.resolve(writtenBy, object, records, options));
  },
  async close() {
    await close();
    return {};
  },
};

async function reply(command) {
  try {
    const run = commands[command.do];
    if (run === undefined) return { 'host-error': `there is no command \`${command.do}\`` };
    return { ok: await run(command) };
  } catch (error) {
    if (error instanceof ConnectorError) return { error: kebab(error.toJSON()) };
    if (error instanceof SettingsError) return { errors: error.errors.map((one) => kebab(one.toJSON())) };
    return { 'host-error': error instanceof Error ? error.message : String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await reply(JSON.parse(line))));
}
await close();
