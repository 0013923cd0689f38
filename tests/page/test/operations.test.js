/** Operations: built, looked at, run to their report, cancelled and resumed, also while another version takes over. */
import assert from "node:assert/strict";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { PATIENCE, addConnection, chooseObject, inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
const PRODUCTS = 1500;
/** The price that the file has for a product. @param {number} id */
const priceOf = (id) => 1000 + id / 4;
/** The component that serves; another file in its place is another version. */
const SERVED = "connector.wasm";

/** The products of the store. @type {number[]} */
let ids;

before(async () => {
  w = await world({ products: PRODUCTS, latency: 250, component: SERVED, files: { "few.csv": "id,price\n1,4.50\nx,5.00\n2,7.25\n" } });
  await addConnection(w, "shop");
  ids = (await prices()).map(([id]) => id);
  await writeFile(join(w.folder, "prices.csv"), `id,price\n${ids.map((id) => `${id},${priceOf(id).toFixed(2)}\n`).join("")}`);
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

/** What the store has, in the order of the ids. @returns {Promise<[number, number][]>} */
async function prices() {
  /** @type {string} */
  const answer = await w.connector(["query", "shop", "products", "--fields", "id,price", "--order", "id"]);
  return answer.trim().split("\n").map((line) => JSON.parse(line)).map(({ id, price }) => [id, price]);
}

/** @param {string} state */
const reaches = (state) => w.page.getByRole("status").getByText(state, { exact: true }).waitFor({ timeout: 300_000 });

/** One figure of the report. @param {string} name */
async function figure(name) {
  const text = await w.page.locator("dl.figures div").filter({ has: w.page.getByText(name, { exact: true }) }).locator("dd").innerText();
  return Number(text.replace(/\D/g, ""));
}

/** Waits until the running run has applied more records than so many. @param {number} count */
async function appliesMoreThan(count) {
  for (const began = Date.now(); await figure("applied") <= count;) {
    assert.ok(Date.now() - began < PATIENCE, `it stays at ${count} records: ${await w.page.getByRole("main").innerText()}`);
    await setTimeout(100);
  }
}

test("an operation is built, its mapping looked at on real rows, and run to its report", async () => {
  const { page } = w;
  await visit(w, "/operations", "Operations");
  await page.getByText("There are no operations yet.").waitFor();
  await inspect(w, "operations-empty");
  await page.getByRole("link", { name: "New Operation" }).click();
  await page.getByLabel("Operation Name").fill("few");
  const source = page.getByRole("group", { name: "Source" });
  await source.getByLabel("Source: What It Is").selectOption("file");
  await source.getByLabel("File", { exact: true }).fill("few.csv");
  const target = page.getByRole("group", { name: "Target" });
  await target.getByLabel("Target: What It Is").selectOption("file");
  await target.getByLabel("File", { exact: true }).fill("out.ndjson");
  await page.getByRole("textbox", { name: /^Mapping/ }).fill("{id: (.id|tonumber), price}");
  await page.getByText("How It Runs", { exact: true }).click();
  await page.getByLabel("Continue on Error").check();
  await page.getByRole("button", { name: "Preview" }).click();
  const rows = page.getByRole("region", { name: "Preview" });
  await rows.getByText("7.25").first().waitFor();
  assert.match(await rows.innerText(), /Cannot parse "x"/, "the row that fails says why");
  await inspect(w, "operation");
  await page.getByRole("button", { name: "Save and Run" }).click();
  await page.getByRole("heading", { level: 1, name: "Run of few" }).waitFor();
  await reaches("done");
  assert.equal(await figure("read"), 3);
  assert.equal(await figure("failed"), 1);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Failed and Unknown Records" }).click();
  const rejected = JSON.parse(await readFile(await (await download).path(), "utf8"));
  assert.deepEqual([rejected.row, rejected.record], [2, { id: "x", price: 5 }]);
  await inspect(w, "run-report");
  const written = (await readFile(join(w.folder, "out.ndjson"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(written, [{ id: 1, price: 4.5 }, { id: 2, price: 7.25 }]);
});

test("what is wrong with an operation stands at its field, before anything runs or is kept", async () => {
  const { page } = w;
  await visit(w, "/new-operation", "New Operation");
  await page.getByLabel("Operation Name").fill("wrong");
  await page.getByRole("group", { name: "Source" }).getByLabel("File", { exact: true }).fill("nowhere.csv");
  await page.getByRole("group", { name: "Target" }).getByLabel("File", { exact: true }).fill("out.xlsx");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText(/does not tell a format/).waitFor();
  await page.getByRole("group", { name: "Target" }).getByLabel("File", { exact: true }).fill("out.csv");
  await page.getByRole("textbox", { name: /^Mapping/ }).fill("{id: .id");
  await page.getByRole("button", { name: "Save and Run" }).click();
  await page.getByText(/there is no file/i).waitFor();
  assert.equal(await page.getByText(/does not tell a format/).count(), 0, "what is mended is no longer marked");
  assert.equal(await page.getByRole("textbox", { name: /^Mapping/ }).getAttribute("aria-invalid"), "true");
  await inspect(w, "operation-wrong");
  assert.equal((await page.request.get("/v1/operations/wrong")).status(), 404);
});

test("a dry run tells its figures, and writes nothing", async () => {
  const { page } = w;
  await visit(w, "/operations", "Operations");
  await page.getByRole("button", { name: "Actions for few" }).click();
  await page.getByRole("menuitem", { name: "Dry run" }).click();
  const told = page.getByRole("dialog", { name: "Dry run of few" });
  await told.getByText("Nothing was written.").waitFor();
  assert.match(await told.innerText(), /read\s+3\s/);
  await inspect(w, "dry-run");
  await told.getByRole("button", { name: "Close" }).click();
  assert.equal((await (await page.request.get("/v1/runs?operation=few")).json()).items.length, 1);
});

/** Puts another version in the place of the one that serves. It is compiled before, so that the swap meets the run. */
async function nextVersion() {
  const [served, next] = [join(w.folder, SERVED), join(w.folder, "next.wasm")];
  // An empty section makes it another component that does the same.
  await writeFile(next, Buffer.concat([await readFile(served), Buffer.from("\0\x05\x04next", "latin1")]));
  await w.connector(["--connector", next, "objects", "shop"]);
  return () => rename(next, served);
}

test("a run goes on while another version takes over, is cancelled and resumed, and the store has what the file says", async () => {
  const { page } = w;
  const putInUse = await nextVersion();
  await visit(w, "/new-operation", "New Operation");
  await page.getByLabel("Operation Name").fill("prices");
  await page.getByLabel(/^Description/).fill("Prices from the file");
  await page.getByRole("group", { name: "Source" }).getByLabel("File", { exact: true }).fill("prices.csv");
  const target = page.getByRole("group", { name: "Target" });
  await target.getByLabel("Target: What It Is").selectOption("inline");
  await chooseObject(target, "products");
  await page.getByRole("textbox", { name: /^Mapping/ }).fill("{id: (.id|tonumber), price: (.price|tonumber)}");
  await page.getByText("How It Runs", { exact: true }).click();
  await page.getByLabel(/^Batch Size/).fill("20");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "prices" }).waitFor();
  await inspect(w, "operations");
  await page.getByRole("button", { name: "Run prices" }).click();
  await reaches("running");
  await page.getByRole("img", { name: /records were settled/ }).waitFor();
  await appliesMoreThan(0);

  await putInUse();
  const swapped = await page.request.post("/v1/deployments/bigcommerce/swap", { data: {}, timeout: 120_000 });
  assert.equal(swapped.status(), 200, await swapped.text());
  const asSwapped = await figure("applied");
  await appliesMoreThan(asSwapped);
  await inspect(w, "run");

  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await reaches("cancelled");
  const applied = await figure("applied");
  assert.ok(applied > asSwapped && applied < PRODUCTS, `${applied} were applied when it was cancelled, ${asSwapped} at the swap`);
  await inspect(w, "run-cancelled");

  const operation = await (await page.request.get("/v1/operations/prices")).json();
  await page.request.put("/v1/operations/prices", { data: { ...operation, run: { ...operation.run, batch_size: 10 } } });
  await page.getByRole("button", { name: "Resume" }).click();
  const changed = page.getByRole("dialog", { name: "The operation has changed since" });
  await changed.getByText("This run goes on as it was started.").waitFor();
  await changed.getByRole("button", { name: "Close" }).click();
  await reaches("done");
  assert.deepEqual(await Promise.all(["read", "applied", "failed", "unknown", "skipped"].map(figure)), [PRODUCTS, PRODUCTS, 0, 0, 0]);
  assert.deepEqual(await prices(), ids.map((id) => [id, priceOf(id)]));
});
