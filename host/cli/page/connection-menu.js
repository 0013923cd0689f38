/** What can be done with a connection from wherever it is listed. */
import * as api from "./api.js";
import { nameProblem } from "./connection-name.js";
import { testPanel } from "./connection-test.js";
import { ask, confirm, tell } from "./dialogs.js";
import { h, say } from "./dom.js";
import { menu } from "./menu.js";
import { problem, save } from "./parts.js";
import { again, go } from "./router.js";

/** @param {string} name */
const at = (name) => `/v1/connections/${api.part(name)}`;

/** Does it, and tells why where it cannot be done. @param {string} what @param {() => Promise<unknown>} work */
export async function attempt(what, work) {
  try {
    await work();
  } catch (error) {
    await tell(what, [problem(error)]);
  }
}

/** @param {string} name @returns {Promise<string[]>} */
async function dependents(name) {
  return (await api.list(`${at(name)}/dependents`)).map((one) => `${one.kind} ${one.name}`);
}

/** @param {string} name */
export function deleteConnection(name) {
  return attempt(`${name} is not deleted`, async () => {
    const list = await dependents(name);
    const text = list.length > 0 ? "These depend on it, and go with it or stop working:" : "Nothing depends on it.";
    if (!await confirm(`Delete ${name}?`, { text, list, yes: "Delete", danger: true })) return;
    await api.del(`${at(name)}${list.length > 0 ? "?dependents=delete" : ""}`);
    say(`${name} is deleted.`);
    go("#/connections");
  });
}

/** @param {string} name */
function duplicate(name) {
  return attempt(`${name} is not duplicated`, async () => {
    const copy = await ask(`Duplicate ${name}`, { label: "Name of the duplicate", value: `${name} 2`, yes: "Duplicate", check: nameProblem });
    if (copy === null) return;
    await api.post(`${at(name)}/copy`, { name: copy });
    say(`${copy} is made.`);
    again();
  });
}

/** @param {string} name */
function rename(name) {
  return attempt(`${name} is not renamed`, async () => {
    const given = await ask(`Rename ${name}`, { label: "New name", value: name, yes: "Rename", check: nameProblem });
    if (given === null || given === name) return;
    const { revision, settings, grants, ca_file } = await api.get(at(name));
    await api.put(at(name), { revision, settings, grants, ca_file, name: given });
    say(`It is called ${given} now.`);
    go("#/connections");
  });
}

/** @param {string} name */
async function test(name) {
  await attempt(`${name} is not tested`, async () => {
    const { connector, settings, grants, ca_file } = await api.get(at(name));
    const panel = testPanel();
    void panel.run({ connector, name, settings, grants, ca_file });
    await tell(`Test of ${name}`, [panel.element]);
    panel.stop();
  });
}

/** @param {string} name */
function exported(name) {
  return attempt(`${name} is not exported`, async () => save(`${name}.toml`, await api.text(`${at(name)}/export`), "application/toml"));
}

/** @param {string} name */
function usedBy(name) {
  return attempt("Used by", async () => {
    const list = await dependents(name);
    await tell(`What uses ${name}`, [list.length > 0 ? h("ul", {}, list.map((item) => h("li", {}, item))) : h("p", {}, "Nothing uses it.")]);
  });
}

/** @param {string} name */
export function connectionMenu(name) {
  return menu(`Actions for ${name}`, [
    ["Edit", () => go(`#/connections/${api.part(name)}/edit`)],
    ["Test", () => test(name)],
    ["Duplicate", () => duplicate(name)],
    ["Rename", () => rename(name)],
    ["Export", () => exported(name)],
    ["Used by", () => usedBy(name)],
    ["Delete", () => deleteConnection(name)],
  ]);
}
