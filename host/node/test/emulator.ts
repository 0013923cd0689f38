// An emulated store for one test, and what every test needs.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import type { ConnectOptions } from '../src/index.js';
import { Connector } from '../src/index.js';

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run \`cargo xtask hosts\``);
  return value;
}

/** A component of the project. */
export const component = (name: string) => join(needed('CONNECTOR_COMPONENTS'), `${name}.wasm`);

/** A folder for transpiled components, shared by the tests of one process. */
export const cacheDir = mkdtempSync(join(tmpdir(), 'connector-node-'));
process.on('exit', () => rmSync(cacheDir, { recursive: true, force: true }));

let loaded: Promise<Connector> | undefined;

/** The connector for BigCommerce. */
export function bigcommerce(): Promise<Connector> {
  return (loaded ??= Connector.load(component('bigcommerce'), { cacheDir }));
}

export const TOKEN = 'emulated-token';

/** What a store's server says of itself. */
export interface State {
  requests: number;
  connections_accepted: number;
  connections_open: number;
  records: Record<string, number>;
}

export interface Store {
  origin: string;
  /** What connects to it; settings are added to the usual ones. */
  options(settings?: Record<string, unknown>): ConnectOptions & { settings: Record<string, unknown> };
  state(): Promise<State>;
}

/** Settings of a connection to a store at this origin. */
export function options(origin: string, settings: Record<string, unknown> = {}): ReturnType<Store['options']> {
  return {
    settings: { store_hash: 'emu1ated', access_token: '[token]', base_url: origin, ...settings },
    variables: { token: TOKEN },
    grant: [origin],
  };
}

/** A GET on a socket of its own. */
function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve(text)).on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

/** Starts an emulated store, which ends with the test file. */
export async function store(...args: string[]): Promise<Store> {
  const emulator = spawn(needed('CONNECTOR_EMULATOR'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  after(() => emulator.kill());
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: emulator.stdout }).once('line', resolve);
    emulator.once('error', reject).once('exit', (code) => reject(new Error(`the emulator ended (${code})`)));
  });
  const { url } = JSON.parse(line) as { url: string };
  const { origin } = new URL(url);
  return {
    origin,
    options: (settings) => options(origin, settings),
    state: async () => JSON.parse(await get(`${origin}/_emulator/state`)) as State,
  };
}
