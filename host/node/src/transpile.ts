// The thread that transpiles a component (`workerData`) and ends.

import { parentPort, workerData } from 'node:worker_threads';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import { componentWit } from '@bytecodealliance/jco-transpile/wasm-tools';
import type { Transpiled } from './program.js';

const bytes = workerData as Uint8Array;
const [{ files }, wit] = await Promise.all([
  transpileBytes(bytes, { name: 'connector', instantiation: 'sync', outDir: '.', noComponentErrorWrapping: true }),
  componentWit(bytes),
]);
// The transpiler's own list of imports has no versions.
const world = /^world root \{$([\s\S]*?)^\}$/m.exec(wit)?.[1] ?? '';
const named = (word: string) => [...world.matchAll(new RegExp(`^  ${word} ([^;{]+);$`, 'gm'))].map(([, name]) => name ?? '');
const wanted = Object.entries(files).filter(([name]) => name.endsWith('.js') || name.endsWith('.wasm'));
const transpiled: Transpiled = {
  imports: named('import'),
  exports: named('export'),
  files: Object.fromEntries(wanted.map(([name, file]) => [name.replace(/^.*\//, ''), file as Uint8Array])),
};
parentPort?.postMessage(transpiled);
