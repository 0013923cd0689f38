/** Operations: built, looked at, tried, and run to their report. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ files: { "few.csv": "id,price\n1,4.50\nx,5.00\n2,7.25\n" } });
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

/** @param {string} state */
const reaches = (state) => w.page.getByRole("status").getByText(state, { exact: true }).waitFor({ timeout: 300_000 });

/** One figure of the report. @param {string} name */
async function figure(name) {
  const text = await w.page.locator("dl.figures div").filter({ has: w.page.getByText(name, { exact: true }) }).locator("dd").innerText();
  return Number(text.replace(/\D/g, ""));
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
  await page.getByText("How It Runs").click();
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
