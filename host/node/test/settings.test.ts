import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Capability, LogLine } from '../src/index.js';
import { ConnectorError, Connector, HostError, SettingsError } from '../src/index.js';
import { bigcommerce, cacheDir, component, store, TOKEN } from './emulator.js';

test('everything that is wrong with settings is told at once, with its place', async () => {
  const connector = await bigcommerce();
  const settings = { store_hash: 'no such hash!', page_size: 0, base_url: 'https://elsewhere.example.com' };
  await assert.rejects(connector.connect({ settings }), (error) => {
    assert.ok(error instanceof SettingsError);
    const places = error.errors.map(({ pointer }) => pointer);
    for (const place of ['/store_hash', '/page_size', '/base_url']) assert.ok(places.includes(place), `${places}`);
    assert.ok(error.errors.some(({ code, kind }) => code === 'origin-not-granted' && kind === 'denied'));
    return true;
  });
});

test('a proxy that nobody configured is told when connecting', async () => {
  const shop = await store('--products', '1');
  await assert.rejects((await bigcommerce()).connect(shop.options({ use_proxy: true })), (error) => {
    assert.ok(error instanceof SettingsError);
    assert.equal(error.errors[0]?.code, 'no-proxy');
    return true;
  });
});

test('a missing capability is named when the component is loaded', async () => {
  const names: Record<Capability, string> = {
    variables: 'ipaas:connector/variables',
    transport: 'ipaas:connector/transport',
    quota: 'ipaas:connector/quota',
    control: 'ipaas:connector/control',
    logging: 'ipaas:connector/logging',
    clocks: 'wasi:clocks/monotonic-clock',
    http: 'wasi:http/',
  };
  for (const [capability, name] of Object.entries(names) as [Capability, string][]) {
    await assert.rejects(Connector.load(component('bigcommerce'), { cacheDir, without: [capability] }), (error) => {
      assert.ok(error instanceof HostError);
      assert.equal(error.code, 'incompatible');
      assert.ok(error.message.includes(name), error.message);
      return true;
    });
  }
});

test('a file that is no component is refused', async () => {
  await assert.rejects(Connector.load(Buffer.from('not wasm'), { cacheDir }), (error) => {
    return error instanceof HostError && error.code === 'incompatible';
  });
});

/** The fixed connector with something else in it, of the same length. */
async function changed(from: RegExp, to: string): Promise<Uint8Array> {
  const bytes = (await readFile(component('fixed'))).toString('latin1');
  const other = bytes.replaceAll(from, to);
  assert.notEqual(other, bytes);
  return Buffer.from(other, 'latin1');
}

test('a component of another contract is refused, with both versions', async () => {
  const newer = await changed(/(ipaas:connector\/[a-z-]+)@0\.1\.0/g, '$1@0.9.0');
  await assert.rejects(Connector.load(newer, { cacheDir }), (error) => {
    assert.ok(error instanceof HostError && error.code === 'incompatible');
    assert.match(error.message, /ipaas:connector@0\.9\.0.*ipaas:connector@0\.1\.0/);
    return true;
  });
});

test('a component of a later contract of the series runs, unless it needs a function that is new', async () => {
  const later = await changed(/(ipaas:connector\/[a-z-]+)@0\.1\.0/g, '$1@0.1.7');
  const connector = await Connector.load(later, { cacheDir });
  await using connection = await connector.connect({ settings: { greeting: 'hi' } });
  assert.equal((await connection.test()).account, 'hi');
  const needy = await changed(/cancelled/g, 'cancelles');
  await assert.rejects(Connector.load(needy, { cacheDir }), (error) => {
    assert.ok(error instanceof HostError && error.code === 'incompatible');
    assert.match(error.message, /`cancelles` of `ipaas:connector\/control@0\.1\.0`/);
    return true;
  });
});

test('what makes no sense is refused before anything runs', async () => {
  const connector = await bigcommerce();
  for (const wrong of [
    { settings: {}, grant: ['https://a.example/path'] },
    { settings: {}, grant: ['a.example'] },
    { settings: {}, proxy: 'proxy.example' },
  ]) {
    await assert.rejects(connector.connect(wrong), (error) => {
      return error instanceof HostError && error.code === 'invalid-argument';
    });
  }
});

test('variables are read right before they are used', async () => {
  const shop = await store('--products', '1', '--token', 'first', '--token', 'second');
  let token = 'first';
  const asked: string[] = [];
  const variables = async (name: string) => {
    asked.push(name);
    return name === 'token' ? token : undefined;
  };
  await using connection = await (await bigcommerce()).connect({ ...shop.options(), variables });
  await connection.test();
  token = 'wrong';
  await assert.rejects(connection.test(), (error) => error instanceof ConnectorError && error.kind === 'unauthorized');
  token = 'second';
  await connection.test();
  assert.deepEqual([...new Set(asked)], ['token']);
});

test('a connector reads no variable that its settings do not mention', async () => {
  const shop = await store('--products', '1');
  const settings = { access_token: '[other{unused}]' };
  const variables = { token: TOKEN };
  await using connection = await (await bigcommerce()).connect({ ...shop.options(settings), variables });
  await assert.rejects(connection.test(), (error) => error instanceof ConnectorError && error.kind === 'unauthorized');
});

test('a vault that fails is told as such, and what it says to the caller alone', async () => {
  const shop = await store('--products', '1');
  let sealed = false;
  const variables = () => {
    if (sealed) throw new Error('sealed: token=hvs.SECRET');
    return TOKEN;
  };
  const lines: LogLine[] = [];
  const options = { ...shop.options(), variables, log: (line: LogLine) => void lines.push(line) };
  await using connection = await (await bigcommerce()).connect(options);
  sealed = true;
  await assert.rejects(connection.test(), (error) => {
    assert.ok(error instanceof SettingsError);
    assert.match(error.message, /look-up failed/);
    assert.doesNotMatch(JSON.stringify([error, error.message, lines]), /SECRET/);
    assert.match((error.errors[0]?.cause as Error).message, /hvs\.SECRET/);
    return true;
  });
});

test('what a secret setting holds is hidden, literal or variable', async () => {
  const fixed = await Connector.load(component('fixed'), { cacheDir });
  const variables = { shown: { value: 'shown-value', hidden: false }, open: { value: 'open-value', hidden: false } };
  const account = async (token: string, greeting: string) => {
    await using connection = await fixed.connect({ settings: { token, greeting }, variables });
    return (await connection.test()).account;
  };
  assert.equal(await account('[[literal', 'say [[literal'), 'say ****');
  assert.equal(await account('[none{by default}]', 'by default'), '****');
  assert.equal(await account('[shown]', '[shown] and [open]'), '**** and open-value');
});

test('hidden values stay out of messages and log lines', async () => {
  const shop = await store('--products', '1');
  const lines: LogLine[] = [];
  // As the store's hash, the value stands in messages and addresses.
  const variables = { token: TOKEN, hash: 'h1dd3n' };
  const options = { ...shop.options({ store_hash: '[hash]' }), variables, log: (line: LogLine) => void lines.push(line) };
  await using connection = await (await bigcommerce()).connect(options);
  await assert.rejects(connection.test(), (error: Error) => {
    assert.doesNotMatch(error.message, /h1dd3n/);
    return true;
  });
  assert.doesNotMatch(JSON.stringify(lines), /h1dd3n|emulated-token/);
});
