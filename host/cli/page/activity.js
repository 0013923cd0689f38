/**
 * One activity: its object, its settings, its data schemas, and the first rows.
 *
 * @import {Activity, Described, Trouble} from "./types.js"
 * @import {Mark} from "./parts.js"
 * @import {Screen} from "./router.js"
 */
import * as api from "./api.js";
import { PREVIEWED, activityNameProblem, deleteActivity } from "./activity-menu.js";
import { activityRequest } from "./activity-request.js";
import { VERBS } from "./activity-settings.js";
import { confirm } from "./dialogs.js";
import { button, fill, h, say } from "./dom.js";
import { errorsOf, field, focusMarked, markFields, screen, section, troubles } from "./parts.js";
import { recordTable } from "./record-table.js";
import { go } from "./router.js";
import { schemaTree } from "./schema-tree.js";

/** @param {string} connection @param {Activity} saved @returns {Promise<Screen>} */
async function editor(connection, saved) {
  const home = `#/connections/${api.part(connection)}`;
  const path = `/v1/connections/${api.part(connection)}`;
  const isNew = saved.revision === undefined;
  const verb = VERBS.get(saved.verb) ?? saved.verb;
  const name = field("Activity Name", h("input", { type: "text", value: saved.name ?? "", autocomplete: "off", "aria-required": "true" }), { help: "Unique among the activities of the connection." });
  const nameInput = /** @type {HTMLInputElement} */ (name.input);
  const [schemas, problems, preview] = [h("div", {}), h("div", {}), h("div", { "aria-live": "polite" })];

  /** Draws what depends on the object. @param {Described | null} described @param {string} object */
  function heard(described, object) {
    fill(preview);
    const both = described?.activities[saved.verb];
    fill(schemas, both ? h("div", { class: "columns" }, schemaTree("Request", both.request), schemaTree("Response", both.response))
      : object ? h("p", {}, "They are not known.") : h("p", {}, "Select an object first."));
  }
  const request = await activityRequest(connection, saved, { heard });
  const content = () => ({ name: nameInput.value.trim(), verb: saved.verb, ...request.value() });
  const before = JSON.stringify(content());
  const changed = () => JSON.stringify(content()) !== before;

  /** Tells each at its field, and what has none below. @param {Trouble[]} errors */
  function refused(errors) {
    /** @type {Record<string, {mark: Mark}>} */
    const fields = { name, ...request.fields() };
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
    else if (!request.object()) fill(problems, troubles([{ message: "no object is selected", hint: "select one in the list" }]));
    if (wrong || !request.object()) return false;
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
      const { name: _, verb: __, ...query } = content();
      const answer = isNew || changed()
        ? await firstRows({ ...query, connection }) : await api.records(`${path}/activities/${api.part(saved.name ?? "")}/preview`, { limit: PREVIEWED });
      fill(preview, recordTable(answer.records, answer.more));
    } catch (error) {
      fill(preview);
      refused(errorsOf(error));
    }
  }

  const element = screen(isNew ? `New ${verb} Activity` : saved.name ?? "", { back: [connection, home], about: `${verb} under ${connection}` },
    h("form", { novalidate: true, "aria-label": "Activity", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h("div", { class: "card fields" }, name.element),
      request.element,
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
