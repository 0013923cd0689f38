/**
 * What each agent of a group says in a test: its verdict, the steps behind it, and what to do where it fails.
 *
 * @import {Trouble} from "./types.js"
 */
import { fill, h } from "./dom.js";
import { sentence, troubles } from "./parts.js";

/** A list that grows as agents are heard of. */
export function agentResults() {
  const element = h("ul", { class: "agents", "aria-label": "Agents", hidden: true });
  /** @type {Map<string, {state: HTMLElement, steps: HTMLElement, errors: HTMLElement}>} */
  const known = new Map();

  /** @param {string} name */
  function of(name) {
    const before = known.get(name);
    if (before) return before;
    const one = { state: h("span", {}, "Testing …"), steps: h("ol", { class: "steps" }), errors: h("div", {}) };
    element.hidden = false;
    element.append(h("li", {}, h("div", { class: "heading" }, h("strong", {}, name), one.state), one.errors,
      h("details", {}, h("summary", {}, `Steps of ${name}`), one.steps)));
    known.set(name, one);
    return one;
  }

  return {
    element,
    /** @param {string} event @param {any} data */
    heard(event, data) {
      const { state, steps, errors } = of(data.agent);
      if (event === "verdict") {
        fill(state, h("span", { class: `badge ${data.ok ? "done" : "failed"}` }, data.ok ? "works" : "does not work"));
        const list = /** @type {Trouble[]} */ (data.errors ?? []);
        fill(errors, list.length > 0 ? troubles(list) : null);
      } else steps.append(h("li", { class: event === "note" ? "" : data.ok ? "ok" : "failed" }, sentence(data.text)));
    },
  };
}
