// From a component's bytes to what a guest's thread runs: transpiled to a JavaScript module and core modules, once per digest, in a
// folder of the user's. What lies there is run, so it is held against its digests first, and others must not write to it.

import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { HostError } from './errors.js';

/** Changes whenever what is kept does: the transpiler's version, and the version of this layout. */
const LAYOUT = 'jco-transpile-0.15.0-1';
const INDEX = 'index.json';
const ENTRY = 'connector.js';

/** What transpiling a component gives. */
export interface Transpiled {
  /** `ipaas:connector/quota@0.1.0`, … */
  imports: string[];
  exports: string[];
  files: Record<string, Uint8Array>;
}

interface Index {
  imports: string[];
  exports: string[];
  /** SHA-256 of each file. */
  files: Record<string, string>;
}

/** A component, ready to run. */
export interface Program {
  digest: string;
  entry: string;
  cores: Record<string, WebAssembly.Module>;
}

/** What a host may offer. */
export type Capability = 'variables' | 'transport' | 'quota' | 'control' | 'logging' | 'clocks' | 'http';

const OWN = /^ipaas:connector\/(variables|transport|quota|control|logging)@(.+)$/;
const WASI = /^wasi:(?:(clocks)\/monotonic-clock|(http)\/(?:types|outgoing-handler)|io\/(?:error|poll|streams))@0\.2\.\d+$/;
/** The contract that this host knows. */
const WORLD = '0.1.0';

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Says what keeps a component from running here. Types need nothing of a host. */
function check({ imports, exports }: Index, without: readonly Capability[]): void {
  const refuse = (reason: string): never => {
    throw new HostError('incompatible', `this component cannot run here: ${reason}`);
  };
  const connection = exports.find((name) => name.startsWith('ipaas:connector/connection@'));
  if (connection === undefined) refuse('it does not export `ipaas:connector/connection`, so it is no connector');
  for (const name of [...exports, ...imports]) {
    const version = /^ipaas:connector\/[a-z-]+@(.+)$/.exec(name)?.[1];
    if (version !== undefined && version !== WORLD) {
      refuse(`it is made for \`ipaas:connector@${version}\`, and this host serves \`ipaas:connector@${WORLD}\``);
    }
  }
  for (const name of imports) {
    if (name.startsWith('ipaas:connector/types@')) continue;
    const own = OWN.exec(name);
    const wasi = WASI.exec(name);
    if (own === null && wasi === null) refuse(`it needs \`${name}\`, which this host does not offer`);
    const capability = (own?.[1] ?? wasi?.[1] ?? wasi?.[2]) as Capability | undefined;
    if (capability !== undefined && without.includes(capability)) {
      refuse(`it needs \`${name}\`, and the host was told to do without ${capability}`);
    }
  }
}

/** Transpiling takes the better part of a second, so it has a thread of its own. */
function transpile(bytes: Uint8Array): Promise<Transpiled> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./transpile.js', import.meta.url), { workerData: bytes, execArgv: [] });
    worker.once('message', resolve);
    worker.once('error', (error: Error) => {
      reject(new HostError('incompatible', `this is no component that can be run: ${error.message}`));
    });
  });
}

async function read(folder: string): Promise<{ index: Index; files: Record<string, Uint8Array> } | undefined> {
  try {
    const index = JSON.parse(await readFile(join(folder, INDEX), 'utf8')) as Index;
    const files: Record<string, Uint8Array> = {};
    for (const [name, digest] of Object.entries(index.files)) {
      const bytes = await readFile(join(folder, name));
      if (sha256(bytes) !== digest) return undefined;
      files[name] = bytes;
    }
    return { index, files };
  } catch {
    // Not there, or damaged: it is made again.
    return undefined;
  }
}

async function write(parent: string, folder: string, transpiled: Transpiled): Promise<void> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await chmod(parent, 0o700);
  const made = await mkdtemp(join(parent, 'new-'));
  try {
    const { imports, exports, files } = transpiled;
    const digests = Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)] as const);
    const index: Index = { imports, exports, files: Object.fromEntries(digests) };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(made, name), bytes);
    await writeFile(join(made, 'package.json'), '{"type":"module"}\n');
    await writeFile(join(made, INDEX), JSON.stringify(index));
    // Another process may have been faster: what it made is as good, and what is damaged gives way.
    if ((await read(folder)) !== undefined) return;
    await rm(folder, { recursive: true, force: true });
    await rename(made, folder);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** The folder for transpiled components, unless the caller names another one. */
function defaultCache(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'connector', 'node');
}

/** Prepares a component. */
export async function prepare(
  bytes: Uint8Array,
  cacheDir: string = defaultCache(),
  without: readonly Capability[] = [],
): Promise<Program> {
  const digest = sha256(bytes);
  const folder = join(cacheDir, `${LAYOUT}-${digest}`);
  let kept = await read(folder);
  if (kept === undefined) {
    await write(cacheDir, folder, await transpile(bytes));
    kept = await read(folder);
  }
  if (kept === undefined) throw new HostError('internal', `what was written to ${folder} cannot be read again`);
  check(kept.index, without);
  const cores: Record<string, WebAssembly.Module> = {};
  for (const [name, file] of Object.entries(kept.files)) {
    if (name.endsWith('.wasm')) cores[name] = await WebAssembly.compile(file as BufferSource);
  }
  return { digest: `sha256:${digest}`, entry: pathToFileURL(join(folder, ENTRY)).href, cores };
}
