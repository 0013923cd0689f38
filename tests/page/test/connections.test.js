/** Connections: made, tested, saved, left, changed and deleted on the screen. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { TOKEN, addConnection, choose, downloaded, inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ files: { "variables.toml": `[variables.store_token]\nvalue = "${TOKEN}"\nhidden = true\n\n[variables.region]\nvalue = "eu"\n` } });
});
after(() => w?.end());
afterEach(async () => {
  assert.deepEqual(w.faults, []);
  // No secret that the page was not given by the person may be on it.
  assert.equal((await w.page.content()).includes(TOKEN), false);
});

/** Fills in what every connection needs but the token. @param {string} name */
async function fillIn(name) {
  const { page } = w;
  await page.getByLabel("Connection Name").fill(name);
  await page.getByLabel("Store Hash", { exact: true }).fill(w.hash);
  await page.getByText("Advanced").click();
  await page.getByLabel(/^API Base URL/).fill(w.url);
  await page.getByLabel("More Addresses That It May Reach").fill(w.url);
}

/** What is listed as there. @returns {Promise<string[]>} */
async function listed() {
  await visit(w, "/connections", "Connections");
  return w.page.getByRole("row").getByRole("rowheader").allInnerTexts();
}

test("the page says what to do where there is no connection yet, and loads nothing from elsewhere", async () => {
  await visit(w, "/connections", "Connections");
  await w.page.getByText("There are no connections yet.").waitFor();
  await inspect(w, "connections-empty");
});

test("the form is drawn from the connector's schema, its labels as the connector has them", async () => {
  const { page } = w;
  await visit(w, "/new-connection", "New BigCommerce Connection");
  for (const label of ["Connection Name", "Store Hash", "Client ID", "Access Token", "Enable Keep-alive Strategy", "Use Proxy Settings (Private Agent Only)"]) {
    assert.equal(await page.getByLabel(label, { exact: true }).or(page.getByLabel(new RegExp(`^${label.replace(/[()]/g, "\\$&")} \\(optional\\)`))).isVisible(), true, label);
  }
  for (const name of ["Test", "Save Changes", "Discard Changes"]) await page.getByRole("button", { name, exact: true }).waitFor();
  const seconds = page.getByLabel("Enter the Time in Seconds Between Signals to Keep the Connection Alive", { exact: true });
  assert.equal(await seconds.isVisible(), false);
  await page.getByLabel("Enable Keep-alive Strategy").check();
  await seconds.fill("ten");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText("Digits only.").waitFor();
  await inspect(w, "connection-wrong");
  await page.getByLabel("Enable Keep-alive Strategy").uncheck();
  assert.equal(await seconds.isVisible(), false, "they are shown when it is enabled");
  const proxy = page.getByLabel("Use Proxy Settings (Private Agent Only)");
  assert.equal(await proxy.isDisabled(), true);
  await page.getByText("has configured no proxy").waitFor();
  const { items: [{ settings_schema: { properties } }] } = await (await page.request.get("/v1/connectors")).json();
  for (const [name, { title = name, ...property }] of Object.entries(properties)) {
    const icon = page.getByRole("button", { name: `Insert a variable into ${title}`, exact: true, includeHidden: true });
    assert.equal(await icon.count(), property["x-variables"] ? 1 : 0, title);
  }
  await page.getByRole("button", { name: "Insert a variable into Store Hash" }).click();
  await page.getByRole("listbox", { name: "Variables for Store Hash" }).getByRole("option", { name: /^region/ }).waitFor();
  await inspect(w, "variables-offered");
  await page.keyboard.press("Enter");
  assert.match(await page.getByLabel("Store Hash", { exact: true }).inputValue(), /^\[\w+\]$/);
  assert.equal(await page.getByLabel(/^API Base URL/).isVisible(), false, "the advanced part is folded away");
  await inspect(w, "connection-new");
});

test("a connection with a variable in its token is made, tested before it is saved, and saved", async () => {
  const { page } = w;
  await visit(w, "/connections", "Connections");
  await page.getByRole("link", { name: "New Connection" }).click();
  await fillIn("my store");
  const token = page.getByLabel("Access Token", { exact: true });
  await token.focus();
  await page.keyboard.type("[");
  const options = page.getByRole("listbox", { name: "Variables for Access Token" }).getByRole("option");
  await options.filter({ hasText: "region" }).waitFor();
  assert.match((await options.allInnerTexts()).join(), /store_token[\s\S]*predefined/);
  await page.keyboard.type("store_t");
  assert.equal(await options.count(), 1);
  await page.keyboard.press("Enter");
  assert.equal(await token.inputValue(), "[store_token]");
  assert.equal(await token.getAttribute("type"), "text", "the name of a variable is to be seen");
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("The connection works.").first().waitFor();
  const steps = await page.getByRole("region", { name: "Test" }).getByRole("listitem").allInnerTexts();
  assert.match(steps.join(), /Connector bigcommerce[\s\S]*Settings are complete[\s\S]*Emulated Store/i);
  await inspect(w, "connection-tested");
  assert.equal((await w.connector(["connection", "list", "--json"])).includes("my store"), false, "a test saves nothing");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  await page.getByRole("rowheader", { name: "my store" }).waitFor();
  await inspect(w, "connections");
  await page.goto("/#/connections/my%20store/edit");
  await page.getByRole("heading", { level: 1, name: "Edit my store" }).waitFor();
  assert.equal(await page.getByLabel("Access Token", { exact: true }).inputValue(), "[store_token]");
});

test("a wrong token fails the test with a plain verdict at its field, and a typed token is masked and never sent back", async () => {
  const { page } = w;
  await visit(w, "/new-connection", "New BigCommerce Connection");
  await fillIn("typed");
  const token = page.getByLabel("Access Token", { exact: true });
  await token.fill("planted-wrong-token");
  assert.equal(await token.getAttribute("type"), "password");
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("The connection does not work.").waitFor();
  assert.match(await page.locator("main").innerText(), /token/i);
  await inspect(w, "connection-refused");
  await token.fill(TOKEN);
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("rowheader", { name: "typed" }).waitFor();
  await visit(w, "/connections/typed/edit", "Edit typed");
  assert.equal(await token.inputValue(), "");
  assert.match(await token.getAttribute("placeholder") ?? "", /saved/);
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("The connection works.").first().waitFor();
  await page.getByLabel(/^Client ID/).fill("client-7");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  assert.match(await w.connector(["test", "typed"]), /works/, "the token that was not touched is still there");
});

test("what is missing or malformed is told at its field, and the focus goes there", async () => {
  const { page } = w;
  await visit(w, "/new-connection", "New BigCommerce Connection");
  await page.getByLabel("Connection Name").fill("a/b");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText("A name has no / and no :").waitFor();
  await page.getByText("Store Hash is needed.").waitFor();
  assert.equal(await page.getByLabel("Connection Name").evaluate((field) => field === document.activeElement), true);
  await fillIn("malformed");
  await page.getByLabel("Store Hash", { exact: true }).fill("NOT-A-HASH");
  await page.getByLabel("Access Token", { exact: true }).fill("[no_such_variable]");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText("lower-case letters and digits, like").waitFor();
  assert.equal(await page.getByLabel("Store Hash", { exact: true }).getAttribute("aria-invalid"), "true");
  assert.equal(await page.getByLabel("Access Token", { exact: true }).getAttribute("aria-invalid"), "true");
  await page.getByLabel("Connection Name").fill("my store");
  await page.getByLabel("Store Hash", { exact: true }).fill(w.hash);
  await page.getByLabel("Access Token", { exact: true }).fill("[store_token]");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText(/already/).waitFor();
});

test("changes are discarded only after a confirmation, and none is asked for where nothing changed", async () => {
  const { page } = w;
  await visit(w, "/connections/my%20store/edit", "Edit my store");
  await page.getByRole("button", { name: "Discard Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  await visit(w, "/connections/my%20store/edit", "Edit my store");
  await page.getByLabel("Store Hash", { exact: true }).fill("other1");
  await page.getByRole("button", { name: "Discard Changes" }).click();
  await page.getByRole("button", { name: "Go On Editing" }).click();
  assert.equal(await page.getByLabel("Store Hash", { exact: true }).inputValue(), "other1");
  await page.getByRole("link", { name: "Operations" }).click();
  await page.getByRole("dialog", { name: "Leave without saving?" }).waitFor();
  await inspect(w, "leave");
  await page.keyboard.press("Escape");
  assert.match(page.url(), /my%20store\/edit$/, "who does not agree stays");
  await page.getByRole("button", { name: "Discard Changes" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Discard Changes" }).click();
  await page.getByRole("heading", { level: 1, name: "Connections", exact: true }).waitFor();
  await visit(w, "/connections/my%20store/edit", "Edit my store");
  assert.equal(await page.getByLabel("Store Hash", { exact: true }).inputValue(), w.hash);
});

test("a change that another made meanwhile is not overwritten", async () => {
  const { page } = w;
  await visit(w, "/connections/my%20store/edit", "Edit my store");
  await w.connector(["connection", "edit", "my store", "--set", "page_size=100"]);
  await page.getByLabel(/^Client ID/).fill("late");
  await page.getByRole("button", { name: "Save Changes" }).click();
  await page.getByText(/in the meantime/).waitFor();
  assert.match(await w.connector(["connection", "show", "my store"]), /100/);
});

test("a delete asks first and lists what depends on the connection; the menu works by keyboard", async () => {
  const { page } = w;
  await addConnection(w, "doomed");
  await visit(w, "/connections", "Connections");
  await page.getByRole("button", { name: "Actions for doomed" }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Delete doomed?" });
  await dialog.getByText("secret.access_token").waitFor();
  await inspect(w, "delete");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await listed()).includes("doomed"), true);
  await page.getByRole("button", { name: "Actions for doomed" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("rowheader", { name: "doomed" }).waitFor({ state: "detached" });
  assert.equal((await listed()).includes("doomed"), false);
});

test("a connection is duplicated, renamed, tested and exported from its menu", async () => {
  const { page } = w;
  await visit(w, "/connections", "Connections");
  await choose(w, "typed", "Duplicate");
  await inspect(w, "connection-duplicate");
  await page.getByLabel("Name of the duplicate").fill("copy");
  await page.keyboard.press("Enter");
  await page.getByRole("rowheader", { name: "copy" }).waitFor();
  await choose(w, "copy", "Rename");
  await page.getByLabel("New name").fill("re/named");
  await page.keyboard.press("Enter");
  await page.getByText("A name has no / and no :").waitFor();
  await page.getByLabel("New name").fill("renamed");
  await page.keyboard.press("Enter");
  await page.getByRole("rowheader", { name: "renamed" }).waitFor();
  await choose(w, "renamed", "Test");
  await page.getByRole("dialog", { name: "Test of renamed" }).getByText("The connection works.").waitFor();
  await inspect(w, "connection-test");
  await page.getByRole("button", { name: "Close" }).click();
  const { name, text } = await downloaded(w, () => choose(w, "renamed", "Export"));
  assert.equal(name, "renamed.toml");
  assert.match(text, new RegExp(`store_hash = "${w.hash}"`));
  assert.equal(text.includes(TOKEN), false);
});
