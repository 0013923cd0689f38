/**
 * *Test*: what is on the screen, saved or not, step by step to a plain verdict.
 *
 * @import {Trouble} from "./types.js"
 */
import { agentResults } from "./agent-results.js";
import * as api from "./api.js";
import { fill, h, say } from "./dom.js";
import { errorsOf, sentence, troubles } from "./parts.js";

/** @param {(errors: Trouble[]) => Trouble[]} mark Marks fields, and answers what is no field's. */
export function testPanel(mark = (errors) => errors) {
  const element = h("section", { class: "card", "aria-label": "Test", hidden: true });
  /** @type {AbortController | null} */
  let running = null;

  /** @param {Trouble[]} errors @param {HTMLElement} verdict */
  function failed(errors, verdict) {
    const rest = mark(errors);
    const marked = errors.length > rest.length;
    fill(verdict, h("p", {}, h("strong", {}, "The connection does not work.")),
      marked ? h("p", {}, "The fields that are marked say why.") : null, rest.length > 0 ? troubles(rest) : null);
    say("The test failed.");
  }

  return {
    element,
    stop: () => running?.abort(),
    /** @param {Record<string, unknown>} body */
    async run(body) {
      running?.abort();
      const mine = new AbortController();
      running = mine;
      const steps = h("ol", { class: "steps" });
      const verdict = h("div", { "aria-live": "polite" });
      const agents = agentResults();
      fill(element, h("h2", {}, "Test"), steps, agents.element, verdict);
      element.hidden = false;
      fill(verdict, h("p", {}, "Testing …"));
      mark([]);
      let ended = false;
      try {
        await api.events("POST", "/v1/tests", body, (event, data) => {
          if (mine.signal.aborted) return;
          if (data.agent) agents.heard(event, data);
          else if (event === "step") steps.append(h("li", { class: data.ok ? "ok" : "failed" }, sentence(data.text)));
          else if (event === "note") steps.append(h("li", {}, sentence(data.text)));
          else if (event === "verdict") {
            ended = true;
            if (data.ok) {
              fill(verdict, h("p", { class: "verdict" }, h("strong", {}, "The connection works."),
                data.agents ? ` All ${data.agents.length} agents of ${data.group} have tested it.` : data.account ? ` It leads to ${data.account}.` : ""),
              (data.warnings ?? []).map((/** @type {string | Trouble} */ warning) =>
                h("p", { class: "notice" }, sentence(typeof warning === "string" ? warning : warning.message))));
              say("The connection works.");
            } else failed(data.errors ?? [], verdict);
          }
        }, mine.signal);
        if (!ended) failed([{ message: "the test ended without a verdict", hint: "try it again" }], verdict);
      } catch (error) {
        if (!mine.signal.aborted) failed(errorsOf(error), verdict);
      }
      element.scrollIntoView({ block: "nearest" });
    },
  };
}
