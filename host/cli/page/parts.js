/**
 * Pieces that several screens are made of.
 *
 * @import {Trouble} from "./types.js"
 * @import {Child} from "./dom.js"
 */
import { Problem } from "./api.js";
import { fill, h, newId } from "./dom.js";
import { hintHere } from "./hint.js";

/** @typedef {(what: Trouble[] | string | null) => void} Mark */

/** What went wrong, why, and what to do about it. @param {Trouble} error */
function told(error) {
  return h("div", {},
    h("p", {}, sentence(error.message)),
    // One of several lines points at a column of what it quotes.
    (error.causes ?? []).map((cause) => h("p", { class: cause.includes("\n") ? "cause code" : "cause" }, cause)),
    error.hint ? h("p", { class: "hint" }, h("strong", {}, "What to do: "), hintHere(sentence(error.hint))) : null);
}

/** What went wrong where no field is to blame. @param {Trouble[]} errors */
export function troubles(errors) {
  return h("div", { class: "problem", role: "alert" }, errors.map(told));
}

/** @param {unknown} error */
export function errorsOf(error) {
  if (error instanceof Problem) return error.errors;
  return [{ message: error instanceof Error ? error.message : String(error) }];
}

/** @param {unknown} error */
export function problem(error) {
  return troubles(errorsOf(error));
}

/** @param {string} text */
export function sentence(text) {
  const trimmed = text.trim();
  const end = /[.!?:…]$/.test(trimmed) ? "" : ".";
  return trimmed === "" ? "" : trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + end;
}

/** Where there is nothing yet. @param {string} text @param {...Child} children */
export function empty(text, ...children) {
  return h("div", { class: "empty" }, h("p", {}, text), ...children);
}

/**
 * A screen.
 *
 * @param {string} title
 * @param {{back?: [string, string], actions?: Child[], about?: string}} top
 * @param {...Child} children
 */
export function screen(title, { back, actions = [], about }, ...children) {
  return h("div", { class: "screen" },
    back ? h("p", { class: "back" }, h("a", { href: back[1] }, `← ${back[0]}`)) : null,
    h("div", { class: "heading" }, h("h1", {}, title), h("div", { class: "actions" }, actions)),
    about ? h("p", { class: "about" }, about) : null,
    ...children);
}

/** @param {string} title @param {...Child} children */
export function section(title, ...children) {
  const id = newId("section");
  return h("section", { "aria-labelledby": id, class: "card" }, h("h2", { id }, title), ...children);
}

/**
 * @param {string} label What the table holds.
 * @param {string[]} columns
 * @param {Child[][]} rows The first cell of a row names it.
 */
export function table(label, columns, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column || h("span", { class: "unseen" }, "Actions"))))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, at) =>
        (at === 0 ? h("th", { scope: "row" }, cell) : h("td", {}, cell))))))));
}

/** A field with its label, its explanation and what is wrong with it.
 * @param {string} label @param {HTMLElement} input @param {{help?: string, around?: HTMLElement, note?: string}} [more] */
export function field(label, input, { help, around, note } = {}) {
  const id = input.id || newId("field");
  input.id = id;
  const [helpId, wrongId] = [`${id}-help`, `${id}-wrong`];
  const wrong = h("div", { id: wrongId, class: "wrong" });
  input.setAttribute("aria-describedby", help ? `${helpId} ${wrongId}` : wrongId);
  const element = h("div", { class: "field" },
    h("label", { for: id }, label, note ? h("span", { class: "note" }, ` ${note}`) : null),
    around ?? input,
    help ? h("p", { id: helpId, class: "help" }, help) : null,
    wrong);
  /** Says what is wrong with it, or that nothing is. @type {Mark} */
  const mark = (what) => {
    const errors = typeof what === "string" ? [{ message: what }] : what ?? [];
    fill(wrong, errors.map(told));
    if (errors.length === 0) return input.removeAttribute("aria-invalid");
    input.setAttribute("aria-invalid", "true");
    // What is folded away could be neither seen nor reached.
    const folded = element.closest("details");
    if (folded) folded.open = true;
  };
  return { element, input, mark };
}

/**
 * Tells each error at the field that it points at, and takes what was told before from the others.
 *
 * @template {{mark: Mark}} F
 * @param {F[]} fields
 * @param {Trouble[]} errors
 * @param {(pointer: string) => F | undefined} find The field that a pointer leads to.
 * @returns {Trouble[]} Those that no field has.
 */
export function markFields(fields, errors, find) {
  /** @type {Map<F, Trouble[]>} */
  const found = new Map();
  const rest = errors.filter((error) => {
    const target = find(error.pointer ?? "");
    if (target) found.set(target, [...found.get(target) ?? [], error]);
    return !target;
  });
  for (const one of fields) one.mark(found.get(one) ?? null);
  return rest;
}

/** Puts the focus on the first field that is marked. @param {HTMLElement} within */
export function focusMarked(within) {
  /** @type {HTMLElement | null} */ (within.querySelector("[aria-invalid]"))?.focus();
}

/** A switch with its label. @param {string} label @param {boolean} on @param {{help?: string, disabled?: boolean}} [more] */
export function toggle(label, on, { help, disabled = false } = {}) {
  const id = newId("switch");
  const input = h("input", { type: "checkbox", id, checked: on, disabled, "aria-describedby": help ? `${id}-help` : null });
  const element = h("div", { class: "field toggle" },
    input, h("label", { for: id }, label), help ? h("p", { id: `${id}-help`, class: "help" }, help) : null);
  return { element, input };
}

/** @param {string} label @param {[string, string][]} options Value and text. @param {string} chosen */
export function choice(label, options, chosen) {
  const select = h("select", {}, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  return { select, ...field(label, select) };
}

/** @param {string} name @param {string} text @param {string} kind */
export function save(name, text, kind) {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  h("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
