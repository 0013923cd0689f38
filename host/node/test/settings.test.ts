import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

test('a component of another contract is refused, with both versions', async () => {
  const bytes = (await readFile(component('fixed'))).toString('latin1');
  const newer = bytes.replaceAll(/(ipaas:connector\/[a-z-]+)@0\.1\.0/g, '$1@0.9.0');
  assert.notEqual(newer, bytes);
  await assert.rejects(Connector.load(Buffer.from(newer, 'latin1'), { cacheDir }), (error) => {
    assert.ok(error instanceof HostError && error.code === 'incompatible');
    assert.match(error.message, /ipaas:connector@0\.9\.0.*ipaas:connector@0\.1\.0/);
    return true;
  });
});

test('what is kept of a component is made again when it is damaged, or another transpiler is installed', async () => {
  const folder = await mkdtemp(join(cacheDir, 'damaged-'));
  const load = () => Connector.load(component('fixed'), { cacheDir: folder });
  const { info } = await load();
  const [kept = ''] = await readdir(folder);
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.ok(kept.includes(`jco-transpile-${manifest.dependencies['@bytecodealliance/jco-transpile']}`), kept);
  const module = join(folder, kept, 'connector.js');
  await writeFile(module, 'throw new Error("this must not run");');
  assert.deepEqual((await load()).info, info);
  assert.doesNotMatch(await readFile(module, 'utf8'), /this must not run/);
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

test('a vault that fails is told as such', async () => {
  const shop = await store('--products', '1');
  let sealed = false;
  const variables = () => {
    if (sealed) throw new Error('the vault is sealed');
    return TOKEN;
  };
  await using connection = await (await bigcommerce()).connect({ ...shop.options(), variables });
  sealed = true;
  await assert.rejects(connection.test(), /the vault is sealed/);
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
