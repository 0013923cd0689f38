import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { after, test } from 'node:test';
import { ConnectorError, HostError } from '../src/index.js';
import { bigcommerce, options, store } from './emulator.js';

const product = (name: string) => JSON.stringify({ name, type: 'physical', weight: 1, price: 2, categories: [] });

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answers = (listener: RequestListener) => listening(createServer(listener));

test('a write has one outcome per record, in order', async () => {
  const shop = await store('--products', '3');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const records = [product('one'), '{"name":7}', { name: 'three', type: 'physical', weight: 1, price: 2, categories: [] }];
  const outcomes = await connection.create('products', records, { continueOnError: true });
  assert.deepEqual(outcomes.map(({ outcome }) => outcome), ['applied', 'failed', 'applied']);
  const ids = outcomes.flatMap((outcome) => (outcome.outcome === 'applied' ? [JSON.parse(outcome.record).id] : []));
  const updated = await connection.update('products', [{ id: ids[0], price: 3 }]);
  assert.equal(updated[0]?.outcome, 'applied');
  const deleted = await connection.delete('products', ids.map((id) => ({ id })));
  assert.deepEqual(deleted.map(({ outcome }) => outcome), ['applied', 'applied']);
  assert.equal((await shop.state()).records['v3/products'] ?? 3, 3);
});

test('a write that nobody answered is unknown, and one that could not be sent is not', async () => {
  const cut = await listening(createSocketServer((socket) => socket.once('data', () => socket.destroy())));
  await using broken = await (await bigcommerce()).connect(options(cut));
  const [unknown] = await broken.create('products', [product('lost')]);
  assert.equal(unknown?.outcome, 'unknown');
  const server = createSocketServer();
  const closed = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  await using refused = await (await bigcommerce()).connect(options(closed, { retry_budget_ms: 100 }));
  const [failed] = await refused.create('products', [product('unsent')]);
  assert.equal(failed?.outcome, 'failed');
});

test('an unknown outcome is looked up', async () => {
  const shop = await store('--products', '3');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const records = [product('there'), product('not there')];
  assert.equal((await connection.create('products', records.slice(0, 1)))[0]?.outcome, 'applied');
  const outcomes = await connection.resolve('create', 'products', records);
  assert.deepEqual(outcomes.map(({ outcome }) => outcome), ['applied', 'failed']);
});

test('a cancelled write tells what became of its records', async () => {
  const shop = await store('--products', '3', '--latency-ms', '150');
  await using connection = await (await bigcommerce()).connect(shop.options({ requests_in_flight: 1 }));
  const records = Array.from({ length: 40 }, (_, index) => product(`cancelled ${index}`));
  const outcomes = await connection.create('products', records, { signal: AbortSignal.timeout(1000) });
  assert.equal(outcomes.length, records.length);
  assert.equal(outcomes.at(-1)?.outcome, 'skipped');
  const applied = outcomes.filter(({ outcome }) => outcome === 'applied').length;
  const names = connection.query({ object: 'products', fields: ['name'] });
  let found = 0;
  for await (const line of names) if (line.includes('cancelled ')) found++;
  assert.equal(found, applied);
});

test('a cancelled query ends with that code, and one that is not begun sends nothing', async () => {
  const shop = await store('--products', '500', '--latency-ms', '50');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const abort = new AbortController();
  const read = async () => {
    for await (const _ of connection.query({ object: 'products', pageSize: 10 }, { signal: abort.signal })) abort.abort();
  };
  const isCancelled = (error: unknown) => error instanceof ConnectorError && error.code === 'cancelled';
  await assert.rejects(read(), isCancelled);
  const { requests } = await shop.state();
  await assert.rejects(connection.test({ signal: abort.signal }), isCancelled);
  assert.equal((await shop.state()).requests, requests);
});

test('a call ends at its deadline, and a write then says what that means', async () => {
  const silent = await answers(() => {});
  const limits = { callTime: 500, cancelGrace: 500 };
  await using connection = await (await bigcommerce()).connect({ ...options(silent), limits });
  await assert.rejects(connection.test(), (error) => error instanceof HostError && error.code === 'deadline');
  const started = performance.now();
  const outcomes = await connection.create('products', [product('late')]).catch((error: unknown) => {
    assert.ok(error instanceof HostError && error.effect === 'every-record-unknown', String(error));
    return [{ outcome: 'unknown' }];
  });
  assert.equal(outcomes[0]?.outcome, 'unknown');
  assert.ok(performance.now() - started < 20_000);
});

test('closing ends what is under way', async () => {
  const silent = await answers(() => {});
  const connection = await (await bigcommerce()).connect(options(silent));
  const test = connection.test();
  setTimeout(() => void connection.close(), 300);
  await assert.rejects(test, HostError);
  await assert.rejects(connection.test(), (error) => error instanceof HostError && error.code === 'closed');
});
