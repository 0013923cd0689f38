/**
 * One end of an operation: a file, an activity, or what an activity asks for, with none of its own.
 *
 * @import {Mark} from "./parts.js"
 * @import {Activity, ConnectionItem} from "./types.js"
 */
import { activityRequest } from "./activity-request.js";
import { VERBS } from "./activity-settings.js";
import * as api from "./api.js";
import { reference } from "./connection-name.js";
import { fill, h } from "./dom.js";
import { choice, field } from "./parts.js";

/** @typedef {Record<string, any>} End */

/** @param {End} end */
function kindOf(end) {
  if (end["activity"]) return "activity";
  return end["object"] ? "inline" : "file";
}

/** One of these names; also the one that is saved, where nothing has this name any more. @param {string} label @param {string[]} names @param {string} [saved] */
function named(label, names, saved = "") {
  const all = saved === "" || names.includes(saved) ? names : [saved, ...names];
  return choice(label, all.map((name) => [name, name]), saved);
}

/**
 * @param {string} title
 * @param {boolean} isSource
 * @param {End} end
 */
export async function operationEnd(title, isSource, end) {
  /** @type {ConnectionItem[]} */
  const items = await api.list("/v1/connections");
  const connections = items.map((item) => reference(item, items));
  /** @type {{connection: string, name: string, verb: string}[]} */
  const activities = (await Promise.all(connections.map(async (name) =>
    (await api.list(`/v1/connections/${api.part(name)}/activities`).catch(() => [])).map((one) => ({ ...one, connection: name })))))
    .flat().filter((one) => (one.verb === "query") === isSource);
  const kind = choice(`${title}: What It Is`, [
    ["file", "A file of the project"], ["activity", "An activity"], ["inline", isSource ? "A query of an object" : "A write of an object"],
  ], kindOf(end));
  const file = field("File", h("input", { type: "text", value: end["file"] ?? "", autocomplete: "off", spellcheck: "false" }),
    { help: "In the project's folder. The ending says what it is: .ndjson, .json, .csv or .parquet." });
  const activity = named("Activity", activities.map((one) => `${one.connection}/${one.name}`), end["activity"]);
  const connection = named("Connection", connections, end["connection"]);
  const verb = choice("Type", [...VERBS].filter(([word]) => word !== "query"), end["verb"] ?? "update");
  const [shown, inline] = [h("div", { class: "fields" }), h("div", {})];
  /** @type {Awaited<ReturnType<typeof activityRequest>> | null} */
  let request = null;
  let turn = 0;

  const { file: _, format: __, activity: ___, connection: ____, verb: _____, ...saved } = end;
  /** What is asked for. @returns {{object: string} & Partial<Activity>} */
  const asked = () => request?.value() ?? { object: "", ...saved };
  async function ask() {
    turn += 1;
    const mine = turn;
    fill(inline, h("p", { role: "status" }, "Reading the objects …"));
    const wanted = { ...asked(), verb: isSource ? "query" : verb.select.value };
    const made = await activityRequest(connection.select.value, wanted, { inline: true });
    if (mine !== turn) return;
    request = made;
    fill(inline, made.element);
  }
  const none = (/** @type {string} */ text) => h("p", { class: "notice" }, text);
  async function arrange() {
    const now = kind.select.value;
    if (now === "file") fill(shown, file.element);
    else if (now === "activity") {
      fill(shown, activity.select.length > 0 ? activity.element : none(`There is no ${isSource ? "query" : "write"} activity yet. Make one under a connection.`));
    } else if (connection.select.length === 0) fill(shown, none("There is no connection yet. Make one first."));
    else {
      fill(shown, connection.element, isSource ? null : verb.element, inline);
      if (!request) await ask();
    }
  }
  kind.select.addEventListener("change", arrange);
  connection.select.addEventListener("change", ask);
  verb.select.addEventListener("change", ask);
  await arrange();

  const value = () => {
    const text = /** @type {HTMLInputElement} */ (file.input).value.trim();
    if (kind.select.value === "file") return { ...(end["format"] && text === end["file"] ? { format: end["format"] } : {}), file: text };
    if (kind.select.value === "activity") return { activity: activity.select.value };
    return { connection: connection.select.value, ...(isSource ? {} : { verb: verb.select.value }), ...asked() };
  };
  /** By the API's names. @returns {Record<string, {mark: Mark}>} */
  const fields = () => ({ file, format: file, activity, connection, verb, ...(kind.select.value === "inline" ? request?.fields() : {}) });
  return { element: h("fieldset", {}, h("legend", {}, title), h("div", { class: "fields" }, kind.element, shown)), value, fields };
}
