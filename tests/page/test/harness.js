/**
 * What the tests share: an emulated store, `connector serve` in a project of its own, and a browser. All of them end with the test.
 */
import { spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const BINARIES = needed("CONNECTOR_BINARIES");
/** Where the components are that the project builds. */
export const COMPONENTS = join(BINARIES, "../components");
/** Where the pictures of the screens go. */
export const SCREENS = new URL("../screens/", import.meta.url).pathname;
/** A machine that builds something else meanwhile is slow. */
export const PATIENCE = Number(process.env["PAGE_PATIENCE_MS"] ?? 30_000);
/** The token that the emulated store takes. */
export const TOKEN = "planted-token-5f2b";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @param {string} name */
function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by \`cargo xtask page\``);
  return value;
}

/**
 * @param {string} program
 * @param {string[]} options
 * @param {import("node:child_process").SpawnOptions} more
 */
async function start(program, options, more) {
  const child = spawn(join(BINARIES, program), options, { ...more, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr?.on("data", (piece) => (said += piece));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const first = await new Promise((resolve, reject) => {
    if (child.stdout) createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", reject);
    void ended.then(() => reject(new Error(`${program} ended: ${said}`)));
  });
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { first: String(first), stop, said: () => said };
}

/** Runs the program to its end. @param {string[]} options @param {import("node:child_process").SpawnOptions} more */
function run(options, more) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(BINARIES, "connector"), options, { ...more, stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout?.on("data", (piece) => (out += piece));
    child.stderr?.on("data", (piece) => (err += piece));
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve(out) : reject(new Error(`connector ${options.join(" ")}: ${err}`))));
  });
}

/**
 * Everything that a test of the page needs.
 *
 * @param {{products?: number, latency?: number, files?: Record<string, string>, component?: string, installed?: string[],
 *   token?: string, options?: string[]}} [wishes] `component` names a file of the project that the component served is copied to, so
 *   that another can take its place; `installed` components that the project has versions of; `token` is asked of whoever asks;
 *   `options` come before `serve`.
 */
export async function world({ products = 300, latency = 0, files = {}, component, installed = [], token, options = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "connector-page-"));
  /** @type {(() => Promise<unknown>)[]} */
  const endings = [() => rm(folder, { recursive: true, force: true })];
  const end = async () => {
    for (const ending of endings.reverse()) await ending();
  };
  try {
    const environment = { ...process.env, XDG_CONFIG_HOME: join(folder, "user"), CONNECTOR_PROJECT: folder, NO_COLOR: "1" };
    for (const name of Object.keys(environment)) if (/proxy$/i.test(name)) Reflect.deleteProperty(environment, name);
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(folder, name, ".."), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    const store = await start("bigcommerce-emulator", ["--products", String(products), "--token", TOKEN, "--latency-ms", String(latency)], {});
    endings.push(store.stop);
    const { url, store_hash: hash } = JSON.parse(store.first);
    const connector = (/** @type {string[]} */ options) => run(options, { cwd: folder, env: environment });
    const served = component ? ["--connector", join(folder, component), "--look", "60m"] : [];
    if (component) await copyFile(join(COMPONENTS, "bigcommerce.wasm"), join(folder, component));
    for (const name of installed) await connector(["versions", "install", join(COMPONENTS, name), "--use"]);
    if (token) {
      await writeFile(join(folder, "token"), token);
      served.push("--token-file", join(folder, "token"));
    }
    const server = await start("connector", [...options, "serve", "--listen", "127.0.0.1:0", ...served], { cwd: folder, env: environment });
    endings.push(server.stop);
    const home = server.first.replace("listening on ", "").trim();
    // The connector is compiled once, which takes its time and is not the page's.
    await (await fetch(`${home}/v1/connectors`, { headers: token ? { authorization: `Bearer ${token}` } : {} })).text();
    const browser = await launch(folder);
    endings.push(() => browser.close());
    const context = await browser.newContext({ baseURL: home, viewport: { width: 1100, height: 800 } });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on("dialog", (dialog) => void dialog.accept());
    /** What must not happen on any screen. @type {string[]} */
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith(home) && !/^(data|blob):/.test(request.url())) faults.push(`asked for ${request.url()}`);
    });
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
    });
    return { folder, url, hash, home, page, context, faults, connector, server, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** @typedef {Awaited<ReturnType<typeof world>>} World */

/** @param {string} folder */
async function launch(folder) {
  const fonts = join(folder, "fonts.conf");
  await writeFile(fonts, `<?xml version="1.0"?><fontconfig><dir>${needed("CHROMIUM_FONTS")}</dir><cachedir>${folder}/fonts</cachedir></fontconfig>`);
  return chromium.launch({
    executablePath: needed("CHROMIUM"),
    // The sandbox needs rights that a container does not give; the page is our own.
    args: ["--no-sandbox", "--disable-gpu"],
    env: { ...process.env, FONTCONFIG_FILE: fonts, HOME: folder },
  });
}

/** Opens the page anew at a screen, and waits until it is there. @param {World} world @param {string} hash @param {string | RegExp} heading */
export async function visit({ page }, hash, heading) {
  await page.goto("about:blank");
  await page.goto(`/#${hash}`);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
}

/** Chooses from a menu. @param {World} world @param {string} name Whose. @param {string} action */
export async function choose({ page }, name, action) {
  await page.getByRole("button", { name: `Actions for ${name}`, exact: true }).click();
  await page.getByRole("menuitem", { name: action, exact: true }).click();
}

/** Chooses from a list of objects. @param {import("playwright-core").Locator} within @param {string} name */
export async function chooseObject(within, name) {
  const list = within.getByRole("region", { name: "Select an Object" });
  await list.getByLabel("Search in any column").fill(name);
  await list.getByRole("button", { name, exact: true }).click();
  await within.getByText(`Selected: ${name}`, { exact: true }).waitFor();
}

/** What the page hands over as a file: its name and its text. @param {World} world @param {() => Promise<unknown>} act */
export async function downloaded({ page }, act) {
  const download = page.waitForEvent("download");
  await act();
  const file = await download;
  return { name: file.suggestedFilename(), text: await readFile(await file.path(), "utf8") };
}

/** A connection to the emulated store, by the command line. @param {World} world @param {string} name */
export function addConnection({ connector, url, hash }, name) {
  const settings = [`store_hash=${hash}`, `access_token=${TOKEN}`, `base_url=${url}`].flatMap((setting) => ["--set", setting]);
  return connector(["connection", "add", name, ...settings, "--grant", url]);
}

/**
 * Takes a picture of the screen, and has axe look at it: light and dark, wide and narrow.
 *
 * @param {World} world
 * @param {string} name
 */
export async function inspect({ page }, name) {
  await mkdir(SCREENS, { recursive: true });
  const wide = { width: 1100, height: 800 };
  for (const [kind, colorScheme, viewport] of /** @type {const} */ ([
    ["light", "light", wide], ["dark", "dark", wide], ["narrow", "light", { width: 360, height: 740 }],
  ])) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.screenshot({ path: join(SCREENS, `${name}-${kind}.png`), fullPage: true });
    const found = await violations(page);
    if (found.length > 0) throw new Error(`${name}, ${kind}: ${found.join("\n")}`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) throw new Error(`${name}, ${kind}: the page is ${over} px wider than the window`);
  }
  await page.setViewportSize(wide);
  await page.emulateMedia({ colorScheme: "light" });
}

/** What axe calls serious or worse. @param {import("playwright-core").Page} page @returns {Promise<string[]>} */
async function violations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    // @ts-expect-error axe is there since the line above
    const { violations } = await window.axe.run(document);
    return violations.filter((/** @type {any} */ one) => one.impact === "serious" || one.impact === "critical")
      .map((/** @type {any} */ one) => `${one.id}: ${one.help}: ${one.nodes.map((/** @type {any} */ node) => node.html).join(" | ")}`);
  });
}
