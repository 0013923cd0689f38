/**
 * An endpoint: a connection with its activities; and its objects.
 *
 * @import {Activity} from "./types.js"
 */
import * as api from "./api.js";
import { activityMenu } from "./activity-menu.js";
import { VERBS } from "./activity-settings.js";
import { connectionMenu } from "./connection-menu.js";
import { link } from "./dom.js";
import { objectTable } from "./object-table.js";
import { empty, screen, section, table } from "./parts.js";
import { go } from "./router.js";

/** @param {Record<string, string>} parts */
export async function endpoint({ name = "" }) {
  const home = `#/connections/${api.part(name)}`;
  /** @type {Activity[]} */
  const activities = await api.list(`/v1/connections/${api.part(name)}/activities`);
  const add = [...VERBS].map(([verb, title]) => link(`New ${title}`, `${home}/new-activity?verb=${verb}`, { class: "button" }));
  const rows = activities.map((one) => [
    link(one.name ?? "", `${home}/activities/${api.part(one.name ?? "")}`), VERBS.get(one.verb) ?? one.verb, one.object,
    (one.where ?? []).join(" and "), activityMenu(name, { name: one.name ?? "", verb: one.verb }),
  ]);
  return {
    title: name,
    element: screen(name, {
      back: ["Connections", "#/connections"], actions: [link("Objects", `${home}/objects`, { class: "button" }), connectionMenu(name)],
      about: "The activities of this connection. Operations use them as sources and targets.",
    }, section("Activities", rows.length > 0 ? table("Activities", ["Name", "Type", "Object", "Conditions", ""], rows)
      : empty("There are no activities yet. A query reads records; the others write them.")),
    section("New Activity", ...add.flatMap((one) => [one, " "]))),
  };
}

/** @param {Record<string, string>} parts */
export async function objects({ name = "" }) {
  const home = `#/connections/${api.part(name)}`;
  const list = await objectTable(name, {
    choose: (item) => go(`${home}/new-activity?verb=${item.activities[0] ?? "query"}&object=${api.part(item.name)}`),
  });
  return { title: `Objects of ${name}`, element: screen(`Objects of ${name}`, { back: [name, home], about: "Choose one to see its fields and to make an activity of it." }, list) };
}
