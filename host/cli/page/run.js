/**
 * A run: live while it goes, then its report.
 *
 * @import {Report, Run, Trouble} from "./types.js"
 * @import {Screen} from "./router.js"
 */
import * as api from "./api.js";
import { chart } from "./chart.js";
import { attempt } from "./connection-menu.js";
import { button, fill, h, say } from "./dom.js";
import { errorsOf, save, screen, section, troubles } from "./parts.js";
import { badge, figures } from "./report.js";
import { go } from "./router.js";
import { when } from "./time.js";

const SAID = new Map([
  ["running", "It is running."], ["done", "It is done."], ["failed", "It failed."], ["cancelled", "It was cancelled. What is done stays done."],
  ["interrupted", "It was interrupted. It can go on where it was."],
]);

/** @param {Record<string, string>} parts @returns {Promise<Screen>} */
export async function run({ id = "" }) {
  const path = `/v1/runs/${api.part(id)}`;
  /** @type {Run} */
  const begun = await api.get(path);
  const watching = new AbortController();
  const [state, counts, actions, wrong] = [h("p", { role: "status" }), h("div", {}), h("div", { class: "actions" }), h("div", {})];
  const curve = chart();

  /** @param {string} now @param {Report | undefined} report @param {Trouble[]} errors */
  function draw(now, report, errors) {
    fill(state, badge(now), " ", SAID.get(now) ?? "");
    if (report) fill(counts, figures(report));
    fill(wrong, errors.length > 0 ? troubles(errors) : null);
    const rejected = (report?.failed ?? 0) + (report?.unknown ?? 0) > 0;
    fill(actions,
      now === "running" ? button("Cancel", () => attempt("It is not cancelled", () => api.post(`${path}/cancel`, {})), { class: "danger" }) : null,
      ["cancelled", "interrupted", "failed"].includes(now) ? button("Resume", () => attempt("It is not resumed", async () => {
        await api.post(`${path}/resume`, {});
        go(`#/runs/${api.part(id)}`);
      }), { class: "primary" }) : null,
      now !== "running" && now !== "interrupted" && (report?.unknown ?? 0) > 0 ? button("Look Up Unknown Records", () => attempt("They are not looked up", async () => {
        /** @type {Run} */
        const known = await api.post(`${path}/resolve`, {});
        draw(known.state, known.report, known.errors ?? []);
        const left = known.report?.unknown ?? 0;
        say(left > 0 ? `${left.toLocaleString()} are still unknown.` : "All are known now.");
      })) : null,
      rejected ? button("Failed and Unknown Records", () => attempt("They are not here", async () =>
        save(`rejected-${id}.ndjson`, await api.text(`${path}/rejected`), "application/x-ndjson"))) : null);
  }

  async function watch() {
    try {
      await api.events("GET", `${path}/events`, undefined, (event, data) => {
        if (event === "progress") {
          fill(counts, figures(data));
          curve.add(data);
        } else if (event === "end") {
          draw(data.state, data.report, data.errors ?? []);
          say(SAID.get(data.state) ?? data.state);
        }
      }, watching.signal);
    } catch (error) {
      if (!watching.signal.aborted) fill(wrong, troubles(errorsOf(error)));
    }
  }

  draw(begun.state, begun.report, begun.errors ?? []);
  if (begun.state === "running") void watch();
  const element = screen(`Run of ${begun.operation}`, { back: ["Operations", "#/operations"], about: `Started ${when(begun.started)}` },
    h("div", { class: "card" }, state, counts, wrong, actions), section("Records and Quota", curve.element));
  return { title: `Run of ${begun.operation}`, element, close: () => watching.abort() };
}
