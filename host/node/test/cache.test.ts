// What is kept of components on disk: whole, and nobody else's.

import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOnlyOurs } from '../src/cache.js';
import { Connector, HostError } from '../src/index.js';
import { cacheDir, component } from './emulator.js';

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

const ELSEWHERE = process.geteuid === undefined ? 'this system has no modes' : false;

test('a folder keeps the mode that it has', { skip: ELSEWHERE }, async () => {
  const folder = await mkdtemp(join(cacheDir, 'shared-'));
  await chmod(folder, 0o755);
  await Connector.load(component('fixed'), { cacheDir: folder });
  assert.equal((await stat(folder)).mode & 0o777, 0o755);
});

test('a folder into which others may write is refused, and left as it is', { skip: ELSEWHERE }, async () => {
  const folder = await mkdtemp(join(cacheDir, 'open-'));
  for (const mode of [0o777, 0o770]) {
    await chmod(folder, mode);
    await assert.rejects(Connector.load(component('fixed'), { cacheDir: folder }), (error) => {
      assert.ok(error instanceof HostError && error.code === 'invalid-argument');
      assert.ok(error.message.includes(folder) && error.message.includes('cacheDir'), error.message);
      return true;
    });
    assert.equal((await stat(folder)).mode & 0o777, mode);
    assert.deepEqual(await readdir(folder), []);
  }
});

test('a module into which others may write is not run', { skip: ELSEWHERE }, async () => {
  const folder = await mkdtemp(join(cacheDir, 'loose-'));
  await Connector.load(component('fixed'), { cacheDir: folder });
  const [kept = ''] = await readdir(folder);
  const module = join(folder, kept, 'connector.js');
  await chmod(module, 0o666);
  await Connector.load(component('fixed'), { cacheDir: folder });
  assert.equal((await stat(module)).mode & 0o777, 0o600);
});

test('only what this user or root alone can write is trusted', () => {
  const cases: [uid: number, mode: number, trusted: boolean][] = [
    [1000, 0o40700, true],
    [1000, 0o100644, true],
    [0, 0o40755, true],
    [1001, 0o40700, false],
    [1000, 0o40770, false],
    [1000, 0o100622, false],
    [0, 0o41777, false],
  ];
  for (const [uid, mode, trusted] of cases) assert.equal(isOnlyOurs({ uid, mode }, 1000), trusted, `${uid} ${mode.toString(8)}`);
});
