/**
 * The list of operations, and their runs.
 *
 * @import {Child} from "./dom.js"
 * @import {Run} from "./types.js"
 */
import * as api from "./api.js";
import { attempt } from "./connection-menu.js";
import { ask, confirm, tell } from "./dialogs.js";
import { button, fill, h, link, say } from "./dom.js";
import { menu } from "./menu.js";
import { empty, save, screen, section, sentence, table, troubles } from "./parts.js";
import { badge, figures } from "./report.js";
import { again, go } from "./router.js";
import { times } from "./schedule.js";
import { when } from "./time.js";

/** Runs that are shown at a time. */
const RUNS = 20;

/** @param {string} name */
const at = (name) => `/v1/operations/${api.part(name)}`;

/** @param {string} name */
export function operationNameProblem(name) {
  return /^[\w-]+$/.test(name) ? null : "A name has letters, digits, - and _ only: it names the file.";
}

/** Leads to the run, also to one that has failed at once. @param {string} name */
export function runOperation(name) {
  return attempt(`${name} is not run`, async () => {
    const { id } = await api.post(`${at(name)}/runs`, {}).catch((error) => {
      if (error instanceof api.Problem && error.run) return { id: error.run };
      throw error;
    });
    go(`#/runs/${api.part(id)}`);
  });
}

/** A dry run leaves no run to look at: its report is told. @param {string} name */
export function tryOperation(name) {
  return attempt(`${name} is not tried`, async () => {
    say("The dry run is under way.");
    const { state, report, errors = [] } = await api.post(`${at(name)}/runs`, { dry_run: true });
    await tell(`Dry run of ${name}`, [
      h("p", {}, badge(state), " Nothing was written. Records that would be sent count as skipped."),
      figures(report), errors.length > 0 ? troubles(errors) : "",
    ]);
  });
}

/** @param {string} name */
export function deleteOperation(name) {
  return attempt(`${name} is not deleted`, async () => {
    if (!await confirm(`Delete ${name}?`, { text: "Its file is removed. Reports of its runs stay.", yes: "Delete", danger: true })) return;
    await api.del(at(name));
    say(`${name} is deleted.`);
    go("#/operations");
  });
}

/** @param {string} name */
function operationMenu(name) {
  const check = operationNameProblem;
  return menu(`Actions for ${name}`, [
    ["Edit", () => go(`#/operations/${api.part(name)}`)],
    ["Dry run", () => tryOperation(name)],
    ["Duplicate", () => attempt(`${name} is not duplicated`, async () => {
      const copy = await ask(`Duplicate ${name}`, { label: "Name of the duplicate", value: `${name}-2`, yes: "Duplicate", check });
      if (copy === null) return;
      await api.post(`${at(name)}/duplicate`, { name: copy });
      again();
    })],
    ["Rename", () => attempt(`${name} is not renamed`, async () => {
      const given = await ask(`Rename ${name}`, { label: "New name", value: name, yes: "Rename", check });
      if (given === null || given === name) return;
      await api.put(at(name), { ...await api.get(at(name)), name: given });
      again();
    })],
    ["Export", () => attempt(`${name} is not exported`, async () => save(`${name}.toml`, await api.text(`${at(name)}/export`), "application/toml"))],
    ["Delete", () => deleteOperation(name)],
  ]);
}

/** The newest runs, and older ones on request; nothing where there is none. */
async function runList() {
  /** @type {Child[][]} */
  const rows = [];
  const shown = h("div", {});
  let cursor = "";
  async function more() {
    /** @type {{items: Run[], next?: string | null}} */
    const { items, next } = await api.get(`/v1/runs?limit=${RUNS}${cursor ? `&cursor=${api.part(cursor)}` : ""}`);
    const before = rows.length;
    const count = (/** @type {Run} */ run, /** @type {"applied" | "failed" | "unknown"} */ what) => (run.report?.[what] ?? 0).toLocaleString();
    rows.push(...items.map((run) => [link(when(run.started), `#/runs/${api.part(run.id)}`), run.operation, badge(run.state),
      count(run, "applied"), count(run, "failed"), count(run, "unknown")]));
    cursor = next ?? "";
    fill(shown, table("Runs", ["Started", "Operation", "State", "Applied", "Failed", "Unknown"], rows),
      cursor ? button("Older Runs", () => attempt("They are not here", more)) : null);
    // Who asked for them by keyboard goes on with the first of them.
    if (before > 0) /** @type {HTMLElement | undefined} */ (shown.querySelectorAll("a")[before])?.focus();
  }
  await more();
  return rows.length > 0 ? section("Runs", shown) : null;
}

export async function operations() {
  const [items, runs] = await Promise.all([api.list("/v1/operations"), runList()]);
  const add = link("New Operation", "#/new-operation", { class: "button primary" });
  const rows = items.map((one) => [
    link(one.name, `#/operations/${api.part(one.name)}`),
    h("div", {}, one.description || (one.problem ? "" : `${one.source} → ${one.target}`),
      times(one),
      one.problem ? h("div", { class: "wrong" }, sentence(one.problem)) : null),
    one.last_run ? link(one.last_run.state, `#/runs/${api.part(one.last_run.id)}`) : "never",
    button("Run", () => runOperation(one.name), { "aria-label": `Run ${one.name}`, disabled: Boolean(one.problem) }), operationMenu(one.name),
  ]);
  return {
    title: "Operations",
    element: screen("Operations", { actions: [items.length > 0 ? add : null], about: "An operation joins a source to a target. It is a file in the project's folder." },
      items.length > 0 ? table("Operations", ["Name", "What it does", "Last run", "", ""], rows)
        : empty("There are no operations yet. Make one from a query or a file, and see its first rows before it writes.", add),
      runs),
  };
}
