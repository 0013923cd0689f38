/** Some records as a table. */
import { h } from "./dom.js";
import { empty, table } from "./parts.js";

const MOST_COLUMNS = 8;

/** @param {unknown} value A number may be a raw piece of JSON, which is an object. */
function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** @param {Record<string, unknown>[]} records @param {boolean} more Whether there are others. */
export function recordTable(records, more) {
  if (records.length === 0) return empty("No record fits. Loosen the conditions.");
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const shown = columns.slice(0, MOST_COLUMNS);
  const left = columns.length - shown.length;
  return h("div", {}, table("Records", shown, records.map((record) => shown.map((name) => cell(record[name])))),
    h("p", { class: "note" }, `${records.length} records${more ? ", and there are more" : ""}${left > 0 ? `; ${left} more fields are not shown` : ""}.`));
}
