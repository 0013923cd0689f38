/**
 * The HTTP API: JSON, records, problems, and streams of events. The token, where the server asks for one, is kept in memory only: it is gone
 * with the page.
 *
 * @import {Trouble} from "./types.js"
 */

/** A refusal of the server, or its silence. */
export class Problem extends Error {
  /**
   * @param {number} status 0 where there was no answer.
   * @param {string} title
   * @param {Trouble[]} errors
   * @param {string} [run] The run that failed by it.
   */
  constructor(status, title, errors, run) {
    super(errors[0]?.message ?? title);
    this.status = status;
    this.title = title;
    this.errors = errors;
    this.run = run;
  }
}

/** @type {string | null} */
let token = null;

/** @type {(wrong: boolean) => Promise<string | null>} */
let askForToken = async () => null;
/** The question that is open: one, however many requests wait for its answer. @type {Promise<boolean> | null} */
let asking = null;

/** Who asks the person for the token. @param {typeof askForToken} ask */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/** Whether there is another token to try than the one that was refused. @param {string | null} refused */
async function anotherToken(refused) {
  if (token !== refused) return true;
  asking ??= askForToken(refused !== null).then((given) => {
    if (given !== null) token = given;
    asking = null;
    return given !== null;
  });
  return asking;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{accept?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>} Of a success.
 */
async function send(method, path, body, options = {}) {
  for (;;) {
    const sent = token;
    /** @type {Record<string, string>} */
    const headers = { accept: options.accept ?? "application/json" };
    const records = body instanceof Blob;
    if (body !== undefined) headers["content-type"] = records ? "application/x-ndjson" : "application/json";
    if (sent !== null) headers["authorization"] = `Bearer ${sent}`;
    let answer;
    try {
      answer = await fetch(path, {
        method, headers, credentials: "omit", redirect: "error",
        body: body === undefined ? null : records ? body : JSON.stringify(body), signal: options.signal ?? null,
      });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Problem(0, "No answer", [{ message: "the server does not answer", hint: "is `connector serve` still running?" }]);
    }
    if (answer.ok) return answer;
    if (answer.status !== 401 || !await anotherToken(sent)) throw await problem(answer);
  }
}

/** @param {Response} answer */
async function problem(answer) {
  const text = await answer.text();
  try {
    const body = JSON.parse(text);
    const errors = Array.isArray(body.errors) && body.errors.length > 0 ? body.errors : [{ message: body.detail ?? body.title }];
    return new Problem(answer.status, body.title ?? "Refused", errors, body.run);
  } catch {
    return new Problem(answer.status, "Refused", [{ message: text || `the server answered ${answer.status}` }]);
  }
}

/** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
async function json(method, path, body) {
  const answer = await send(method, path, body);
  const text = await answer.text();
  return text === "" ? null : JSON.parse(text);
}

/** @param {string} path */
export const get = (path) => json("GET", path);
/** @param {string} path @param {unknown} body Records, one per line, are a blob. */
export const post = (path, body) => json("POST", path, body);
/** @param {string} path @param {unknown} body */
export const put = (path, body) => json("PUT", path, body);
/** @param {string} path */
export const del = (path) => json("DELETE", path);

/** The members of a list. @param {string} path @returns {Promise<any[]>} */
export async function list(path) {
  const answer = await get(path);
  return Array.isArray(answer) ? answer : answer.items;
}

/** The text of an answer, as it is. @param {string} path */
export async function text(path) {
  return (await send("GET", path, undefined, { accept: "*/*" })).text();
}

/**
 * Records to look at: numbers keep the digits that they were written with.
 *
 * @param {string} path @param {unknown} body @returns {Promise<any>}
 */
export async function records(path, body) {
  const answer = await send("POST", path, body);
  // Browsers that do not hand over the written digits show numbers as they read them.
  const raw = /** @type {{rawJSON?: (text: string) => unknown}} */ (/** @type {unknown} */ (JSON)).rawJSON;
  const exact = (/** @type {string} */ _, /** @type {unknown} */ value, /** @type {{source?: string}} */ written) =>
    (typeof value === "number" && raw && written?.source ? raw(written.source) : value);
  return JSON.parse(await answer.text(), /** @type {(key: string, value: unknown) => unknown} */ (exact));
}

/**
 * Reads server-sent events until the server ends them.
 *
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {(event: string, data: any) => void} heard
 * @param {AbortSignal} [signal]
 */
export async function events(method, path, body, heard, signal) {
  const answer = await send(method, path, body, { accept: "text/event-stream", ...(signal ? { signal } : {}) });
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) tell(part, heard);
  }
}

/** @param {string} part @param {(event: string, data: any) => void} heard */
function tell(part, heard) {
  let event = "message";
  const data = [];
  for (const line of part.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (data.length > 0) heard(event, JSON.parse(data.join("\n")));
}

/** A part of a path. @param {string} name */
export const part = (name) => encodeURIComponent(name);
