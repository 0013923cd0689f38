/** A server that asks for a token: the page asks the person, and keeps it for as long as it is open. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { inspect, world } from "./harness.js";

const WANTED = "planted-server-token-77";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ token: WANTED });
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

/** The question for the token. */
const dialog = () => w.page.getByRole("dialog", { name: "Access token" });

test("the page asks for the token once, tells a wrong one, and keeps the right one in memory only", async () => {
  const { page } = w;
  // A screen that asks the server for several things at once.
  await page.goto("/#/operations");
  await dialog().getByText("This server asks for the token").waitFor();
  await inspect(w, "token");
  assert.equal(await page.getByRole("dialog", { includeHidden: true }).count(), 1);
  assert.equal(await dialog().getByLabel("Token").getAttribute("type"), "password");
  await dialog().getByLabel("Token").fill("another-token-of-somebody");
  await page.keyboard.press("Enter");
  await dialog().getByText("The server refuses this token.").waitFor();
  await inspect(w, "token-wrong");
  await dialog().getByLabel("Token").fill(WANTED);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Operations" }).waitFor();
  await page.getByRole("link", { name: "Variables" }).click();
  await page.getByRole("heading", { level: 1, name: "Variables" }).waitFor();
  assert.equal(await dialog().count(), 0, "it is not asked for again");
  assert.equal((await page.content()).includes(WANTED), false);
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ""]);
  assert.deepEqual(await w.context.cookies(), []);
  await page.reload();
  await dialog().waitFor();
});

test("without the token nothing is shown, and the page says what is missing", async () => {
  const { page } = w;
  await page.goto("about:blank");
  await page.goto("/#/connections");
  await dialog().getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { level: 1, name: "This cannot be shown" }).waitFor();
  await page.getByRole("alert").getByText(/token/).waitFor();
  await inspect(w, "token-missing");
});
