/** Agents: a connection is tested by all of an environment's group, and each has its own result. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TOKEN, addConnection, inspect, visit, world } from "./harness.js";

/** @type {import("./harness.js").World} */
let w;
before(async () => {
  process.env["CONNECTOR_ENVIRONMENT"] = "production";
  // Where the agents are is known when the first one serves.
  w = await world({ files: { "variables.toml": "[environments.production]\ngroup = \"all\"\n", "agents.toml": "[groups.all]\n" } });
  await addConnection(w, "shop");
});
after(() => w?.end());
afterEach(async () => {
  assert.deepEqual(w.faults, []);
  assert.equal((await w.page.content()).includes(TOKEN), false);
});

test("a connection is tested by every agent of the environment's group, and each one's result is shown", async () => {
  const { page, home } = w;
  await writeFile(join(w.folder, "agents.toml"), `[groups.all.agents.north]\nurl = "${home}"\n[groups.all.agents.south]\nurl = "http://127.0.0.1:1"\n`);
  await visit(w, "/connections/shop/edit", "Edit shop");
  await page.getByLabel("Test On").selectOption("production");
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("The connection does not work.").first().waitFor();
  const agents = page.getByRole("list", { name: "Agents" });
  assert.match(await agents.innerText(), /north\s+works/);
  assert.match(await agents.innerText(), /south[\s\S]*cannot be reached/i);
  await page.getByText("The connection does not work on 1 of 2 agents.").waitFor();
  await inspect(w, "connection-agents");
});
