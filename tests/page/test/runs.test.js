/** What is done with a run when it has ended: unknown records looked up, rejected ones mended and fed back in, the run deleted. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { PATIENCE, addConnection, downloaded, inspect, visit, world } from "./harness.js";

const product = (/** @type {string} */ sku, /** @type {string} */ price) =>
  `{"name":"${sku}","sku":"${sku}","type":"physical","weight":1,"categories":[]${price}}\n`;
const OPERATION = `[source]\nfile = "new.ndjson"\n[target]\nconnection = "shop"\nverb = "create"\nobject = "products"\n
[run]\nbatch_size = 1\ncontinue_on_error = true\n`;

/** @type {import("./harness.js").World} */
let w;
/** @type {Awaited<ReturnType<typeof lossyWay>>} */
let way;
before(async () => {
  const records = product("arrives", ',"price":1') + product("answer-lost", ',"price":2') + product("no-price", "");
  w = await world({ products: 20, files: { "new.ndjson": records, "operations/add.toml": OPERATION } });
  /** @type {Set<string>} */
  const lost = new Set();
  way = await lossyWay(w.url, (body) => body.includes("answer-lost") && lost.size < lost.add(body).size);
  await addConnection({ ...w, url: way.url }, "shop");
});
after(async () => {
  way?.end();
  await w?.end();
});
afterEach(() => assert.deepEqual(w.faults, []));

/**
 * A way to the store on which the answers to some requests get lost: the store has done what was asked, and nobody hears of it.
 *
 * @param {string} store @param {(body: string) => boolean} loses
 */
async function lossyWay(store, loses) {
  let delay = 0;
  const server = createServer((asked, answered) => {
    const sent = request(new URL(asked.url ?? "/", store), { method: asked.method, headers: { ...asked.headers, host: new URL(store).host } });
    let body = "";
    asked.on("data", (piece) => (body += piece));
    asked.pipe(sent);
    sent.on("response", async (answer) => {
      await setTimeout(delay);
      if (asked.method === "POST" && loses(body)) {
        answer.resume();
        answer.on("end", () => asked.socket.destroy());
        return;
      }
      answered.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(answered);
    });
    sent.on("error", () => asked.socket.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const address = server.address();
  const { port } = /** @type {import("node:net").AddressInfo} */ (address);
  const url = new URL(store);
  url.port = String(port);
  return {
    url: url.href.replace(/\/$/, ""),
    /** Makes each answer come so many milliseconds later. @param {number} milliseconds */
    waits(milliseconds) {
      delay = milliseconds;
    },
    end() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const reaches = (/** @type {string} */ state) => w.page.getByRole("status").getByText(state, { exact: true }).waitFor({ timeout: 300_000 });

/** Waits until the report has these figures. @param {Record<string, number>} wanted */
async function counts(wanted) {
  for (const [name, value] of Object.entries(wanted)) {
    const figure = w.page.locator("dl.figures div").filter({ has: w.page.getByText(name, { exact: true }) });
    await figure.getByText(String(value), { exact: true }).waitFor();
  }
}

/** How many products of the store have these SKUs. @param {...string} skus */
async function inStore(...skus) {
  const answer = await w.connector(["query", "shop", "products", "--where", `sku in (${skus.join(", ")})`, "--fields", "sku"]);
  return answer.split("\n").filter(Boolean).map((/** @type {string} */ line) => JSON.parse(line).sku).sort();
}

/** The operation's run that begins now. */
async function begin() {
  await visit(w, "/operations", "Operations");
  await w.page.getByRole("button", { name: "Run add" }).click();
  await w.page.getByRole("heading", { level: 1, name: "Run of add" }).waitFor();
  await reaches("done");
}

test("a record whose answer got lost is unknown until it is looked up, and then the report tells what became of it", async () => {
  const { page } = w;
  await begin();
  await counts({ read: 3, applied: 1, failed: 1, unknown: 1 });
  await inspect(w, "run-unknown");
  await page.getByRole("button", { name: "Look Up Unknown Records" }).click();
  await counts({ applied: 2, failed: 1, unknown: 0 });
  assert.equal(await page.getByRole("button", { name: "Look Up Unknown Records" }).count(), 0);
  assert.deepEqual(await inStore("arrives", "answer-lost", "no-price"), ["answer-lost", "arrives"]);
});

test("rejected records are fed back in, but those of which nobody knows are looked up first", async () => {
  const { page } = w;
  await writeFile(join(w.folder, "new.ndjson"), product("answer-lost-again", ',"price":2') + product("still-no-price", ""));
  await begin();
  await counts({ read: 2, applied: 0, failed: 1, unknown: 1 });
  await page.getByRole("button", { name: "Feed Back Records…" }).click();
  const dialog = page.getByRole("dialog", { name: "Feed Back Records" });
  const start = dialog.getByRole("button", { name: "Run with These Records" });
  await start.click();
  await dialog.getByText("Choose a file first.").waitFor();
  await dialog.getByLabel("Which Records").selectOption("rejected");
  await start.click();
  await dialog.getByText(/1 record may or may not be in the target already/).waitFor();
  assert.doesNotMatch(await dialog.innerText(), /resolve|send_unknown/, "what to do is told in the words of the page");
  await inspect(w, "feed-back-refused");
  await dialog.getByRole("button", { name: "Look Up Unknown Records" }).click();
  await counts({ applied: 1, failed: 1, unknown: 0 });

  const rejected = await downloaded(w, () => page.getByRole("button", { name: "Failed and Unknown Records" }).click());
  await page.getByRole("button", { name: "Feed Back Records…" }).click();
  const mended = Buffer.from(rejected.text.replace('"categories":[]', '"categories":[],"price":3'));
  await dialog.getByLabel("File", { exact: true }).setInputFiles({ name: "mended.ndjson", mimeType: "application/x-ndjson", buffer: mended });
  await inspect(w, "feed-back");
  const before = page.url();
  await start.click();
  await page.waitForURL((url) => url.href !== before);
  await reaches("done");
  await counts({ read: 1, applied: 1, failed: 0, unknown: 0 });
  assert.deepEqual(await inStore("answer-lost-again", "still-no-price"), ["answer-lost-again", "still-no-price"]);
});

test("whoever accepts that they may be there twice sends unknown records again", async () => {
  const { page } = w;
  await writeFile(join(w.folder, "new.ndjson"), product("answer-lost-twice", ',"price":2'));
  await begin();
  await counts({ applied: 0, unknown: 1 });
  await page.getByRole("button", { name: "Feed Back Records…" }).click();
  const dialog = page.getByRole("dialog", { name: "Feed Back Records" });
  await dialog.getByLabel("Which Records").selectOption("rejected");
  await dialog.getByLabel("Send Unknown Records Too").check();
  const before = page.url();
  await dialog.getByRole("button", { name: "Run with These Records" }).click();
  await page.waitForURL((url) => url.href !== before);
  await reaches("done");
  await counts({ read: 1, applied: 0, failed: 1 });
});

test("a run that another process works is followed to its end", async () => {
  const { page } = w;
  way.waits(2500);
  await writeFile(join(w.folder, "new.ndjson"), ["a", "b", "c", "d"].map((name) => product(`followed-${name}`, ',"price":1')).join(""));
  const running = w.connector(["run", "add"]);
  await visit(w, "/operations", "Operations");
  for (const began = Date.now(); await page.getByText("running", { exact: true }).count() === 0;) {
    assert.ok(Date.now() - began < PATIENCE, await page.getByRole("main").innerText());
    await visit(w, "/operations", "Operations");
  }
  await page.getByRole("row").filter({ has: page.getByText("running", { exact: true }) }).last().getByRole("link").first().click();
  await reaches("running");
  await reaches("done");
  await counts({ read: 4, applied: 4 });
  way.waits(0);
  await running;
});

test("a run is deleted after a confirmation that names the records that go with it", async () => {
  const { page } = w;
  await writeFile(join(w.folder, "new.ndjson"), product("deleted-no-price", ""));
  await begin();
  await counts({ failed: 1 });
  const id = page.url().split("/").at(-1) ?? "";
  const ask = () => page.getByRole("button", { name: "Delete", exact: true }).click();
  const question = page.getByRole("dialog", { name: "Delete this run?" });
  await ask();
  await question.getByText("1 failed or unknown record", { exact: true }).waitFor();
  await inspect(w, "run-delete");
  await question.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await page.request.get(`/v1/runs/${id}`)).status(), 200);
  await ask();
  await question.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { level: 1, name: "Operations" }).waitFor();
  assert.equal((await page.request.get(`/v1/runs/${id}`)).status(), 404);
});

test("of many runs the newest are listed, and older ones on request", async () => {
  const { page } = w;
  await writeFile(join(w.folder, "new.ndjson"), "");
  const before = (await (await page.request.get("/v1/runs")).json()).items.length;
  for (let count = before; count <= 20; count += 1) await page.request.post("/v1/operations/add/runs", { data: {} });
  await visit(w, "/operations", "Operations");
  const runs = page.getByRole("region", { name: "Runs" }).getByRole("rowheader");
  assert.equal(await runs.count(), 20);
  await page.getByRole("button", { name: "Older Runs" }).click();
  await runs.nth(20).waitFor();
  assert.equal(await runs.count(), 21);
  assert.equal(await runs.nth(20).getByRole("link").evaluate((one) => one === document.activeElement), true, "the focus is on the first of them");
  assert.equal(await page.getByRole("button", { name: "Older Runs" }).count(), 0);
});

test("an operation that cannot start leads to its failed run, which says why", async () => {
  const { page } = w;
  const operation = { source: { file: "nowhere.ndjson" }, target: { file: "out.ndjson" } };
  await page.request.put("/v1/operations/lost", { data: operation });
  await visit(w, "/operations", "Operations");
  await page.getByRole("button", { name: "Run lost" }).click();
  await page.getByRole("heading", { level: 1, name: "Run of lost" }).waitFor();
  await reaches("failed");
  await page.getByRole("alert").getByText(/nowhere\.ndjson/).first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Resume" }).count(), 0, "there is nothing to go on with");
  await inspect(w, "run-not-started");
  await page.getByRole("alert").getByRole("link", { name: "Save and Run" }).click();
  await page.getByRole("heading", { level: 1, name: "lost" }).waitFor();
});
