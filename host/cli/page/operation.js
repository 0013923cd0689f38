/**
 * One operation: source, mapping and target, with a preview on real rows, and how it runs.
 *
 * @import {Screen} from "./router.js"
 */
import * as api from "./api.js";
import { confirm } from "./dialogs.js";
import { button, fill, h, say } from "./dom.js";
import { operationEnd } from "./operation-end.js";
import { deleteOperation, operationNameProblem, runOperation } from "./operations.js";
import { errorsOf, field, problem, screen, section, table, toggle, troubles } from "./parts.js";
import { go } from "./router.js";

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
  const text = (/** @type {string} */ label, /** @type {any} */ value, /** @type {Record<string, string>} */ more = {}) =>
    field(label, h("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false" }), more);
  const of = (/** @type {{input: HTMLElement}} */ { input }) => /** @type {HTMLInputElement} */ (input).value.trim();
  const named = text("Operation Name", name, { help: "It names the file: letters, digits, - and _." });
  const description = text("Description", saved["description"], { note: "(optional)" });
  const [source, target] = await Promise.all([operationEnd("Source", true, saved["source"] ?? {}), operationEnd("Target", false, saved["target"] ?? {})]);
  const jq = field("Mapping", h("textarea", { rows: "4", spellcheck: "false", value: saved["mapping"]?.jq ?? "" }), {
    note: "(optional)", help: saved["mapping"]?.file ? `The program is in ${saved["mapping"].file}, unless one stands here.`
      : "A jq program that makes records of each row, for example {id: (.id|tonumber), price}. Without one, rows go as they are.",
  });
  const batch = text("Batch Size", saved["run"]?.batch_size, { note: "(optional)", help: "Records per call." });
  const goOn = toggle("Continue on Error", saved["run"]?.continue_on_error === true, { help: "Goes on after a failed record. Each is kept with its reason." });
  const success = text("After Success, Run", saved["after"]?.success, { note: "(optional)" });
  const failure = text("After a Failure, Run", saved["after"]?.failure, { note: "(optional)" });
  const every = text("Every", saved["schedule"]?.every, { note: "(optional)", help: "30m, 1h: while the server runs." });
  const cron = text("Cron", saved["schedule"]?.cron, { note: "(optional)", help: "0 3 * * *: instead of the above." });
  const [problems, preview] = [h("div", {}), h("div", { "aria-live": "polite" })];

  const content = () => {
    const size = of(batch);
    const program = of(jq);
    const optional = {
      description: of(description), mapping: program ? { jq: program } : saved["mapping"]?.file ? { file: saved["mapping"].file } : undefined,
      run: given({ batch_size: /^\d+$/.test(size) ? Number(size) : size, continue_on_error: goOn.input.checked }),
      after: given({ success: of(success), failure: of(failure) }), schedule: given({ every: of(every), cron: of(cron) }),
    };
    return { source: source.value(), target: target.value(), ...given(optional) };
  };
  const snapshot = () => JSON.stringify([of(named), content()]);
  const before = snapshot();
  const changed = () => snapshot() !== before;

  /** @param {string} pointer */
  function marked(pointer) {
    const [, part = "", member = ""] = pointer.split("/");
    if (part === "source" || part === "target") return (part === "source" ? source : target).fields[member];
    return { description, mapping: jq, name: named, batch_size: batch, success, failure, every, cron }[member || part];
  }
  /** @param {unknown} error */
  function refused(error) {
    const fields = [named, description, jq, batch, success, failure, every, cron, ...Object.values(source.fields), ...Object.values(target.fields)];
    for (const one of fields) one.mark(null);
    const rest = errorsOf(error).filter((one) => {
      const target = one.pointer ? marked(one.pointer) : undefined;
      target?.mark([one.message, one.hint].filter(Boolean).join(". "));
      return !target;
    });
    fill(problems, rest.length > 0 ? troubles(rest) : null);
    /** @type {HTMLElement | null} */ (element.querySelector("[aria-invalid]"))?.focus();
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
      const renamed = !isNew && of(named) !== name ? { name: of(named) } : {};
      await api.put(`/v1/operations/${api.part(isNew ? of(named) : name)}`, { ...content(), ...renamed, ...(isNew ? {} : { revision: saved["revision"] }) });
      say(`${of(named)} is saved.`);
      return true;
    } catch (error) {
      refused(error);
      return false;
    }
  }

  async function look() {
    fill(problems);
    fill(preview, h("p", {}, "Reading …"));
    try {
      const { rows } = await api.records("/v1/operations/preview", { operation: content(), limit: PREVIEWED });
      fill(preview, previewed(rows));
    } catch (error) {
      fill(preview);
      refused(error);
    }
  }

  const element = screen(isNew ? "New Operation" : name, { back: ["Operations", HOME] },
    h("form", { novalidate: true, "aria-label": "Operation", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h("div", { class: "card fields" }, named.element, description.element),
      h("div", { class: "columns card" }, source.element, target.element),
      section("Mapping", h("div", { class: "fields" }, jq.element, h("div", { class: "actions" }, button("Preview", look))), preview),
      h("details", { class: "card" }, h("summary", {}, "How It Runs"),
        h("div", { class: "fields" }, batch.element, goOn.element, success.element, failure.element, every.element, cron.element)),
      problems,
      h("div", { class: "card actions" },
        button("Save Changes", async () => {
          if (await store()) go(HOME);
        }, { class: "primary" }),
        button("Save and Run", async () => {
          if (await store()) await runOperation(of(named));
        }),
        button("Discard Changes", async () => {
          if (!changed() || await confirm("Discard the changes?", { yes: "Discard Changes", no: "Go On Editing", danger: true })) go(HOME);
        }),
        isNew ? null : button("Delete", () => deleteOperation(name), { class: "danger" }))));
  return { title: name || "New operation", element, changed };
}

export function newOperation() {
  return editor("", { source: {}, target: {} });
}

/** @param {Record<string, string>} parts */
export async function editOperation({ name = "" }) {
  try {
    return await editor(name, await api.get(`/v1/operations/${api.part(name)}`));
  } catch (error) {
    return { title: name, element: screen(name, { back: ["Operations", HOME] }, problem(error)) };
  }
}
