/**
 * Names of connections.
 *
 * @import {ConnectionItem} from "./types.js"
 */

/** @param {string} name */
export function nameProblem(name) {
  if (name.trim() === "") return "A connection needs a name.";
  if (/[/:]/.test(name)) return "A name has no / and no :";
  return null;
}

/**
 * How addresses and operations name a connection: by its connector too, where another connector has one of the same name.
 *
 * @param {ConnectionItem} one
 * @param {ConnectionItem[]} all
 */
export function reference({ name, connector }, all) {
  return all.some((other) => other.name === name && other.connector !== connector) ? `${connector}:${name}` : name;
}
