import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectorError } from '../src/index.js';
import { bigcommerce, store } from './emulator.js';

test('a query delivers every record once, as text, as bytes and parsed', async () => {
  const shop = await store('--products', '620');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const request = { object: 'products', fields: ['id', 'price'] };
  const texts: string[] = [];
  for await (const line of connection.query(request)) texts.push(line);
  assert.equal(texts.length, 620);
  assert.equal(new Set(texts).size, 620);
  const bytes: string[] = [];
  for await (const line of connection.query(request, { as: 'bytes' })) bytes.push(Buffer.from(line).toString());
  assert.deepEqual(bytes, texts);
  const ids: unknown[] = [];
  for await (const record of connection.query(request, { as: 'object' })) ids.push(record['id']);
  assert.deepEqual(ids, texts.map((line) => (JSON.parse(line) as { id: number }).id));
});

test('numbers keep their digits', async () => {
  const shop = await store('--products', '3');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const [outcome] = await connection.create('products', [
    '{"name":"Digits","type":"physical","weight":1,"price":25.00,"categories":[]}',
  ]);
  assert.equal(outcome?.outcome, 'applied');
  const filter = [{ field: 'name', op: 'equal', value: '"Digits"' } as const];
  for await (const line of connection.query({ object: 'products', filter })) assert.match(line, /"price": ?25\.00?\b/);
});

test('a query goes on from its cursor in another instance', async () => {
  const shop = await store('--products', '30');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const request = { object: 'products', pageSize: 10, fields: ['id'] };
  const whole: string[] = [];
  for await (const line of connection.query(request)) whole.push(line);
  const query = connection.query(request);
  let first = '';
  for await (const page of query.pages()) {
    first = Buffer.from(page.records).toString();
    break;
  }
  assert.ok(query.cursor !== undefined);
  const rest: string[] = [];
  for await (const line of connection.query({ ...request, cursor: query.cursor })) rest.push(line);
  assert.deepEqual([...first.trimEnd().split('\n'), ...rest], whole);
});

test('an incremental query says where the next one begins', async () => {
  const shop = await store('--products', '5');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const first = connection.query({ object: 'products', since: '' });
  let records = 0;
  for await (const _ of first) records++;
  assert.equal(records, 5);
  assert.ok(first.state !== undefined);
  for await (const line of connection.query({ object: 'products', since: first.state })) assert.fail(line);
});

test('objects, schemas and plans are those of the contract', async () => {
  const shop = await store('--products', '5');
  await using connection = await (await bigcommerce()).connect(shop.options());
  const objects = await connection.listObjects();
  assert.deepEqual(objects.find(({ name }) => name === 'products')?.activities, ['query', 'create', 'update', 'delete']);
  const products = await connection.describeObject('products');
  assert.deepEqual(products.key, ['id']);
  assert.ok(products.fields.some(({ pushedDown }) => pushedDown.includes('greater-or-equal')));
  assert.equal((await connection.explain({ object: 'products' })).consistency, 'stable');
  await assert.rejects(connection.describeObject('unicorns'), (error) => {
    assert.ok(error instanceof ConnectorError);
    assert.equal(error.kind, 'not-found');
    assert.equal(error.retry, 'never');
    return true;
  });
});
