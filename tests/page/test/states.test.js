/** What the page says where there is nothing, where something is wrong, and where the person is about to lose changes. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { TOKEN, inspect, visit, world } from "./harness.js";

const VARIABLES = `[variables.store_token]\nvalue = "${TOKEN}"\nhidden = true\n`;

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ files: { "variables.toml": VARIABLES } });
  const settings = [`store_hash=${w.hash}`, "access_token=[store_token]", `base_url=${w.url}`].flatMap((one) => ["--set", one]);
  await w.connector(["connection", "add", "shop", ...settings, "--grant", w.url]);
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

test("going back with unsaved changes asks, and the way back and forth stays as it was", async () => {
  const { page } = w;
  await visit(w, "/connections", "Connections");
  await page.evaluate(() => { location.hash = "#/connections/shop/edit"; });
  await page.getByRole("heading", { level: 1, name: "Edit shop" }).waitFor();
  await page.getByLabel(/^Client ID/).fill("changed");
  const question = page.getByRole("dialog", { name: "Leave without saving?" });
  await page.evaluate(() => history.back());
  await question.getByRole("button", { name: "Stay" }).click();
  assert.match(page.url(), /shop\/edit$/);
  assert.equal(await page.getByLabel(/^Client ID/).inputValue(), "changed");
  await page.evaluate(() => history.back());
  await question.getByRole("button", { name: "Leave" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  await page.evaluate(() => history.forward());
  await page.getByRole("heading", { level: 1, name: "Edit shop" }).waitFor();
  assert.equal(await page.getByLabel(/^Client ID/).inputValue(), "");
});

test("closing the window with unsaved changes asks, and without any it does not", async () => {
  const other = await w.context.newPage();
  /** @type {string[]} */
  const asked = [];
  other.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.accept();
  });
  await other.goto("/#/connections/shop/edit");
  await other.getByLabel(/^Client ID/).pressSequentially("x");
  await Promise.all([other.waitForEvent("close"), other.close({ runBeforeUnload: true })]);
  assert.deepEqual(asked, ["beforeunload"]);
  const third = await w.context.newPage();
  third.on("dialog", (dialog) => asked.push(dialog.type()));
  await third.goto("/#/connections/shop/edit");
  await third.getByLabel(/^Client ID/).focus();
  await Promise.all([third.waitForEvent("close"), third.close({ runBeforeUnload: true })]);
  assert.deepEqual(asked, ["beforeunload"]);
});

test("an address that leads nowhere, and a thing that is not there, are told in words with a way on", async () => {
  const { page } = w;
  await visit(w, "/nothing/here", "This cannot be shown");
  await page.getByText("There is no such screen.").waitFor();
  await inspect(w, "no-screen");
  await visit(w, "/connections/gone/edit", "This cannot be shown");
  await page.getByText(/no connection `gone`/i).waitFor();
  await visit(w, "/connections/shop/activities/gone", "This cannot be shown");
  await page.getByText(/no activity `gone`/).waitFor();
  await visit(w, "/operations/gone", "gone");
  await page.getByRole("alert").getByText(/no operation/i).waitFor();
  assert.equal(await page.getByText("`connector").count(), 0, "where the page has a way, no command is told");
  await page.getByRole("alert").getByRole("link", { name: "Operations" }).click();
  await page.getByRole("heading", { level: 1, name: "Operations" }).waitFor();
});

test("a connection that does not open says why where it is listed and where it is used", async () => {
  const { page } = w;
  await writeFile(join(w.folder, "variables.toml"), "");
  // Changed in any way, it is opened anew.
  await w.connector(["connection", "rename", "shop", "store"]);
  await visit(w, "/connections/store/objects", "This cannot be shown");
  await page.getByRole("alert").getByText(/store_token/).first().waitFor();
  await page.getByText("What to do:").first().waitFor();
  await visit(w, "/connections", "Connections");
  await page.getByText("does not open").waitFor();
  await page.getByText(/store_token/).waitFor();
  await inspect(w, "connection-does-not-open");
  await writeFile(join(w.folder, "variables.toml"), VARIABLES);
});

test("a preview without records, and one that cannot be read, say what to change", async () => {
  const { page } = w;
  await visit(w, "/connections/store/new-activity?verb=query&object=products", "New Query Activity");
  await page.getByLabel(/^Conditions/).fill("price >= 100000000");
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("No record fits. Loosen the conditions.").waitFor();
  await inspect(w, "preview-empty");
  await page.getByLabel(/^Conditions/).fill("price ~ 5");
  await page.getByRole("button", { name: "Preview" }).click();
  await page.locator("textarea[aria-invalid]").waitFor();
  assert.match(await page.locator(".field", { has: page.locator("textarea[aria-invalid]") }).innerText(), /Cannot read the condition[\s\S]*What to do:/i);
  await inspect(w, "activity-wrong");
});

test("a server that has gone is told as such", async () => {
  const { page } = w;
  await visit(w, "/connections", "Connections");
  await w.server.stop();
  await page.getByRole("link", { name: "Variables" }).click();
  await page.getByText("The server does not answer.").waitFor();
  await page.getByText(/still running/).waitFor();
  await inspect(w, "server-gone");
});
