/**
 * One activity: its object, its settings, its data schemas, and the first rows.
 *
 * @import {Activity, Described, ObjectItem, Trouble} from "./types.js"
 * @import {Mark} from "./parts.js"
 * @import {Screen} from "./router.js"
 */
import * as api from "./api.js";
import { activitySettings } from "./activity-settings.js";
import { PREVIEWED, activityNameProblem, deleteActivity } from "./activity-menu.js";
import { confirm } from "./dialogs.js";
import { button, fill, h, say } from "./dom.js";
import { objectTable } from "./object-table.js";
import { errorsOf, field, focusMarked, markFields, problem, screen, section, troubles } from "./parts.js";
import { recordTable } from "./record-table.js";
import { go } from "./router.js";
import { schemaTree } from "./schema-tree.js";

export const VERBS = new Map([["query", "Query"], ["create", "Create"], ["update", "Update"], ["delete", "Delete"]]);

/** @param {string} connection @param {Activity} saved @returns {Promise<Screen>} */
async function editor(connection, saved) {
  const home = `#/connections/${api.part(connection)}`;
  const path = `/v1/connections/${api.part(connection)}`;
  const isNew = saved.revision === undefined;
  const verb = VERBS.get(saved.verb) ?? saved.verb;
  const name = field("Activity Name", h("input", { type: "text", value: saved.name ?? "", autocomplete: "off", "aria-required": "true" }), { help: "Unique among the activities of the connection." });
  const nameInput = /** @type {HTMLInputElement} */ (name.input);
  const [object, settings, schemas, problems, preview] = [h("div", {}), h("div", {}), h("div", {}), h("div", {}), h("div", { "aria-live": "polite" })];
  let chosen = saved.object;
  /** @type {ReturnType<typeof activitySettings> | null} */
  let made = null;

  const content = () => ({ name: nameInput.value.trim(), verb: saved.verb, object: chosen, ...made?.value() });
  let before = "";
  const changed = () => JSON.stringify(content()) !== before;

  /** Draws what depends on the object. @param {Activity} activity */
  async function describe(activity) {
    fill(preview);
    if (!chosen) {
      made = null;
      fill(settings, h("p", {}, "Select an object first."));
      fill(schemas, h("p", {}, "Select an object first."));
      return;
    }
    try {
      /** @type {Described} */
      const described = await api.get(`${path}/schema?object=${api.part(chosen)}`);
      made = activitySettings(described, activity);
      fill(settings, made.element);
      const both = described.activities[saved.verb];
      fill(schemas, both ? h("div", { class: "columns" }, schemaTree("Request", both.request), schemaTree("Response", both.response))
        : h("p", {}, `This object offers no ${verb}.`));
    } catch (error) {
      made = null;
      fill(settings, problem(error));
      fill(schemas);
    }
  }

  const parts = h("div", {});
  /** @param {ObjectItem} item */
  async function choose(item) {
    chosen = item.name;
    say(`${item.name} is selected.`);
    await describe({ verb: saved.verb, object: chosen });
    await drawObject();
  }
  async function drawObject() {
    fill(object, h("p", {}, chosen ? ["Selected: ", h("code", {}, chosen)] : "Nothing is selected yet."));
    const top = chosen.split("/")[0] ?? "";
    /** @type {ObjectItem[]} */
    const all = top ? await api.list(`${path}/objects`) : [];
    const below = all.some((item) => item.parent === top && item.activities.includes(saved.verb));
    fill(parts, below ? section("Select a Sub-object", h("p", { class: "help" }, `What belongs to ${top}, where that is meant instead.`),
      await objectTable(connection, { verb: saved.verb, chosen, under: top, choose })) : null);
  }

  /** Tells each at its field, and what has none below. @param {Trouble[]} errors */
  function refused(errors) {
    /** @type {Record<string, {mark: Mark}>} */
    const fields = { name, ...made?.fields };
    // A look at what is not saved is an operation's, of which this is the source.
    const find = (/** @type {string} */ pointer) => fields[pointer.replace(/^\/source/, "").split("/")[1] ?? ""];
    const rest = markFields(Object.values(fields), errors, find);
    fill(problems, rest.length > 0 ? troubles(rest) : null);
    focusMarked(element);
  }

  /** @returns {Promise<boolean>} */
  async function store() {
    fill(problems);
    const wrong = activityNameProblem(nameInput.value);
    name.mark(wrong);
    if (wrong) nameInput.focus();
    else if (!chosen) fill(problems, troubles([{ message: "no object is selected", hint: "select one in the list" }]));
    if (wrong || !chosen) return false;
    try {
      if (isNew) await api.post(`${path}/activities`, content());
      else await api.put(`${path}/activities/${api.part(saved.name ?? "")}`, { ...content(), revision: saved.revision });
      say(`${nameInput.value} is saved.`);
      return true;
    } catch (error) {
      refused(errorsOf(error));
      return false;
    }
  }

  async function look() {
    refused([]);
    fill(preview, h("p", {}, "Reading …"));
    try {
      const { name: _, verb: __, ...request } = content();
      const answer = isNew || changed()
        ? await firstRows({ ...request, connection }) : await api.records(`${path}/activities/${api.part(saved.name ?? "")}/preview`, { limit: PREVIEWED });
      fill(preview, recordTable(answer.records, answer.more));
    } catch (error) {
      fill(preview);
      refused(errorsOf(error));
    }
  }

  const objects = await objectTable(connection, { verb: saved.verb, chosen, under: null, choose });
  await describe(saved);
  await drawObject();
  const element = screen(isNew ? `New ${verb} Activity` : saved.name ?? "", { back: [connection, home], about: `${verb} under ${connection}` },
    h("form", { novalidate: true, "aria-label": "Activity", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h("div", { class: "card fields" }, name.element),
      section("Select an Object", object, objects), parts,
      section("Settings", settings),
      problems,
      h("div", { class: "card actions" },
        button("Save Changes", async () => {
          if (await store()) go(home);
        }, { class: "primary" }),
        button("Discard Changes", async () => {
          if (!changed() || await confirm("Discard the changes?", { yes: "Discard Changes", no: "Go On Editing", danger: true })) go(home);
        }),
        saved.verb === "query" ? button("Preview", look) : null,
        isNew ? null : button("Delete", () => deleteActivity(connection, saved.name ?? ""), { class: "danger" })),
      preview,
      section("Review the Data Schemas", schemas)));
  before = JSON.stringify(content());
  return { title: saved.name || `New ${verb}`, element, changed };
}

/** The first rows of a query that is not saved: an operation that is never run. @param {Record<string, unknown>} source */
async function firstRows(source) {
  const operation = { source, target: { file: "preview.ndjson" } };
  const { rows } = await api.records("/v1/operations/preview", { operation, limit: PREVIEWED + 1 });
  const records = rows.map((/** @type {{in: unknown}} */ row) => row.in);
  return { records: records.slice(0, PREVIEWED), more: records.length > PREVIEWED };
}

/** @param {Record<string, string>} parts @param {URLSearchParams} query */
export function newActivity({ name = "" }, query) {
  return editor(name, { verb: query.get("verb") ?? "query", object: query.get("object") ?? "" });
}

/** @param {Record<string, string>} parts */
export async function editActivity({ name = "", activity = "" }) {
  return editor(name, await api.get(`/v1/connections/${api.part(name)}/activities/${api.part(activity)}`));
}
