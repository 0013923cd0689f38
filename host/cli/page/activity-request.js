/**
 * What an activity asks for: an object, or one of its sub-objects, and the settings that it offers. The screen of an activity has one,
 * and so has each end of an operation that names an object itself.
 *
 * @import {Activity, Described, ObjectItem} from "./types.js"
 * @import {Mark} from "./parts.js"
 */
import * as api from "./api.js";
import { VERBS, activitySettings } from "./activity-settings.js";
import { button, fill, h, say } from "./dom.js";
import { objectTable } from "./object-table.js";
import { problem, section, troubles } from "./parts.js";

/**
 * @param {string} connection
 * @param {Activity} saved What it asks for at first.
 * @param {{inline?: boolean, heard?: (described: Described | null, object: string) => void}} [wishes] `inline`: it stands in an
 *   operation, which says by itself how it runs. `heard` is told of each object that is chosen, and what is known of it.
 */
export async function activityRequest(connection, saved, { inline = false, heard = () => {} } = {}) {
  const path = `/v1/connections/${api.part(connection)}`;
  const { name: _, connection: __, revision: ___, verb, object, ...before } = saved;
  const [selected, wrong, objects, below, settings] = [h("div", {}), h("div", {}), h("div", {}), h("div", {}), h("div", {})];
  let chosen = object;
  /** @type {ReturnType<typeof activitySettings> | null} */
  let made = null;

  /** Draws what depends on the object. @param {Activity} activity */
  async function describe(activity) {
    made = null;
    /** @type {Described | null} */
    let described = null;
    if (chosen === "") fill(settings, h("p", {}, "Select an object first."));
    else {
      try {
        described = /** @type {Described} */ (await api.get(`${path}/schema?object=${api.part(activity.object)}`));
        if (activity.object !== chosen) return;
        made = described.activities[verb] ? activitySettings(described, activity, inline) : null;
        fill(settings, made?.element ?? h("p", { class: "notice" }, `This object offers no ${VERBS.get(verb)}.`));
      } catch (error) {
        if (activity.object !== chosen) return;
        fill(settings, problem(error));
      }
    }
    heard(described, chosen);
  }

  function tell() {
    fill(selected, h("p", {}, chosen ? ["Selected: ", h("code", {}, chosen)] : "Nothing is selected yet."));
  }

  /** @param {ObjectItem} item */
  async function choose(item) {
    chosen = item.name;
    mark(null);
    tell();
    say(`${item.name} is selected.`);
    // Who chose from the sub-objects is still among them.
    await Promise.all([describe({ verb, object: chosen }), item.parent === null ? drawBelow() : null]);
  }

  /** Draws the sub-objects of the object. */
  async function drawBelow() {
    const wanted = chosen;
    const top = wanted.split("/")[0] ?? "";
    /** @type {HTMLElement | null} */
    let list = null;
    try {
      /** @type {ObjectItem[]} */
      const all = top ? await api.list(`${path}/objects`) : [];
      if (all.some((item) => item.parent === top && item.activities.includes(verb))) {
        list = section("Select a Sub-object", h("p", { class: "help" }, `What belongs to ${top}, where that is meant instead.`),
          await objectTable(connection, { verb, chosen: wanted, under: top, choose }));
      }
    } catch (error) {
      list = problem(error);
    }
    if (wanted === chosen) fill(below, list);
  }

  async function draw() {
    tell();
    try {
      fill(objects, await objectTable(connection, { verb, chosen, under: null, choose }));
      await Promise.all([describe({ ...before, verb, object: chosen }), drawBelow()]);
    } catch (error) {
      fill(objects, problem(error), button("Try Again", draw));
      fill(settings);
    }
  }

  /** @type {Mark} */
  function mark(what) {
    const errors = typeof what === "string" ? [{ message: what }] : what ?? [];
    fill(wrong, errors.length > 0 ? troubles(errors) : null);
  }

  await draw();
  return {
    element: h("div", {}, section("Select an Object", selected, wrong, objects), below, section("Settings", settings)),
    object: () => chosen,
    /** What an activity has of it. What cannot be shown now stays as it was. */
    value: () => ({ object: chosen, ...(made ? made.value() : chosen === object ? before : {}) }),
    /** By the API's names. @returns {Record<string, {mark: Mark}>} */
    fields: () => ({ ...made?.fields, object: { mark } }),
  };
}
