// From a component's bytes to what a guest's thread runs: transpiled to a JavaScript module and core modules, once per digest, and
// held against the contract before it runs.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { defaultCache, keep, kept, sha256 } from './cache.js';
import { HostError } from './errors.js';

const ENTRY = 'connector.js';

/** What transpiling a component gives. */
export interface Transpiled {
  /** `ipaas:connector/quota@0.1.0`, … */
  imports: string[];
  exports: string[];
  files: Record<string, Uint8Array>;
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
/** The contract that this host knows. Later ones of its series only add functions. */
const WORLD = '0.1.0';
/** Its functions, by the names under which the core modules of components that `wit-component` made import them. */
const FUNCTIONS: Record<string, readonly string[]> = {
  variables: ['get'],
  transport: ['apply'],
  quota: ['reserve', 'report', '[method]permit.ready', '[resource-drop]permit'],
  control: ['cancelled'],
  logging: ['log'],
};

type Cores = Record<string, WebAssembly.Module>;

const seriesOf = (version: string) => version.split('.', 2).join('.');

/** Says what keeps a component from running here. Types need nothing of a host. */
function check({ imports, exports }: Transpiled, cores: Cores, without: readonly Capability[]): void {
  const refuse = (reason: string): never => {
    throw new HostError('incompatible', `this component cannot run here: ${reason}`);
  };
  const connection = exports.find((name) => name.startsWith('ipaas:connector/connection@'));
  if (connection === undefined) refuse('it does not export `ipaas:connector/connection`, so it is no connector');
  for (const name of [...exports, ...imports]) {
    const version = /^ipaas:connector\/[a-z-]+@(.+)$/.exec(name)?.[1];
    if (version !== undefined && seriesOf(version) !== seriesOf(WORLD)) {
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
  for (const { module, name } of Object.values(cores).flatMap((core) => WebAssembly.Module.imports(core))) {
    const known = FUNCTIONS[OWN.exec(module)?.[1] ?? ''];
    if (known?.includes(name) === false) refuse(`it needs \`${name}\` of \`${module}\`, which this host does not offer`);
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

/**
 * Prepares a component.
 *
 * @throws {@link HostError} `incompatible`; `invalid-argument` for a folder into which others may write.
 */
export async function prepare(
  bytes: Uint8Array,
  cacheDir: string = defaultCache(),
  without: readonly Capability[] = [],
): Promise<Program> {
  const digest = sha256(bytes);
  const found = (await kept(cacheDir, digest)) ?? (await keep(cacheDir, digest, await transpile(bytes)));
  const cores: Cores = {};
  for (const [name, file] of Object.entries(found.files)) {
    if (name.endsWith('.wasm')) cores[name] = await WebAssembly.compile(file as BufferSource);
  }
  check(found, cores, without);
  return { digest: `sha256:${digest}`, entry: pathToFileURL(join(found.folder, ENTRY)).href, cores };
}
