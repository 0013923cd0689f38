/** Objects and activities: searched, chosen, set, looked at, kept. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { addConnection, inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world();
  await addConnection(w, "shop");
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

test("objects are searched in any column, and read anew", async () => {
  const { page } = w;
  await visit(w, "/connections/shop", "shop");
  await page.getByText("There are no activities yet.").waitFor();
  await inspect(w, "endpoint-empty");
  await page.getByRole("link", { name: "Objects" }).click();
  await page.getByRole("heading", { level: 1, name: "Objects of shop" }).waitFor();
  await inspect(w, "objects");
  const names = async () => (await page.getByRole("rowheader").allInnerTexts()).map((name) => name.trim());
  await page.getByLabel("Search in any column").fill("products/im");
  assert.deepEqual(await names(), ["products/images"]);
  await page.getByLabel("Search in any column").fill("Product images delete");
  assert.deepEqual(await names(), ["products/images"], "by title and by what is offered");
  await page.getByLabel("Search in any column").fill("nothing like it");
  await page.getByText("No object matches.").waitFor();
  await page.getByLabel("Search in any column").fill("");
  const asked = page.waitForRequest((request) => request.url().endsWith("/objects"));
  await page.getByRole("button", { name: "Refresh" }).click();
  await asked;
});

test("a query is built from conditions, kept, shown again as it was, and its first rows are exact", async () => {
  const { page } = w;
  await visit(w, "/connections/shop/new-activity?verb=query", "New Query Activity");
  await page.getByLabel("Activity Name").fill("dear products");
  const list = page.getByRole("region", { name: "Select an Object" });
  await list.getByLabel("Search in any column").fill("products");
  await list.getByRole("button", { name: "products", exact: true }).click();
  await page.getByText("Selected: products").waitFor();
  await page.getByRole("region", { name: "Select a Sub-object" }).getByRole("button", { name: "products/images" }).waitFor();
  await page.getByLabel("Field", { exact: true }).selectOption("price");
  await page.getByLabel("Comparison").selectOption(">=");
  await page.getByLabel("Value", { exact: true }).fill("100");
  await page.keyboard.press("Enter");
  assert.equal(await page.getByLabel(/^Conditions/).inputValue(), "price >= 100");
  await page.getByLabel(/^Fields/).fill("id, name, price");
  await inspect(w, "activity");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "dear products" }).waitFor();
  await inspect(w, "endpoint");
  await page.getByRole("link", { name: "dear products" }).click();
  await page.getByRole("heading", { level: 1, name: "dear products" }).waitFor();
  assert.equal(await page.getByLabel(/^Conditions/).inputValue(), "price >= 100");
  assert.equal(await page.locator("tr.chosen").first().innerText().then((text) => text.split(/\s/)[0]), "products", "the chosen object stays shown");
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText(/10 records/).waitFor();
  const [first] = JSON.parse(`[${(await w.connector(["query", "shop", "products", "--where", "price >= 100", "--fields", "id,name,price", "--limit", "1"])).trim().replace(/"price":([^,}]+)/, '"price":"$1"')}]`);
  const row = page.getByRole("region", { name: "Records" }).getByRole("row").nth(1);
  assert.deepEqual(await row.locator("th,td").allInnerTexts(), [String(first.id), first.name, first.price], "every digit is as the store wrote it");
  await inspect(w, "activity-preview");
});

test("a sub-object is chosen instead of its object, and is still chosen when the activity is opened again", async () => {
  const { page } = w;
  await visit(w, "/connections/shop/new-activity?verb=create&object=products", "New Create Activity");
  await page.getByLabel("Activity Name").fill("pictures");
  await page.getByRole("region", { name: "Select a Sub-object" }).getByRole("button", { name: "products/images" }).click();
  await page.getByText("Selected: products/images").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "products/images", "who came by keyboard goes on from there");
  await inspect(w, "activity-sub-object");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "pictures" }).waitFor();
  await visit(w, "/connections/shop/activities/pictures", "pictures");
  await page.getByText("Selected: products/images").waitFor();
  const list = page.getByRole("region", { name: "Select a Sub-object" });
  assert.equal(await list.getByRole("button", { name: "products/images" }).getAttribute("aria-pressed"), "true");
  await list.getByLabel("Search in any column").fill("nothing like it");
  assert.equal(await list.getByRole("button", { name: "products/images" }).isVisible(), true, "whatever is searched for");
});

test("a query has order, included data and a limit, and what changed since the last run, where its object offers them", async () => {
  const { page } = w;
  await visit(w, "/connections/shop/new-activity?verb=query&object=products", "New Query Activity");
  await page.getByLabel("Activity Name").fill("all of it");
  await page.getByLabel(/^Order/).fill("-id");
  await page.getByLabel(/^Include/).fill("variants");
  await page.getByLabel(/^At Most/).fill("3");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "all of it" }).waitFor();
  const kept = async () => (await page.request.get("/v1/connections/shop/activities/all%20of%20it")).json();
  const { order_by, include, max_records } = await kept();
  assert.deepEqual([order_by, include, max_records], [["-id"], ["variants"], 3]);
  await page.getByRole("link", { name: "all of it" }).click();
  await page.getByLabel("Incremental").check();
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText("An incremental query reads everything that was modified, so it has no limit.").waitFor();
  await page.getByLabel(/^At Most/).fill("");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "shop" }).waitFor();
  assert.equal((await kept()).incremental, true);
});

test("the data schemas are shown as trees with types and required marks, and copied as JSON Schema", async () => {
  const { page } = w;
  await w.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await visit(w, "/connections/shop/new-activity?verb=create&object=products", "New Create Activity");
  const schemas = page.getByRole("region", { name: "Review the Data Schemas" });
  await schemas.getByText("Request", { exact: true }).waitFor();
  assert.match(await schemas.innerText(), /weight number.* required/);
  for (const summary of await schemas.locator("summary").all()) await summary.click();
  await inspect(w, "activity-schemas");
  await schemas.getByRole("button", { name: "Copy as JSON Schema: request" }).click();
  await schemas.getByText("Copied").waitFor();
  const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(copied.$schema, "https://json-schema.org/draft/2020-12/schema");
  assert.ok(copied.required.includes("name"));
});

test("a write has its mode, and what cannot be read is told at its field", async () => {
  const { page } = w;
  await visit(w, "/connections/shop/new-activity?verb=update&object=products", "New Update Activity");
  await page.getByLabel("Activity Name").fill("prices");
  await page.getByLabel("Mode").selectOption("upsert");
  await page.getByLabel(/^Match On/).fill("sku");
  await page.getByLabel("Continue on Error").check();
  await inspect(w, "activity-write");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "prices" }).waitFor();
  await page.getByRole("button", { name: "Actions for prices" }).click();
  await page.getByRole("menuitem", { name: "Duplicate" }).click();
  await page.getByLabel("Name of the duplicate").fill("prices again");
  await page.keyboard.press("Enter");
  await page.getByRole("rowheader", { name: "prices again" }).waitFor();
  await visit(w, "/connections/shop/activities/prices%20again", "prices again");
  assert.equal(await page.getByLabel("Mode").inputValue(), "upsert");
  assert.equal(await page.getByLabel(/^Match On/).inputValue(), "sku");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { level: 1, name: "shop" }).waitFor();
  assert.equal(await page.getByRole("rowheader", { name: "prices again" }).count(), 0);
  await visit(w, "/connections/shop/new-activity?verb=query&object=products", "New Query Activity");
  await page.getByLabel("Activity Name").fill("unreadable");
  await page.getByLabel(/^Conditions/).fill("price ~ 5");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText(/Cannot read the condition/).waitFor();
  assert.equal(await page.getByLabel(/^Conditions/).getAttribute("aria-invalid"), "true");
});

test("deleting a connection names the activities that go with it", async () => {
  const { page } = w;
  await visit(w, "/connections/shop/edit", "Edit shop");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Delete shop?" });
  await dialog.getByText("activity dear products").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
});

test("variables are set, hidden ones never shown, and versions and agents listed", async () => {
  const { page } = w;
  await visit(w, "/variables", "Variables");
  await page.getByLabel("Name", { exact: true }).fill("planted");
  await page.getByLabel("Hidden").check();
  await page.getByLabel("Value", { exact: true }).fill("planted-hidden-value");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await page.getByRole("rowheader", { name: "planted", exact: true }).waitFor();
  assert.equal((await page.content()).includes("planted-hidden-value"), false);
  await inspect(w, "variables");
  await visit(w, "/versions", "Versions");
  await page.getByText("serving").first().waitFor();
  await inspect(w, "versions");
});
