// A connector: one compiled version of a component, and the threads that its activities run in.

import { readFile } from 'node:fs/promises';
import { Connection } from './connection.js';
import type { ConnectOptions } from './connection.js';
import { HostError } from './errors.js';
import { DEFAULT_LIMITS } from './limits.js';
import type { Capability, Program } from './program.js';
import { prepare } from './program.js';
import { GuestThread } from './thread.js';
import type { Info } from './types.js';
import { secretSettings } from './variables.js';

/** Threads that are kept for the next activity; each holds a few MiB. */
const IDLE_THREADS = 2;

/** How a connector is loaded. */
export interface LoadOptions {
  /** Folder for transpiled components. Default: `connector/node` in the user's cache folder. */
  cacheDir?: string;
  /** Capabilities that connectors are not to have here. A component that needs one of them is refused. */
  without?: readonly Capability[];
}

/** A connector, ready to connect. */
export class Connector {
  readonly #program: Program;
  readonly #secrets: ReadonlySet<string>;
  readonly #idle: GuestThread[] = [];
  #connections = 0;

  private constructor(
    program: Program,
    /** What it says of itself. */
    readonly info: Info,
    secrets: ReadonlySet<string>,
  ) {
    this.#program = program;
    this.#secrets = secrets;
  }

  /** Its digest, `sha256:…`. */
  get digest(): string {
    return this.#program.digest;
  }

  /**
   * Loads a component, from a file or from its bytes.
   *
   * @throws {@link HostError} `incompatible` if it is no connector, is made for another contract, or needs what this host does not
   * offer.
   */
  static async load(component: string | URL | Uint8Array, options: LoadOptions = {}): Promise<Connector> {
    const bytes = component instanceof Uint8Array ? component : await readFile(component);
    const program = await prepare(bytes, options.cacheDir, options.without);
    const info = await describe(program);
    return new Connector(program, info, secretsOf(info));
  }

  /**
   * Makes a connection. Checks settings, variables and grants; sends nothing.
   *
   * @throws {@link SettingsError} with everything that is wrong with the settings.
   */
  async connect(options: ConnectOptions): Promise<Connection> {
    const threads = {
      take: () => {
        for (let thread; (thread = this.#idle.pop()) !== undefined; ) if (thread.usable) return thread;
        return new GuestThread(this.#program);
      },
      give: (thread: GuestThread) => {
        if (!thread.usable) return;
        if (this.#idle.length < IDLE_THREADS) this.#idle.push(thread);
        else void thread.end();
      },
      closed: async () => {
        if (--this.#connections === 0) await this.#end();
      },
    };
    this.#connections++;
    try {
      return await Connection.open({ name: this.info.name, secrets: this.#secrets }, threads, options);
    } catch (error) {
      await threads.closed();
      throw error;
    }
  }

  async #end(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((thread) => thread.end()));
  }
}

/** The settings that it calls secret. */
function secretsOf(info: Info): ReadonlySet<string> {
  try {
    return secretSettings(info.settingsSchema);
  } catch (cause) {
    throw new HostError('trap', 'the connector describes its settings by what is no JSON object', 'nothing-sent', { cause });
  }
}

/** Asks a component what it is, in a thread that ends afterwards. */
async function describe(program: Program): Promise<Info> {
  const thread = new GuestThread(program);
  try {
    const attendant = {
      variable: (name: string) => Promise.resolve({ error: { tag: 'undefined' as const, val: name } }),
      log: () => {},
      clean: (text: string) => text,
    };
    const { callTime, cancelGrace } = DEFAULT_LIMITS;
    const answer = await thread.ask({ type: 'describe' }, attendant, { callTime, cancelGrace, effect: 'nothing-sent' });
    if ('ok' in answer) return answer.ok as Info;
    throw new HostError('trap', 'the connector cannot say what it is');
  } finally {
    await thread.end();
  }
}
