/**
 * The list of connections.
 *
 * @import {ConnectionItem} from "./types.js"
 */
import * as api from "./api.js";
import { connectionMenu } from "./connection-menu.js";
import { reference } from "./connection-name.js";
import { h, link } from "./dom.js";
import { empty, screen, sentence, table } from "./parts.js";

const STATES = new Map([["not-opened", "not opened yet"], ["open", "open"], ["failed", "does not open"]]);

/** @param {ConnectionItem} item */
function state(item) {
  const why = typeof item.problem === "string" ? item.problem : item.problem?.message;
  return [h("span", { class: `badge ${item.state}` }, STATES.get(item.state) ?? item.state),
    why ? h("div", { class: "cause" }, sentence(why)) : null];
}

export async function connections() {
  /** @type {ConnectionItem[]} */
  const items = await api.list("/v1/connections");
  const add = link("New Connection", "#/new-connection", { class: "button primary" });
  const rows = items.map((item) => {
    const name = reference(item, items);
    return [
      link(item.name, `#/connections/${api.part(name)}`), item.connector, h("div", {}, state(item)), String(item.activities ?? 0), connectionMenu(name),
    ];
  });
  return {
    title: "Connections",
    element: screen("Connections", { actions: [items.length > 0 ? add : null], about: "A connection says how to reach a store. Activities and operations use it." },
      items.length > 0 ? table("Connections", ["Name", "Connector", "State", "Activities", ""], rows)
        : empty("There are no connections yet. Make one, and test it before you save it.", add)),
  };
}
