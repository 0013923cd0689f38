/** What the menus of activities and the screen of versions can do. */
import assert from "node:assert/strict";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { addConnection, choose, downloaded, inspect, visit, world } from "./harness.js";

/** The component that serves; another file in its place is another version. */
const SERVED = "connector.wasm";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ component: SERVED });
  await addConnection(w, "shop");
  await w.connector(["activity", "add", "shop/dear", "--object", "products", "--where", "price >= 100", "--fields", "id,price"]);
  await w.connector(["activity", "add", "shop/prices", "--verb", "update", "--object", "products"]);
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

test("an activity is edited, tested, duplicated, renamed, exported, run and deleted from its menu", async () => {
  const { page } = w;
  await visit(w, "/connections/shop", "shop");
  await page.getByRole("button", { name: "Actions for dear", exact: true }).click();
  assert.deepEqual(await page.getByRole("menuitem").allInnerTexts(), ["Edit", "Test", "Run", "Duplicate", "Rename", "Export", "Used by", "Delete"]);
  await inspect(w, "activity-menu");
  await page.getByRole("menuitem", { name: "Test" }).click();
  const rows = page.getByRole("dialog", { name: "First rows of dear" });
  await rows.getByText("10 records, and there are more.").waitFor();
  await inspect(w, "activity-test");
  await rows.getByRole("button", { name: "Close" }).click();

  await choose(w, "dear", "Duplicate");
  await page.getByLabel("Name of the duplicate").fill("dear");
  await page.keyboard.press("Enter");
  const taken = page.getByRole("dialog", { name: "dear is not duplicated" });
  await taken.getByText(/already/).waitFor();
  await inspect(w, "activity-name-taken");
  await taken.getByRole("button", { name: "Close" }).click();
  await choose(w, "dear", "Duplicate");
  await page.getByLabel("Name of the duplicate").fill("copy");
  await page.keyboard.press("Enter");
  await page.getByRole("rowheader", { name: "copy" }).waitFor();
  await choose(w, "copy", "Rename");
  await page.getByLabel("New name").fill("costly");
  await page.keyboard.press("Enter");
  await page.getByRole("rowheader", { name: "costly" }).waitFor();
  assert.equal(await page.getByRole("rowheader", { name: "copy" }).count(), 0);

  const { name, text } = await downloaded(w, () => choose(w, "costly", "Export"));
  assert.equal(name, "costly.json");
  assert.deepEqual([JSON.parse(text).where, JSON.parse(text).fields], [["price >= 100"], ["id", "price"]]);

  await choose(w, "costly", "Edit");
  await page.getByRole("heading", { level: 1, name: "costly" }).waitFor();
  await visit(w, "/connections/shop", "shop");
  await choose(w, "costly", "Delete");
  await page.getByRole("dialog", { name: "Delete costly?" }).getByText("Nothing uses it.").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("rowheader", { name: "costly" }).waitFor({ state: "detached" });

  await choose(w, "prices", "Run");
  await page.getByRole("heading", { level: 1, name: "New Operation" }).waitFor();
  assert.equal(await page.getByRole("group", { name: "Target" }).getByLabel("Activity").inputValue(), "shop/prices");
});

test("whoever is about to rename or delete an activity or a connection can see what uses it", async () => {
  const { page } = w;
  await visit(w, "/connections/shop", "shop");
  await choose(w, "dear", "Run");
  await page.getByLabel("Operation Name").fill("nightly");
  await page.getByRole("group", { name: "Target" }).getByLabel("File", { exact: true }).fill("dear.csv");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "nightly" }).waitFor();
  await visit(w, "/connections/shop", "shop");
  await choose(w, "dear", "Used by");
  await page.getByRole("dialog", { name: "What uses dear" }).getByText("operation nightly").waitFor();
  await inspect(w, "activity-used-by");
  await page.getByRole("button", { name: "Close" }).click();
  await choose(w, "prices", "Used by");
  await page.getByText("Nothing uses it.").waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await choose(w, "dear", "Delete");
  await page.getByRole("dialog", { name: "Delete dear?" }).getByText("operation nightly").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await visit(w, "/connections", "Connections");
  await choose(w, "shop", "Used by");
  const users = page.getByRole("dialog", { name: "What uses shop" });
  for (const one of ["activity dear", "activity prices", "operation nightly"]) await users.getByText(one).waitFor();
});

test("another version is swapped in and rolled back on the screen of versions", async () => {
  const { page } = w;
  const digest = async () => (await (await page.request.get("/v1/deployments")).json())[0].versions[0].digest;
  const first = await digest();
  const [served, next] = [join(w.folder, SERVED), join(w.folder, "next.wasm")];
  // An empty section makes it another component that does the same.
  await writeFile(next, Buffer.concat([await readFile(served), Buffer.from("\0\x05\x04next", "latin1")]));
  await rename(next, served);
  await visit(w, "/versions", "Versions");
  await page.getByRole("button", { name: "Swap to the Version in Use: bigcommerce" }).click();
  const serving = page.getByRole("region", { name: "Versions of bigcommerce that are loaded" });
  await serving.getByText("previous").waitFor({ timeout: 120_000 });
  const second = await digest();
  assert.notEqual(second, first);
  await inspect(w, "versions-two");
  await page.getByRole("button", { name: "Roll Back: bigcommerce" }).click();
  await page.locator("#live").getByText("serves now").waitFor({ state: "attached" });
  assert.equal(await digest(), first);
});
