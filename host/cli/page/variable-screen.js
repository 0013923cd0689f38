/**
 * Variables and environments.
 *
 * @import {Variable} from "./types.js"
 */
import * as api from "./api.js";
import { attempt } from "./connection-menu.js";
import { confirm } from "./dialogs.js";
import { button, fill, h, say } from "./dom.js";
import { empty, errorsOf, field, screen, section, table, toggle, troubles } from "./parts.js";
import { again } from "./router.js";

/** @param {Variable} one */
function remove(one) {
  return attempt(`${one.name} is not deleted`, async () => {
    if (!await confirm(`Delete ${one.name}?`, { text: "What mentions it stops working.", yes: "Delete", danger: true })) return;
    await api.del(`/v1/variables/${api.part(one.name)}${one.environment ? `?environment=${api.part(one.environment)}` : ""}`);
    again();
  });
}

/** @param {string[]} environments */
function form(environments) {
  const name = field("Name", h("input", { type: "text", autocomplete: "off", spellcheck: "false" }));
  const value = field("Value", h("input", { type: "text", autocomplete: "off", spellcheck: "false" }));
  const environment = field("Environment", h("input", { type: "text", autocomplete: "off" }), {
    note: "(optional)", help: environments.length > 0 ? `There are: ${environments.join(", ")}. Without one, it holds in all.` : "Without one, it holds in all.",
  });
  const hidden = toggle("Hidden", false, { help: "Encrypted, and never shown again." });
  const problems = h("div", {});
  const of = (/** @type {{input: HTMLElement}} */ { input }) => /** @type {HTMLInputElement} */ (input).value;
  hidden.input.addEventListener("change", () => value.input.setAttribute("type", hidden.input.checked ? "password" : "text"));
  async function submit(/** @type {Event} */ event) {
    event.preventDefault();
    name.mark(of(name).trim() === "" ? "A variable needs a name." : null);
    if (of(name).trim() === "") return name.input.focus();
    try {
      const where = of(environment).trim();
      await api.put(`/v1/variables/${api.part(of(name).trim())}`, { value: of(value), hidden: hidden.input.checked, ...(where ? { environment: where } : {}) });
      say("It is set.");
      again();
    } catch (error) {
      fill(problems, troubles(errorsOf(error)));
    }
  }
  return h("form", { class: "fields", onsubmit: submit, novalidate: true }, name.element, value.element, environment.element, hidden.element, problems,
    h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Set")));
}

export async function variables() {
  const [items, environments] = await Promise.all([api.list("/v1/variables"), api.get("/v1/environments")]);
  const names = environments.items.map((/** @type {{name: string}} */ one) => one.name);
  const rows = items.map((/** @type {Variable} */ one) => [
    one.name, one.scope, one.environment ?? "", one.hidden ? "hidden" : one.value ?? one.default ?? "", one.source ?? "",
    one.source === "store" ? button("Delete", () => remove(one), { class: "quiet", "aria-label": `Delete ${one.name}` }) : null,
  ]);
  return {
    title: "Variables",
    element: screen("Variables", { about: `Settings mention them as [name]. ${environments.active ? `Their values are those of the environment ${environments.active}.` : "No environment is chosen (--environment)."}` },
      rows.length > 0 ? table("Variables", ["Name", "Scope", "Environment", "Value", "From", ""], rows) : empty("There are no variables yet."),
      section("Set a Variable", form(names))),
  };
}
