/** Without a mouse: a connection is made, tested and saved, and an operation built and run. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { TOKEN, visit, world } from "./harness.js";

/** More than any screen has to stop at. */
const MOST_STOPS = 80;

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ products: 40, files: { "variables.toml": `[variables.store_token]\nvalue = "${TOKEN}"\nhidden = true\n` } });
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

/** Goes on with Tab until the focus is there, and is to be seen. @param {import("playwright-core").Locator} wanted */
async function reach(wanted) {
  for (let stop = 0; stop < MOST_STOPS; stop++) {
    if (await wanted.evaluate((element) => element === document.activeElement)) {
      assert.equal(await wanted.evaluate((element) => element.matches(":focus-visible")), true, "the focus is shown");
      return;
    }
    await w.page.keyboard.press("Tab");
  }
  throw new Error(`no way to ${wanted} by Tab`);
}

/** @param {string | RegExp} label @param {string} text */
async function typeInto(label, text) {
  await reach(w.page.getByLabel(label, { exact: true }));
  await w.page.keyboard.type(text);
}

/** @param {"link" | "button"} role @param {string} name */
async function press(role, name) {
  await reach(w.page.getByRole(role, { name, exact: true }));
  await w.page.keyboard.press("Enter");
}

test("a connection is created, tested and saved, and an operation run to its end, by keyboard alone", async () => {
  const { page } = w;
  await visit(w, "/connections", "Connections");
  await press("link", "New Connection");
  await page.getByRole("heading", { level: 1, name: "New BigCommerce Connection" }).waitFor();
  await typeInto("Connection Name", "shop");
  await typeInto("Store Hash", w.hash);
  await typeInto("Access Token", "[store_t");
  await page.getByRole("listbox", { name: "Variables for Access Token" }).waitFor();
  await page.keyboard.press("Enter");
  assert.equal(await page.getByLabel("Access Token", { exact: true }).inputValue(), "[store_token]");
  await reach(page.locator("summary", { hasText: "Advanced" }));
  await page.keyboard.press("Enter");
  await typeInto(/^API Base URL/, w.url);
  await typeInto(/^More Addresses That It May Reach/, w.url);
  await press("button", "Test");
  await page.getByText("The connection works.").first().waitFor();
  await press("button", "Save Changes");
  await page.getByRole("rowheader", { name: "shop" }).waitFor();

  await press("link", "Operations");
  await page.getByText("There are no operations yet.").waitFor();
  await press("link", "New Operation");
  await page.getByRole("heading", { level: 1, name: "New Operation" }).waitFor();
  await typeInto("Operation Name", "all");
  await typeInto("Source: What It Is", "A query");
  await typeInto("Search in any column", "products");
  await press("button", "products");
  await page.getByText("Selected: products").waitFor();
  await typeInto("File", "all.ndjson");
  await press("button", "Save and Run");
  await page.getByRole("heading", { level: 1, name: "Run of all" }).waitFor();
  await page.getByRole("status").getByText("done", { exact: true }).waitFor();
  assert.equal((await readFile(join(w.folder, "all.ndjson"), "utf8")).trim().split("\n").length, 40);
});
