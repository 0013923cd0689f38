/**
 * A run: live while it goes, then its report.
 *
 * @import {Run} from "./types.js"
 * @import {Screen} from "./router.js"
 */
import * as api from "./api.js";
import { chart } from "./chart.js";
import { attempt } from "./connection-menu.js";
import { confirm, tell } from "./dialogs.js";
import { button, fill, h, link, say } from "./dom.js";
import { feedBack } from "./feed-back.js";
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

  async function lookUp() {
    /** @type {Run} */
    const known = await api.post(`${path}/resolve`, {});
    draw(known);
    const left = known.report?.unknown ?? 0;
    say(left > 0 ? `${left.toLocaleString()} are still unknown.` : "All are known now.");
  }

  /** @param {boolean} unknown */
  async function send(unknown) {
    const answer = await feedBack(begun, unknown);
    if (answer === "look up") await attempt("They are not looked up", lookUp);
    else if (answer) go(`#/runs/${api.part(answer.id)}`);
  }

  async function resume() {
    const { operation_changed: changed, operation_gone: gone } = await api.post(`${path}/resume`, {});
    if (changed) await tell("The operation has changed since", [h("p", {}, "This run goes on as it was started. Run the operation anew for what it does now.")]);
    if (gone) await tell("The operation is not there any more", [h("p", {}, "This run goes on as it was started.")]);
    go(`#/runs/${api.part(id)}`);
  }

  /** @param {number} rejected Failed and unknown records that go with it. */
  async function remove(rejected) {
    const text = rejected > 0 ? "What it has written stays. With its report these go, and can neither be looked up nor fed back in any more:"
      : "Its report goes. What it has written stays.";
    const list = rejected > 0 ? [`${rejected.toLocaleString()} failed or unknown ${rejected === 1 ? "record" : "records"}`] : [];
    if (!await confirm("Delete this run?", { text, list, yes: "Delete", danger: true })) return;
    await api.del(`${path}${rejected > 0 ? "?rejected=true" : ""}`);
    say("The run is deleted.");
    go("#/operations");
  }

  /** @param {Run} run */
  function draw({ state: now, report, errors = [], can_resume: resumes }) {
    fill(state, badge(now), " ", SAID.get(now) ?? "");
    if (report) fill(counts, figures(report));
    fill(wrong, errors.length > 0 ? troubles(errors) : null);
    const [failed, unknown] = [report?.failed ?? 0, report?.unknown ?? 0];
    const saveRejected = async () => save(`rejected-${id}.ndjson`, await api.text(`${path}/rejected`), "application/x-ndjson");
    const rejected = failed + unknown > 0 ? button("Failed and Unknown Records", () => attempt("They are not here", saveRejected)) : null;
    if (now === "running") {
      fill(actions, button("Cancel", () => attempt("It is not cancelled", () => api.post(`${path}/cancel`, {})), { class: "danger" }), rejected);
      return;
    }
    fill(actions,
      resumes ? button("Resume", () => attempt("It is not resumed", resume), { class: "primary" }) : null,
      unknown > 0 && now !== "interrupted" ? button("Look Up Unknown Records", () => attempt("They are not looked up", lookUp)) : null,
      rejected, rejected && now !== "interrupted" ? button("Feed Back Records…", () => send(unknown > 0)) : null,
      button("Delete", () => attempt("It is not deleted", () => remove(failed + unknown)), { class: "danger" }));
  }

  async function watch() {
    try {
      await api.events("GET", `${path}/events`, undefined, (event, data) => {
        if (event !== "progress") return;
        fill(counts, figures(data));
        curve.add(data);
      }, watching.signal);
      const ended = await api.get(path);
      draw(ended);
      say(SAID.get(ended.state) ?? ended.state);
    } catch (error) {
      if (!watching.signal.aborted) fill(wrong, troubles(errorsOf(error)));
    }
  }

  draw(begun);
  if (begun.state === "running") void watch();
  const top = {
    about: `Started ${when(begun.started)}`, actions: [link("Operation", `#/operations/${api.part(begun.operation)}`, { class: "button" })],
  };
  const element = screen(`Run of ${begun.operation}`, { back: ["Operations", "#/operations"], ...top },
    h("div", { class: "card" }, state, counts, wrong, actions), section("Records and Quota", curve.element));
  return { title: `Run of ${begun.operation}`, element, close: () => watching.abort() };
}
