/**
 * The report of a run, finished or not.
 *
 * @import {Progress, Report} from "./types.js"
 */
import { h } from "./dom.js";
import { long } from "./time.js";

/** @param {string} state */
export const badge = (state) => h("span", { class: `badge ${state}` }, state);

const COUNTS = /** @type {const} */ (["read", "mapped", "applied", "failed", "unknown", "skipped", "requests"]);

/** @param {Report & Partial<Progress>} report */
export function figures(report) {
  /** @type {[string, string][]} */
  const all = COUNTS.map((name) => [name, (report[name] ?? 0).toLocaleString()]);
  if (report.not_reached) all.push(["not reached", report.not_reached.toLocaleString()]);
  if (report.rate !== undefined) all.push(["records a second", Math.round(report.rate).toLocaleString()]);
  const left = report.quota_left ?? report.quota?.left;
  if (left !== undefined && left !== null) all.push(["quota left", left.toLocaleString()]);
  all.push(["time", long(report.seconds)]);
  if (report.left_seconds !== undefined && report.left_seconds !== null) all.push(["time left", `about ${long(report.left_seconds)}`]);
  return h("dl", { class: "figures" }, all.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
