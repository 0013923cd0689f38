/**
 * One operation: source, mapping and target, with a preview on real rows, and how it runs.
 *
 * @import {Screen} from "./router.js"
 * @import {Mark} from "./parts.js"
 * @import {Trouble} from "./types.js"
 */
import * as api from "./api.js";
import { attempt } from "./connection-menu.js";
import { confirm } from "./dialogs.js";
import { button, fill, h, say } from "./dom.js";
import { operationEnd } from "./operation-end.js";
import { deleteOperation, operationNameProblem, runOperation, tryOperation } from "./operations.js";
import { errorsOf, field, focusMarked, markFields, problem, screen, section, table, toggle, troubles } from "./parts.js";
import { go } from "./router.js";
import { scheduleEditor, times } from "./schedule.js";

const HOME = "#/operations";
const PREVIEWED = 5;

/** @param {Record<string, any>} members Those that are empty are left out. */
function given(members) {
  const kept = Object.entries(members).filter(([, value]) => value !== "" && value !== undefined && value !== false);
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** @param {any} value */
const short = (value) => h("pre", {}, JSON.stringify(value, null, 1));

/** @param {{in: unknown, out?: unknown[], error?: any}[]} rows */
function previewed(rows) {
  if (rows.length === 0) return h("p", {}, "The source has no rows.");
  return table("Preview", ["Row of the source", "Record for the target"], rows.map((row) => [
    short(row.in), row.error ? troubles([typeof row.error === "string" ? { message: row.error } : row.error])
      : h("div", {}, (row.out ?? []).length === 0 ? "left out" : (row.out ?? []).map(short))]));
}

/** @param {string} name @param {Record<string, any>} saved @returns {Promise<Screen>} */
async function editor(name, saved) {
  const isNew = saved["revision"] === undefined;
  /** What the server has of it, which another change must know. @type {{name: string, revision: string} | null} */
  let kept = isNew ? null : { name, revision: saved["revision"] };
  const text = (/** @type {string} */ label, /** @type {any} */ value, /** @type {Record<string, string>} */ more = {}) =>
    field(label, h("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false" }), more);
  const of = (/** @type {{input: HTMLElement}} */ { input }) => /** @type {HTMLInputElement} */ (input).value.trim();
  const named = text("Operation Name", name, { help: "It names the file: letters, digits, - and _." });
  const description = text("Description", saved["description"], { note: "(optional)" });
  const [source, target, listed] = await Promise.all([
    operationEnd("Source", true, saved["source"] ?? {}), operationEnd("Target", false, saved["target"] ?? {}),
    saved["schedule"] ? api.list("/v1/operations") : []]);
  const jq = field("Mapping", h("textarea", { rows: "4", spellcheck: "false", value: saved["mapping"]?.jq ?? "" }), {
    note: "(optional)", help: saved["mapping"]?.file ? `The program is in ${saved["mapping"].file}, unless one stands here.`
      : "A jq program that makes records of each row, for example {id: (.id|tonumber), price}. Without one, rows go as they are.",
  });
  const batch = text("Batch Size", saved["run"]?.batch_size, { note: "(optional)", help: "Records per call." });
  const goOn = toggle("Continue on Error", saved["run"]?.continue_on_error === true, { help: "Goes on after a failed record. Each is kept with its reason." });
  const success = text("After Success, Run", saved["after"]?.success, { note: "(optional)" });
  const failure = text("After a Failure, Run", saved["after"]?.failure, { note: "(optional)" });
  const schedule = scheduleEditor(saved["schedule"] ?? {}, times(listed.find((one) => one.name === name) ?? {}));
  const [problems, preview] = [h("div", {}), h("div", { "aria-live": "polite" })];

  const content = () => {
    const size = of(batch);
    const program = of(jq);
    const optional = {
      description: of(description), mapping: program ? { jq: program } : saved["mapping"]?.file ? { file: saved["mapping"].file } : undefined,
      run: given({ batch_size: /^\d+$/.test(size) ? Number(size) : size, continue_on_error: goOn.input.checked }),
      after: given({ success: of(success), failure: of(failure) }), schedule: schedule.value(),
    };
    return { source: source.value(), target: target.value(), ...given(optional) };
  };
  const snapshot = () => JSON.stringify([of(named), content()]);
  let before = snapshot();
  const changed = () => snapshot() !== before;

  /** By the API's names. @type {Record<string, {mark: Mark}>} */
  const fields = { name: named, description, mapping: jq, jq, file: jq, batch_size: batch, success, failure, ...schedule.fields };
  /** @param {string} pointer */
  function marked(pointer) {
    const [, part = "", member = ""] = pointer.split("/");
    if (part === "source" || part === "target") return (part === "source" ? source : target).fields()[member];
    return fields[member || part];
  }
  /** Each at its field, and what has none below. @param {Trouble[]} errors */
  function refused(errors) {
    const all = [fields, source.fields(), target.fields()].flatMap((some) => Object.values(some));
    const rest = markFields(all, errors, marked);
    fill(problems, rest.length > 0 ? troubles(rest) : null);
    focusMarked(element);
  }

  async function store() {
    fill(problems);
    const wrong = operationNameProblem(of(named));
    named.mark(wrong);
    if (wrong) {
      named.input.focus();
      return false;
    }
    try {
      const given = kept ? { ...content(), name: of(named), revision: kept.revision } : content();
      kept = await api.put(`/v1/operations/${api.part(kept?.name ?? of(named))}`, given);
      before = snapshot();
      say(`${of(named)} is saved.`);
      return true;
    } catch (error) {
      refused(errorsOf(error));
      return false;
    }
  }

  /** Whether it could run: what a run would be refused for stands at its field. */
  async function sound() {
    const { errors } = await api.post("/v1/operations/check", { ...content(), name: of(named) });
    refused(errors);
    return errors.length === 0;
  }

  /** A dry run is of what is saved. */
  async function attemptDry() {
    if (!kept || changed()) {
      const question = { text: "A dry run tries the operation as it is saved, and what is on the screen is not saved yet.", yes: "Save and Try" };
      if (!await confirm("Save the changes first?", question) || !await store()) return;
    }
    await tryOperation(of(named));
  }

  async function look() {
    fill(problems);
    fill(preview, h("p", {}, "Reading …"));
    try {
      const { rows } = await api.records("/v1/operations/preview", { operation: content(), limit: PREVIEWED });
      fill(preview, previewed(rows));
    } catch (error) {
      fill(preview);
      refused(errorsOf(error));
    }
  }

  const element = screen(isNew ? "New Operation" : name, { back: ["Operations", HOME] },
    h("form", { novalidate: true, "aria-label": "Operation", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h("div", { class: "card fields" }, named.element, description.element),
      h("div", { class: "columns card" }, source.element, target.element),
      section("Mapping", h("div", { class: "fields" }, jq.element, h("div", { class: "actions" }, button("Preview", look))), preview),
      h("details", { class: "card", open: Boolean(saved["run"] ?? saved["after"] ?? saved["schedule"]) }, h("summary", {}, "How It Runs"),
        h("div", { class: "fields" }, batch.element, goOn.element, success.element, failure.element, schedule.element)),
      problems,
      h("div", { class: "card actions" },
        button("Save Changes", async () => {
          if (await store()) go(HOME);
        }, { class: "primary" }),
        button("Save and Run", async () => {
          await attempt(`${of(named)} is not run`, async () => {
            if (await sound() && await store()) await runOperation(of(named));
          });
        }),
        button("Dry Run", attemptDry),
        button("Discard Changes", async () => {
          if (!changed() || await confirm("Discard the changes?", { yes: "Discard Changes", no: "Go On Editing", danger: true })) go(HOME);
        }),
        isNew ? null : button("Delete", () => deleteOperation(name), { class: "danger" }))));
  return { title: name || "New operation", element, changed };
}

/** @param {Record<string, string>} _ @param {URLSearchParams} query The activity to begin with, as `source` or `target`. */
export function newOperation(_, query) {
  const [source, target] = ["source", "target"].map((end) => (query.has(end) ? { activity: query.get(end) } : {}));
  return editor("", { source, target });
}

/** @param {Record<string, string>} parts */
export async function editOperation({ name = "" }) {
  try {
    return await editor(name, await api.get(`/v1/operations/${api.part(name)}`));
  } catch (error) {
    return { title: name, element: screen(name, { back: ["Operations", HOME] }, problem(error)) };
  }
}
