/**
 * The conditions of a query: built from field, comparison and value, or typed. The text is what counts; the builder adds to it.
 *
 * @import {Field} from "./types.js"
 */
import { button, h } from "./dom.js";
import { choice, field } from "./parts.js";

/** @param {Field[]} fields @param {string[]} conditions */
export function conditionEditor(fields, conditions) {
  const text = h("textarea", { rows: "3", spellcheck: "false", value: conditions.join("\n") });
  const typed = field("Conditions", text, { note: "(optional)", help: "One per line, all must hold: price >= 10 · name contains lamp · id in (1, 2, 3)" });
  const usable = fields.filter((one) => one.comparisons.length > 0);
  const which = choice("Field", usable.map((one) => [one.name, one.name]), usable[0]?.name ?? "");
  const how = choice("Comparison", [], "");
  const value = field("Value", h("input", { type: "text", autocomplete: "off", spellcheck: "false" }));
  const input = /** @type {HTMLInputElement} */ (value.input);

  function offer() {
    const comparisons = usable.find((one) => one.name === which.select.value)?.comparisons ?? [];
    how.select.replaceChildren(...comparisons.map((one) => h("option", { value: one }, one)));
  }
  function add() {
    const given = input.value.trim();
    value.mark(given === "" ? "A value is needed." : null);
    if (given === "") return;
    const operand = how.select.value === "in" ? `(${given})` : given;
    text.value = [text.value.trimEnd(), `${which.select.value} ${how.select.value} ${operand}`].filter(Boolean).join("\n");
    input.value = "";
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }
  which.select.addEventListener("change", offer);
  offer();
  const builder = h("fieldset", { onkeydown: (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.target !== input) return;
    event.preventDefault();
    add();
  } }, h("legend", {}, "Add a condition"), h("div", { class: "row" }, which.element, how.element, value.element, button("Add", add)));
  return {
    element: h("div", { class: "fields" }, usable.length > 0 ? builder : null, typed.element),
    mark: typed.mark,
    value: () => text.value.split("\n").map((line) => line.trim()).filter(Boolean),
  };
}
