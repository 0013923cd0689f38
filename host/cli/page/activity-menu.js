/** What can be done with an activity from where it is listed. */
import * as api from "./api.js";
import { attempt } from "./connection-menu.js";
import { ask, confirm, tell } from "./dialogs.js";
import { h, say } from "./dom.js";
import { menu } from "./menu.js";
import { save } from "./parts.js";
import { recordTable } from "./record-table.js";
import { again, go } from "./router.js";

/** @param {string} connection @param {string} name */
const at = (connection, name) => `/v1/connections/${api.part(connection)}/activities/${api.part(name)}`;

/** @param {string} name */
const check = (name) => (name === "" ? "An activity needs a name." : null);

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
  const whole = `${connection}/${name}`;
  const operations = await api.list("/v1/operations").catch(() => []);
  return operations.filter((one) => one.source === whole || one.target === whole).map((one) => `operation ${one.name}`);
}

/** @param {string} connection @param {string} name */
function rename(connection, name) {
  return attempt(`${name} is not renamed`, async () => {
    const given = await ask(`Rename ${name}`, { label: "New name", value: name, yes: "Rename", check });
    if (given === null || given === name) return;
    await api.put(at(connection, name), { ...await api.get(at(connection, name)), name: given });
    again();
  });
}

/** @param {string} connection @param {string} name */
function duplicate(connection, name) {
  return attempt(`${name} is not duplicated`, async () => {
    const copy = await ask(`Duplicate ${name}`, { label: "Name of the duplicate", value: `${name} 2`, yes: "Duplicate", check });
    if (copy === null) return;
    await api.post(`${at(connection, name)}/duplicate`, { name: copy });
    again();
  });
}

/** @param {string} connection @param {{name: string, verb: string}} activity */
export function activityMenu(connection, { name, verb }) {
  /** @type {[string, () => unknown][]} */
  const items = [
    ["Edit", () => go(`#/connections/${api.part(connection)}/activities/${api.part(name)}`)],
    ["Test", () => attempt(`${name} is not tested`, async () => {
      const { records, more } = await api.records(`${at(connection, name)}/preview`, { limit: 10 });
      await tell(`First rows of ${name}`, [recordTable(records, more)]);
    })],
    ["Duplicate", () => duplicate(connection, name)],
    ["Rename", () => rename(connection, name)],
    ["Export", () => attempt(`${name} is not exported`, async () =>
      save(`${name}.json`, JSON.stringify(await api.get(at(connection, name)), null, 2), "application/json"))],
    ["Used by", () => attempt("Used by", async () => {
      const list = await users(connection, name);
      await tell(`What uses ${name}`, [list.length > 0 ? h("ul", {}, list.map((item) => h("li", {}, item))) : h("p", {}, "Nothing uses it.")]);
    })],
    ["Delete", () => deleteActivity(connection, name)],
  ];
  return menu(`Actions for ${name}`, verb === "query" ? items : items.filter(([label]) => label !== "Test"));
}
