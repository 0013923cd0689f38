/**
 * Fields that may hold variables: `[` opens the list of those there are, typing narrows it, Enter takes one.
 *
 * @import {Variable} from "./types.js"
 */
import { button, fill, h, newId } from "./dom.js";

const SCOPES = ["project", "global", "predefined"];

/** What is typed after the last `[` before the caret, if that is still open. @param {HTMLInputElement} input */
function begun(input) {
  const before = input.value.slice(0, input.selectionStart ?? input.value.length);
  const at = before.lastIndexOf("[");
  const typed = before.slice(at + 1);
  return at < 0 || typed.includes("]") ? null : { at, typed };
}

/**
 * Puts the icon beside a field, and the list below it.
 *
 * @param {HTMLInputElement} input
 * @param {Variable[]} variables
 * @param {string} label
 */
export function withVariables(input, variables, label) {
  const known = variables.filter((variable) => SCOPES.includes(variable.scope))
    .sort((a, b) => SCOPES.indexOf(a.scope) - SCOPES.indexOf(b.scope) || a.name.localeCompare(b.name));
  const id = newId("variables");
  const list = h("ul", { id, role: "listbox", "aria-label": `Variables for ${label}`, class: "options", hidden: true });
  /** @type {Variable[]} */
  let offered = [];
  let at = 0;
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id,
  })) input.setAttribute(name, value);

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function draw() {
    fill(list, offered.length > 0 ? offered.map((variable, index) => h("li", {
      id: `${id}-${index}`, role: "option", "aria-selected": index === at ? "true" : "false",
      onpointerdown: (/** @type {Event} */ event) => {
        event.preventDefault();
        take(variable);
      },
    }, h("span", {}, variable.name), h("span", { class: "note" }, note(variable))))
      : h("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, known.length > 0 ? "No variable of this name" : "There are no variables yet"));
    if (offered.length > 0) {
      input.setAttribute("aria-activedescendant", `${id}-${at}`);
      list.children[at]?.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function look() {
    const open = begun(input);
    if (!open) return close();
    const typed = open.typed.toLowerCase();
    offered = known.filter((variable) => variable.name.toLowerCase().includes(typed));
    at = 0;
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    draw();
  }

  /** @param {Variable} variable */
  function take(variable) {
    const open = begun(input);
    const caret = input.selectionStart ?? input.value.length;
    const start = open ? open.at : caret;
    const rest = input.value.slice(caret).replace(/^\]/, "");
    input.value = `${input.value.slice(0, start)}[${variable.name}]${rest}`;
    const end = start + variable.name.length + 2;
    input.setSelectionRange(end, end);
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  input.addEventListener("input", look);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const chosen = offered[at];
    if (step !== undefined && offered.length > 0) {
      at = (at + step + offered.length) % offered.length;
      draw();
    } else if (event.key === "Enter" && chosen) take(chosen);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const icon = button("[…]", () => {
    input.focus();
    if (!begun(input)) input.setRangeText("[", input.selectionStart ?? 0, input.selectionEnd ?? 0, "end");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }, { class: "quiet", "aria-label": `Insert a variable into ${label}`, title: "Insert a variable", disabled: input.disabled });
  return h("div", { class: "picker" }, input, icon, list);
}

/** @param {Variable} variable */
function note(variable) {
  const value = variable.hidden ? "hidden" : variable.value ?? variable.description;
  return [variable.scope, variable.environment, value].filter(Boolean).join(" · ");
}
