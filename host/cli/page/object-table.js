/**
 * The objects of a connection: searched in any column, read anew on request, one of them chosen.
 *
 * @import {ObjectItem} from "./types.js"
 */
import * as api from "./api.js";
import { button, fill, h, newId, say } from "./dom.js";
import { empty, problem, table } from "./parts.js";

/** Rows that are drawn; the search finds the others. */
const MOST_ROWS = 60;

/** @param {ObjectItem} item @param {string} words */
function matches(item, words) {
  const text = [item.name, item.title, item.activities.join(" ")].join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/**
 * @param {string} connection
 * @param {{verb?: string, chosen?: string, under?: string | null, choose: (item: ObjectItem) => unknown}} wishes `verb`: only those that
 *   offer it. `under`: only those below this object.
 */
export async function objectTable(connection, { verb, chosen = "", under, choose }) {
  const path = `/v1/connections/${api.part(connection)}/objects`;
  /** @type {ObjectItem[]} */
  let items = await api.list(path);
  let now = chosen;
  const id = newId("search");
  const search = h("input", { id, type: "search", autocomplete: "off", oninput: () => draw() });
  const rows = h("div", {});
  const refresh = button("Refresh", async () => {
    refresh.disabled = true;
    try {
      items = await api.list(path);
      draw();
      say(`${items.length} objects.`);
    } catch (error) {
      fill(rows, problem(error));
    }
    refresh.disabled = false;
    refresh.focus();
  });

  function draw() {
    const offered = items.filter((item) => (!verb || item.activities.includes(verb)) && (under === undefined || item.parent === under));
    const found = offered.filter((item) => matches(item, search.value.trim()));
    // The chosen one stays in sight, whatever is searched for.
    found.sort((a, b) => Number(b.name === now) - Number(a.name === now));
    const kept = offered.find((item) => item.name === now);
    if (kept && !found.includes(kept)) found.unshift(kept);
    const cells = found.slice(0, MOST_ROWS).map((item) => [
      button(item.name, () => {
        now = item.name;
        choose(item);
        if (!rows.isConnected) return;
        draw();
        // The row was drawn anew: who came by keyboard is still there.
        /** @type {HTMLElement | null} */ (rows.querySelector("[aria-pressed='true']"))?.focus();
      }, { class: "quiet", "aria-pressed": item.name === now ? "true" : "false" }),
      item.title, item.activities.join(", "),
    ]);
    fill(rows, found.length === 0 ? empty(search.value ? "No object matches. Search for something shorter." : "There are no objects.")
      : table("Objects", ["Object", "Title", "Offers"], cells),
    h("p", { class: "note", role: "status" }, `${found.length} of ${offered.length} objects${found.length > MOST_ROWS ? `, the first ${MOST_ROWS} are shown` : ""}`));
    if (now) rows.querySelector("[aria-pressed='true']")?.closest("tr")?.classList.add("chosen");
  }

  draw();
  return h("div", {}, h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: id }, "Search in any column"), search), refresh), rows);
}
