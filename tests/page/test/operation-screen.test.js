/** The operation screen: a query and a write that stand in the operation itself, when it runs, and a dry run of it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { addConnection, choose, chooseObject, downloaded, inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ products: 60 });
  await addConnection(w, "shop");
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

/** An operation as the API has it. @param {string} name */
async function saved(name) {
  const { name: _, revision: __, ...operation } = await (await w.page.request.get(`/v1/operations/${name}`)).json();
  return operation;
}

const source = () => w.page.getByRole("group", { name: "Source", exact: true });
const target = () => w.page.getByRole("group", { name: "Target", exact: true });

const STOCK = {
  source: {
    connection: "shop", object: "products", where: ["price >= 10", "id > 0"], fields: ["id", "sku", "price"], order_by: ["-id"],
    include: ["variants"], max_records: 4,
  },
  target: { connection: "shop", verb: "update", object: "products", mode: "upsert", match_on: ["sku"] },
  mapping: { jq: "{sku, price}" },
  run: { batch_size: 2, continue_on_error: true },
  schedule: { every: "1h", missed: "run" },
};

test("a query and a write are built in the operation itself, with everything that an activity has, and kept as they stand", async () => {
  const { page } = w;
  await visit(w, "/new-operation", "New Operation");
  await page.getByLabel("Operation Name").fill("stock");
  await source().getByLabel("Source: What It Is").selectOption("inline");
  await chooseObject(source(), "products");
  await source().getByLabel("Field", { exact: true }).selectOption("price");
  await source().getByLabel("Comparison").selectOption(">=");
  await source().getByLabel("Value", { exact: true }).fill("10");
  await page.keyboard.press("Enter");
  const conditions = source().getByLabel(/^Conditions/);
  assert.equal(await conditions.inputValue(), "price >= 10");
  await conditions.fill("price >= 10\nid ~ 0");
  await source().getByLabel(/^Fields/).fill("id, sku, price");
  await source().getByLabel(/^Order/).fill("-id");
  await source().getByLabel(/^Include/).fill("variants");
  await source().getByLabel(/^At Most/).fill("4");
  await target().getByLabel("Target: What It Is").selectOption("inline");
  await chooseObject(target(), "products");
  assert.equal(await target().getByLabel(/^Match On/).isVisible(), false, "only an upsert looks for records");
  await target().getByLabel("Mode").selectOption("upsert");
  await target().getByLabel(/^Match On/).fill("sku");
  await page.getByRole("textbox", { name: /^Mapping/ }).fill("{sku, price}");
  await page.getByText("How It Runs", { exact: true }).click();
  await page.getByLabel(/^Batch Size/).fill("2");
  await page.getByLabel("Continue on Error").check();
  await page.getByLabel("Runs by Itself").selectOption("every");
  await page.getByLabel("Period").fill("often");
  await page.getByLabel("Times at Which No Server Ran").selectOption("run");
  await page.getByRole("button", { name: "Save Changes" }).click();
  const wrong = page.locator("[aria-invalid]");
  await page.getByText(/cannot read the condition/i).waitFor();
  await page.getByText(/is no period/).waitFor();
  assert.equal(await wrong.count(), 2, "each mistake stands at its field");
  await inspect(w, "operation-inline-wrong");
  await conditions.fill("price >= 10\nid > 0");
  await page.getByLabel("Period").fill("1h");
  await inspect(w, "operation-inline");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "stock" }).waitFor();
  await page.getByText(/^Runs by itself \(every 1h\), next /).waitFor();
  assert.deepEqual(await saved("stock"), STOCK);
  const { name, text } = await downloaded(w, () => choose(w, "stock", "Export"));
  assert.deepEqual([name, text], ["stock.toml", await readFile(join(w.folder, "operations/stock.toml"), "utf8")]);
});

test("opened again, an operation shows what it has, tells when it runs next, and nothing of it is taken for changed", async () => {
  const { page } = w;
  await visit(w, "/operations/stock", "stock");
  await source().getByText("Selected: products").waitFor();
  assert.equal(await source().getByLabel(/^Conditions/).inputValue(), "price >= 10\nid > 0");
  assert.equal(await source().getByRole("button", { name: "products", exact: true }).getAttribute("aria-pressed"), "true");
  assert.equal(await target().getByLabel("Mode").inputValue(), "upsert");
  assert.equal(await target().getByLabel(/^Match On/).inputValue(), "sku");
  assert.equal(await page.getByLabel("Period").isVisible(), true, "how it runs is unfolded where something is said");
  const next = page.getByText(/^Runs by itself \(every 1h\), next /);
  assert.equal(await next.isVisible(), true);
  await page.getByLabel("Period").fill("2h");
  assert.equal(await next.isVisible(), false, "of another period nobody knows yet");
  await page.getByLabel("Period").fill("1h");
  await page.getByRole("button", { name: "Discard Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Operations" }).waitFor();
  await visit(w, "/operations/stock", "stock");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Operations" }).waitFor();
  assert.deepEqual(await saved("stock"), STOCK);
});

test("a dry run is of what is saved: changes are saved first if the person agrees, and its reasons are shown", async () => {
  const { page } = w;
  await visit(w, "/operations/stock", "stock");
  await page.getByRole("button", { name: "Dry Run" }).click();
  const told = page.getByRole("dialog", { name: "Dry run of stock" });
  await told.getByText("Nothing was written.").waitFor();
  assert.match(await told.innerText(), /read\s+4\s[\s\S]*failed\s+0\s/);
  await told.getByRole("button", { name: "Close" }).click();

  await page.getByRole("textbox", { name: /^Mapping/ }).fill("{sku, price: (.sku|tonumber)}");
  await page.getByRole("button", { name: "Dry Run" }).click();
  const question = page.getByRole("dialog", { name: "Save the changes first?" });
  await inspect(w, "operation-dry-run-unsaved");
  await question.getByRole("button", { name: "Cancel" }).click();
  assert.deepEqual((await saved("stock")).mapping, STOCK.mapping, "nothing is saved that nobody agreed to");
  await page.getByRole("button", { name: "Dry Run" }).click();
  await question.getByRole("button", { name: "Save and Try" }).click();
  await told.getByText(/4 records failed/).waitFor();
  assert.match(await told.innerText(), /Cannot parse/i);
  await inspect(w, "operation-dry-run");
  await told.getByRole("button", { name: "Close" }).click();
  assert.deepEqual((await saved("stock")).mapping, { jq: "{sku, price: (.sku|tonumber)}" });
  assert.deepEqual((await (await page.request.get("/v1/runs?operation=stock")).json()).items, []);
});

/** @param {import("playwright-core").Locator} end */
async function choosePictures(end) {
  await chooseObject(end, "products");
  await end.getByRole("region", { name: "Select a Sub-object" }).getByRole("button", { name: "products/images" }).click();
  await end.getByText("Selected: products/images").waitFor();
}

test("a sub-object is a source, a delete has no mode, and another type or connection keeps the object", async () => {
  const { page } = w;
  await addConnection(w, "warehouse");
  await visit(w, "/new-operation", "New Operation");
  await page.getByLabel("Operation Name").fill("pictures");
  await source().getByLabel("Source: What It Is").selectOption("inline");
  await choosePictures(source());
  await source().getByLabel("Connection").selectOption("warehouse");
  await source().getByText("Selected: products/images").waitFor();
  await target().getByLabel("Target: What It Is").selectOption("inline");
  await choosePictures(target());
  await target().getByLabel("Mode").waitFor();
  await target().getByLabel("Type", { exact: true }).selectOption("delete");
  await target().getByLabel("Mode").waitFor({ state: "detached" });
  await page.getByLabel("Runs by Itself").evaluate((element) => element.closest("details")?.setAttribute("open", ""));
  await page.getByLabel("Runs by Itself").selectOption("cron");
  await page.getByLabel("Cron Pattern").fill("0 3 * * *");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText(/^Runs by itself \(cron 0 3 \* \* \*\), next /).waitFor();
  assert.deepEqual(await saved("pictures"), {
    source: { connection: "warehouse", object: "products/images" },
    target: { connection: "shop", verb: "delete", object: "products/images" }, schedule: { cron: "0 3 * * *" },
  });
});

test("an operation whose connection is gone says so, and keeps what it holds", async () => {
  const { page } = w;
  const lost = { source: { connection: "gone", object: "products", where: ["price >= 1"] }, target: { file: "out.csv" } };
  await page.request.put("/v1/operations/lost", { data: lost });
  await visit(w, "/operations/lost", "lost");
  assert.equal(await source().getByLabel("Connection").inputValue(), "gone");
  await source().getByText(/no connection `gone`/i).waitFor();
  await source().getByRole("button", { name: "Try Again" }).waitFor();
  await inspect(w, "operation-connection-gone");
  await page.getByLabel(/^Description/).fill("Still here");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Operations" }).waitFor();
  assert.deepEqual(await saved("lost"), { ...lost, description: "Still here" });
});
