/** What is done with a run when it has ended: unknown records looked up, rejected ones mended and fed back in, the run deleted. */
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { addConnection, inspect, visit, world } from "./harness.js";

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
  way = await lossyWay(w.url, (body) => body.includes("answer-lost"));
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
  const server = createServer((asked, answered) => {
    const sent = request(new URL(asked.url ?? "/", store), { method: asked.method, headers: { ...asked.headers, host: new URL(store).host } });
    let body = "";
    asked.on("data", (piece) => (body += piece));
    asked.pipe(sent);
    sent.on("response", (answer) => {
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
