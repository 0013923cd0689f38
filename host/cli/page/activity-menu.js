/** What can be done with an activity from where it is listed. */
import * as api from "./api.js";
import { attempt } from "./connection-menu.js";
import { ask, confirm, tell } from "./dialogs.js";
import { h, say } from "./dom.js";
import { menu } from "./menu.js";
import { save } from "./parts.js";
import { recordTable } from "./record-table.js";
import { again, go } from "./router.js";

/** Rows of a preview. */
export const PREVIEWED = 10;

/** @param {string} connection @param {string} name */
const at = (connection, name) => `/v1/connections/${api.part(connection)}/activities/${api.part(name)}`;

/** @param {string} name */
export const activityNameProblem = (name) => (name.trim() === "" ? "An activity needs a name." : null);

/** @param {string} connection @param {string} name */
export function deleteActivity(connection, name) {
  return attempt(`${name} is not deleted`, async () => {
    const list = await users(connection, name);
    const text = list.length > 0 ? "These use it, and stop working:" : "Nothing uses it.";
    if (!await confirm(`Delete ${name}?`, { text, list, yes: "Delete", danger: true })) return;
    await api.del(at(connection, name));
    say(`${name} is deleted.`);
    go(`#/connections/${api.part(connection)}`);
  });
}

/** The operations that name it. @param {string} connection @param {string} name @returns {Promise<string[]>} */
async function users(connection, name) {
  // An operation may say whose connector's connection it means, and may not.
  const plain = (/** @type {string | undefined} */ end) => end?.replace(/^[^/:]*:/, "");
  const whole = plain(`${connection}/${name}`);
  const operations = await api.list("/v1/operations");
  return operations.filter((one) => [one.source, one.target].some((end) => plain(end) === whole)).map((one) => `operation ${one.name}`);
}

/** @param {string} connection @param {string} name */
function rename(connection, name) {
  return attempt(`${name} is not renamed`, async () => {
    const given = await ask(`Rename ${name}`, { label: "New name", value: name, yes: "Rename", check: activityNameProblem });
    if (given === null || given === name) return;
    await api.put(at(connection, name), { ...await api.get(at(connection, name)), name: given });
    again();
  });
}

/** @param {string} connection @param {string} name */
function duplicate(connection, name) {
  return attempt(`${name} is not duplicated`, async () => {
    const copy = await ask(`Duplicate ${name}`, { label: "Name of the duplicate", value: `${name} 2`, yes: "Duplicate", check: activityNameProblem });
    if (copy === null) return;
    await api.post(`${at(connection, name)}/duplicate`, { name: copy });
    again();
  });
}

/** @param {string} connection @param {{name: string, verb: string}} activity */
export function activityMenu(connection, { name, verb }) {
  const isQuery = verb === "query";
  return menu(`Actions for ${name}`, [
    ["Edit", () => go(`#/connections/${api.part(connection)}/activities/${api.part(name)}`)],
    // A write is tried by the dry run of an operation, with records of its own.
    ...isQuery ? [/** @type {[string, () => unknown]} */ (["Test", () => attempt(`${name} is not tested`, async () => {
      const { records, more } = await api.records(`${at(connection, name)}/preview`, { limit: PREVIEWED });
      await tell(`First rows of ${name}`, [recordTable(records, more)]);
    })])] : [],
    ["Run", () => go(`#/new-operation?${isQuery ? "source" : "target"}=${api.part(`${connection}/${name}`)}`)],
    ["Duplicate", () => duplicate(connection, name)],
    ["Rename", () => rename(connection, name)],
    ["Export", () => attempt(`${name} is not exported`, async () =>
      save(`${name}.json`, JSON.stringify(await api.get(at(connection, name)), null, 2), "application/json"))],
    ["Used by", () => attempt("Used by", async () => {
      const list = await users(connection, name);
      await tell(`What uses ${name}`, [list.length > 0 ? h("ul", {}, list.map((item) => h("li", {}, item))) : h("p", {}, "Nothing uses it.")]);
    })],
    ["Delete", () => deleteActivity(connection, name)],
  ]);
}
