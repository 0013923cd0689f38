/**
 * What an activity asks for besides its object: of a query conditions, fields and order, of a write its mode.
 *
 * @import {Activity, Described} from "./types.js"
 */
import { conditionEditor } from "./conditions.js";
import { h } from "./dom.js";
import { choice, field, toggle } from "./parts.js";

export const VERBS = new Map([["query", "Query"], ["create", "Create"], ["update", "Update"], ["delete", "Delete"]]);

/** @param {string} text */
const words = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);

/** @param {string} label @param {string[] | undefined} value @param {string} help */
function listField(label, value, help) {
  const made = field(label, h("input", { type: "text", value: (value ?? []).join(", "), autocomplete: "off", spellcheck: "false" }), { note: "(optional)", help });
  return { ...made, value: () => words(/** @type {HTMLInputElement} */ (made.input).value) };
}

/** @param {string} label @param {number | undefined} value @param {string} help */
function numberField(label, value, help) {
  const made = field(label, h("input", { type: "text", inputmode: "numeric", value: value ?? "", autocomplete: "off" }), { note: "(optional)", help });
  return {
    ...made,
    value() {
      const text = /** @type {HTMLInputElement} */ (made.input).value.trim();
      return text === "" ? undefined : /^\d+$/.test(text) ? Number(text) : text;
    },
  };
}

/** @param {Record<string, unknown>} members Those that say nothing are left out. */
function said(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) =>
    value !== undefined && value !== false && value !== "strict" && !(Array.isArray(value) && value.length === 0)));
}

/** @param {Described} described @param {Activity} activity */
function query(described, activity) {
  const where = conditionEditor(described.fields ?? [], activity.where ?? []);
  const sortable = (described.fields ?? []).filter((one) => one.sortable).map((one) => one.name);
  const fields = listField("Fields", activity.fields, "Names, apart by commas; all where there is none.");
  const order = listField("Order", activity.order_by, sortable.length > 0 ? `A minus before a name turns it round. Possible: ${sortable.join(", ")}.` : "This object has no order to choose.");
  const include = listField("Include", activity.include, `Related data to bring along. Possible: ${(described.includes ?? []).join(", ") || "nothing"}.`);
  const incremental = toggle("Incremental", activity.incremental === true, { help: "Only what was changed since the last run." });
  const page = numberField("Records at a Time", activity.page_size, "As the connection says where it is empty.");
  const most = numberField("At Most", activity.max_records, "Stops after as many records.");
  return {
    fields: { where, fields, order_by: order, include, page_size: page, max_records: most },
    element: h("div", { class: "fields" }, where.element, fields.element, order.element,
      (described.includes ?? []).length > 0 ? include.element : null, described.incremental ? incremental.element : null, page.element, most.element),
    value: () => said({
      where: where.value(), fields: fields.value(), order_by: order.value(), include: include.value(),
      incremental: incremental.input.checked, page_size: page.value(), max_records: most.value(),
    }),
  };
}

/** @param {Activity} activity @param {boolean} inline */
function write(activity, inline) {
  const mode = choice("Mode", [["strict", "Strict: what is there already, or missing, is a failure"], ["upsert", "Upsert: create what is missing, update the rest"]], activity.mode ?? "strict");
  const match = listField("Match On", activity.match_on, "Fields by which an upsert finds a record; the key where there is none.");
  const goOn = toggle("Continue on Error", activity.continue_on_error === true, { help: "Goes on after a failed record." });
  const batch = numberField("Batch Size", activity.batch_size, "Records per call.");
  const upserts = activity.verb !== "delete";
  const arrange = () => {
    match.element.hidden = mode.select.value !== "upsert";
  };
  mode.select.addEventListener("change", arrange);
  arrange();
  return {
    fields: { mode, match_on: match, batch_size: batch },
    element: h("div", { class: "fields" }, upserts ? [mode.element, match.element] : null,
      inline ? h("p", { class: "help" }, "How It Runs, below, has the batch size, and whether it goes on after a failed record.") : [goOn.element, batch.element]),
    value: () => said({
      ...(upserts ? { mode: mode.select.value, match_on: mode.select.value === "upsert" ? match.value() : [] } : {}),
      ...(inline ? {} : { continue_on_error: goOn.input.checked, batch_size: batch.value() }),
    }),
  };
}

/**
 * @param {Described} described
 * @param {Activity} activity
 * @param {boolean} inline Whether it stands in an operation, which says by itself how it runs.
 */
export function activitySettings(described, activity, inline) {
  return activity.verb === "query" ? query(described, activity) : write(activity, inline);
}
