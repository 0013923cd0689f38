// Transpiled components on disk. What lies there is run with the rights of this process, so it is used only if it is whole, and if it
// and its folder belong to this user (or root) and nobody else may write there: digests find damage, the owner keeps out attackers.
// Owner and mode are looked at where the system has them; elsewhere the operator answers for the folder.
//
// Folders appear by rename, so any number of processes may share them. A folder that is there already keeps the mode that it has.

import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HostError } from './errors.js';
import type { Transpiled } from './program.js';

/** Changes whenever what is kept does: the transpiler's version, and the version of this layout. */
const LAYOUT = 'jco-transpile-0.15.0-1';
const INDEX = 'index.json';
const OTHERS_MAY_WRITE = 0o022;
/** Whatever the umask lets the group do. */
const PRIVATE_FILE = { mode: 0o600 };

interface Index {
  imports: string[];
  exports: string[];
  /** SHA-256 of each file. */
  files: Record<string, string>;
}

/** What is kept of a component, and where. */
export interface Kept extends Transpiled {
  folder: string;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Whether nobody but this user, by number, and root can have written something. */
export function isOnlyOurs({ uid, mode }: Pick<Stats, 'uid' | 'mode'>, us: number | undefined): boolean {
  return us === undefined || ((uid === us || uid === 0) && (mode & OTHERS_MAY_WRITE) === 0);
}

const onlyOurs = (stats: Stats) => isOnlyOurs(stats, process.geteuid?.());

/** Whether the folder is there. Refuses one that somebody else may have written to. */
async function trusted(cacheDir: string): Promise<boolean> {
  const stats = await stat(cacheDir).catch(() => undefined);
  if (stats === undefined || onlyOurs(stats)) return stats !== undefined;
  const reason = `somebody else owns ${cacheDir} or may write into it, and what lies there is run`;
  throw new HostError('invalid-argument', `${reason}: take that right away, or name another folder for transpiled components (\`cacheDir\`)`);
}

async function readOurs(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    // The file that is open, whatever its name stands for by now.
    if (!onlyOurs(await file.stat())) throw new Error(`somebody else owns ${path} or may write into it`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

const folderOf = (cacheDir: string, digest: string) => join(cacheDir, `${LAYOUT}-${digest}`);

async function read(folder: string): Promise<Kept | undefined> {
  try {
    if (!onlyOurs(await stat(folder))) return undefined;
    const { imports, exports, files: digests } = JSON.parse((await readOurs(join(folder, INDEX))).toString()) as Index;
    const files: Record<string, Uint8Array> = {};
    for (const [name, digest] of Object.entries(digests)) {
      const bytes = await readOurs(join(folder, name));
      if (sha256(bytes) !== digest) return undefined;
      files[name] = bytes;
    }
    return { imports, exports, files, folder };
  } catch {
    // Not there, or damaged: it is made again.
    return undefined;
  }
}

/** What is kept of the component with this digest, if it is whole. */
export async function kept(cacheDir: string, digest: string): Promise<Kept | undefined> {
  return (await trusted(cacheDir)) ? read(folderOf(cacheDir, digest)) : undefined;
}

/** Keeps what transpiling gave. */
export async function keep(cacheDir: string, digest: string, transpiled: Transpiled): Promise<Kept> {
  const folder = folderOf(cacheDir, digest);
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  await trusted(cacheDir);
  const made = await mkdtemp(join(cacheDir, 'new-'));
  try {
    const { imports, exports, files } = transpiled;
    const digests = Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)] as const);
    const index: Index = { imports, exports, files: Object.fromEntries(digests) };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(made, name), bytes, PRIVATE_FILE);
    await writeFile(join(made, 'package.json'), '{"type":"module"}\n', PRIVATE_FILE);
    await writeFile(join(made, INDEX), JSON.stringify(index), PRIVATE_FILE);
    // Another process may have been faster: what it made is as good, and what is damaged gives way.
    if ((await read(folder)) === undefined) {
      await rm(folder, { recursive: true, force: true });
      await rename(made, folder);
    }
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  const found = await read(folder);
  if (found === undefined) throw new HostError('internal', `what was written to ${folder} cannot be read again`);
  return found;
}

/** The folder for transpiled components, unless the caller names another one. */
export function defaultCache(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'connector', 'node');
}
