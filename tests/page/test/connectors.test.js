/** Several connectors in one project, and an operator with a proxy: each connector's form is drawn from its own schema. */
import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { COMPONENTS, PATIENCE, addConnection, choose, inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  // Nothing listens there: no test that works goes through it.
  w = await world({ installed: ["fixed.wasm"], options: ["--proxy", "http://127.0.0.1:9"] });
  await addConnection(w, "shop");
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

test("another connector gets its form from its own schema, and its connections may have the same names", async () => {
  const { page } = w;
  await visit(w, "/new-connection", /^New .* Connection$/);
  await page.getByLabel("Connector", { exact: true }).selectOption("fixed");
  await page.getByLabel(/^Greeting/).waitFor();
  for (const label of [/^Greeting/, /^Token/, /^An address, never used/, /^Keep idle sockets open/, /^Use proxy/]) {
    assert.equal(await page.getByLabel(label).first().isVisible(), true, String(label));
  }
  assert.equal(await page.getByLabel("Store Hash").count(), 0);
  assert.equal(await page.getByLabel(/^Greeting/).getAttribute("placeholder"), "hello", "what holds where nothing is typed");
  assert.equal(await page.getByLabel(/^Token/).getAttribute("type"), "password");
  await page.getByLabel("Connection Name").fill("shop");
  await page.getByLabel(/^Keep idle sockets open/).fill("1.5");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText("A whole number is needed.").waitFor();
  await inspect(w, "connection-of-another-connector");
  await page.getByLabel(/^Keep idle sockets open/).fill("");
  await page.getByLabel(/^Greeting/).fill("good day");
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("The connection works.").first().waitFor();
  assert.match(await page.getByRole("region", { name: "Test" }).innerText(), /good day/);
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  assert.deepEqual((await page.getByRole("rowheader").allInnerTexts()).map((name) => name.trim()), ["shop", "shop"]);
  await inspect(w, "connections-of-two-connectors");
});

test("of two connections with one name each leads to its own objects and settings", async () => {
  const { page } = w;
  for (const [connector, object] of /** @type {const} */ ([["fixed", "people"], ["bigcommerce", "products"]])) {
    await visit(w, "/connections", "Connections");
    await page.getByRole("row").filter({ hasText: connector }).getByRole("link", { name: "shop" }).click();
    await page.getByRole("link", { name: "Objects" }).click();
    await page.getByLabel("Search in any column").fill(object);
    await page.getByRole("button", { name: object, exact: true }).waitFor();
  }
  await visit(w, "/connections/fixed:shop/edit", /^Edit shop/);
  assert.equal(await page.getByLabel(/^Greeting/).inputValue(), "good day");
  await page.getByLabel(/^Greeting/).fill("hi");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  assert.match(await w.connector(["connection", "show", "fixed:shop"]), /\bhi\b/);
});

test("proxy settings can be used where the operator has configured a proxy", async () => {
  const { page } = w;
  await visit(w, "/connections/bigcommerce:shop/edit", /^Edit shop/);
  const proxy = page.getByLabel("Use Proxy Settings (Private Agent Only)");
  assert.equal(await proxy.isEnabled(), true);
  assert.equal(await page.getByText("has configured no proxy").count(), 0);
  await proxy.check();
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("The connection does not work.").waitFor();
  assert.match(await page.getByRole("region", { name: "Test" }).innerText(), /proxy/i, "it went by the proxy, where nobody is");
  await inspect(w, "connection-by-proxy");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  await visit(w, "/connections/bigcommerce:shop/edit", /^Edit shop/);
  assert.equal(await proxy.isChecked(), true);
});

/** What a test of the fixed connector's connection says, step by step. @param {string} picture */
async function steps(picture) {
  await visit(w, "/connections", "Connections");
  await choose(w, "fixed:shop", "Test");
  const dialog = w.page.getByRole("dialog", { name: "Test of fixed:shop" });
  await dialog.getByText("The connection works.").waitFor();
  const told = await dialog.getByRole("listitem").allInnerTexts();
  await inspect(w, picture);
  return told;
}

test("a test says that a newer version was held back by the policy, and once it may, that none is newer", async () => {
  const offered = join(w.folder, "offered");
  await mkdir(offered);
  await copyFile(join(COMPONENTS, "bigcommerce.wasm"), join(offered, "bigcommerce-0.1.0.wasm"));
  await w.connector(["versions", "sources", "add", offered]);
  await w.connector(["versions", "policy", "--auto-update", "off"]);
  assert.match((await steps("test-held-back"))[0] ?? "", /automatic updates off/);
  await w.connector(["versions", "policy", "--auto-update", "unsigned", "--signatures", "off"]);
  assert.match((await steps("test-none-newer"))[0] ?? "", /No newer version of fixed in one source/);
});

/** The fixed connector as if it were of this version, which stands in a table of fields of 32 bytes. @param {string} version */
async function fixedOf(version) {
  const component = await readFile(join(COMPONENTS, "fixed.wasm"));
  const [mark, width] = ["fixed/variant/1:", 32];
  component.write(version.padEnd(width), component.indexOf(mark) + mark.length + width, "latin1");
  return component;
}

test("a test downloads a newer version that the policy allows, says so in its steps, and that version serves", async () => {
  const { page } = w;
  await writeFile(join(w.folder, "offered/fixed-7.0.0.wasm"), await fixedOf("7.0.0"));
  const told = (await steps("test-downloads")).join("\n");
  assert.match(told, /^Found fixed 7\.0\.0 [^]*\nDownloaded [^]*\nInstalled [^]*\nFixed 7\.0\.0 .* passed its self-test .* and is in use/);
  // The server takes over what is in use in the project when it looks at it next.
  const serving = page.getByRole("region", { name: "Versions of fixed that are loaded" }).getByRole("row").filter({ hasText: "serving" });
  for (const began = Date.now(); ; await setTimeout(200)) {
    await visit(w, "/versions", "Versions");
    const row = await serving.innerText();
    if (/^7\.0\.0\s/.test(row)) break;
    assert.ok(Date.now() - began < PATIENCE, row);
  }
  assert.match((await steps("test-newest"))[0] ?? "", /No newer version of fixed in one source/);
});
