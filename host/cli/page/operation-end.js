/**
 * One end of an operation: a file, an activity, or an object without an activity of its own.
 *
 * @import {Mark} from "./parts.js"
 * @import {ConnectionItem} from "./types.js"
 */
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
    ["file", "A file of the project"], ["activity", "An activity"], ["inline", isSource ? "Every record of an object" : "A write of an object"],
  ], kindOf(end));
  const file = field("File", h("input", { type: "text", value: end["file"] ?? "", autocomplete: "off", spellcheck: "false" }),
    { help: "In the project's folder. The ending says what it is: .ndjson, .json, .csv or .parquet." });
  const names = activities.map((one) => `${one.connection}/${one.name}`);
  const activity = choice("Activity", names.map((name) => [name, name]), end["activity"] ?? "");
  const connection = choice("Connection", connections.map((name) => [name, name]), end["connection"] ?? "");
  const object = field("Object", h("input", { type: "text", value: end["object"] ?? "", autocomplete: "off", spellcheck: "false" }), { help: "Its name, as the connection's objects list it." });
  const verb = choice("Type", ["create", "update", "delete"].map((word) => [word, word]), end["verb"] ?? "update");
  const mode = choice("Mode", [["strict", "Strict"], ["upsert", "Upsert"]], end["mode"] ?? "strict");
  const shown = h("div", { class: "fields" });
  const none = (/** @type {string} */ text) => h("p", { class: "notice" }, text);
  function arrange() {
    if (kind.select.value === "file") fill(shown, file.element);
    else if (kind.select.value === "activity") {
      fill(shown, names.length > 0 ? activity.element : none(`There is no ${isSource ? "query" : "write"} activity yet. Make one under a connection.`));
    } else if (connections.length === 0) fill(shown, none("There is no connection yet. Make one first."));
    else fill(shown, connection.element, object.element, isSource ? null : [verb.element, mode.element]);
  }
  kind.select.addEventListener("change", arrange);
  arrange();

  const value = () => {
    const text = (/** @type {{input: HTMLElement}} */ { input }) => /** @type {HTMLInputElement} */ (input).value.trim();
    if (kind.select.value === "file") return { ...(end["format"] && text(file) === end["file"] ? { format: end["format"] } : {}), file: text(file) };
    if (kind.select.value === "activity") return { activity: activity.select.value };
    // What this form does not show stays as it is.
    const { activity: _, file: __, format: ___, mode: ____, ...rest } = kindOf(end) === "inline" ? end : {};
    return {
      ...rest, connection: connection.select.value, object: text(object),
      ...(isSource ? {} : { verb: verb.select.value, ...(mode.select.value === "upsert" ? { mode: "upsert" } : {}) }),
    };
  };
  /** @type {Record<string, {mark: Mark}>} */
  const fields = { file, format: file, activity, connection, object, verb, mode };
  return { element: h("fieldset", {}, h("legend", {}, title), h("div", { class: "fields" }, kind.element, shown)), value, fields };
}
