/** Connections: made, tested, saved, left, changed and deleted on the screen. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { TOKEN, inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  w = await world({ files: { "variables.toml": `[variables.store_token]\nvalue = "${TOKEN}"\nhidden = true\n` } });
});
after(() => w?.end());
afterEach(() => assert.deepEqual(w.faults, []));

test("the page says what to do where there is no connection yet, and loads nothing from elsewhere", async () => {
  await visit(w, "/connections", "Connections");
  await w.page.getByText("There are no connections yet.").waitFor();
  await inspect(w, "connections-empty");
});
