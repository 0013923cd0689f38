/**
 * The settings of a connection as a form, drawn from the connector's settings schema: any connector gets one.
 *
 * @import {Mark} from "./parts.js"
 * @import {SettingSchema, SettingsSchema, Trouble, Variable} from "./types.js"
 */
import { h } from "./dom.js";
import { field, markFields, toggle } from "./parts.js";
import { withVariables } from "./variables.js";

/**
 * @typedef {object} Context
 * @property {Variable[]} variables What `[` offers.
 * @property {string[]} hidden Pointers to settings whose secret is kept.
 * @property {{configured: boolean, reason?: string}} proxy
 *
 * @typedef {object} Entry One setting in the form.
 * @property {HTMLElement} element
 * @property {HTMLElement} input
 * @property {() => unknown} value What is to be sent; nothing where the setting is left out.
 * @property {Mark} mark
 * @property {() => string | null} check
 */

/** @param {string} name @param {SettingSchema} schema @param {unknown} value @param {Context} context @returns {Entry} */
function switchEntry(name, schema, value, context) {
  const blocked = schema["x-needs"] === "proxy" && !context.proxy.configured;
  const reason = context.proxy.reason ?? "whoever runs this server has configured no proxy";
  const help = blocked ? `Not available: ${reason}` : schema.description;
  const { element, input } = toggle(schema.title ?? name, value === true, {
    // One that is on stays reachable: it must be possible to switch it off.
    ...(help ? { help } : {}), disabled: blocked && value !== true,
  });
  const before = value;
  return {
    element, input, mark: () => {}, check: () => null,
    value: () => (input.checked || typeof before === "boolean" ? input.checked : undefined),
  };
}

/** @param {string} name @param {SettingSchema} schema @param {unknown} value @param {Context} context @param {boolean} required @returns {Entry} */
function textEntry(name, schema, value, context, required) {
  const label = schema.title ?? name;
  const number = schema.type === "integer" || schema.type === "number";
  // A secret of this connection alone. The name of a variable that others may use too is shown.
  const own = context.variables.some((variable) => variable.scope === "connection" && value === `[${variable.name}]`);
  const kept = own && context.hidden.includes(`/${name}`) ? value : undefined;
  const text = kept === undefined && value !== undefined && value !== null ? String(value) : "";
  const fallback = schema.default === undefined ? null : String(schema.default);
  const input = h("input", {
    type: "text", value: text, autocomplete: "off", spellcheck: "false", "aria-required": required ? "true" : null,
    inputmode: number || schema["x-digits"] ? "numeric" : null,
    placeholder: kept === undefined ? fallback : "•••••••• (saved; type to replace it)",
  });
  if (schema.writeOnly) {
    // The name of a variable is no secret, and has to be seen.
    const mask = () => input.setAttribute("type", input.value.startsWith("[") ? "text" : "password");
    input.addEventListener("input", mask);
    mask();
  }
  const around = schema["x-variables"] ? withVariables(input, context.variables, label) : input;
  const made = field(label, input, { around, note: required ? "" : "(optional)", ...(schema.description ? { help: schema.description } : {}) });
  return {
    element: made.element, input, mark: made.mark,
    value() {
      const given = schema.writeOnly ? input.value : input.value.trim();
      if (given === "") return kept;
      return number && /^-?\d+$/.test(given) ? Number(given) : given;
    },
    check() {
      const given = input.value.trim();
      if (given === "") return required && kept === undefined ? `${label} is needed.` : null;
      if (schema["x-digits"] && !given.includes("[") && !/^\d+$/.test(given)) return "Digits only.";
      if (number && !given.includes("[") && !/^-?\d+$/.test(given)) return "A whole number is needed.";
      return null;
    },
  };
}

/** @param {string} name @param {SettingSchema} schema @param {unknown} value @returns {Entry} */
function choiceEntry(name, schema, value) {
  const values = schema.enum ?? [];
  const select = h("select", {}, values.map((one) => h("option", { value: JSON.stringify(one), selected: one === (value ?? schema.default) }, String(one))));
  const made = field(schema.title ?? name, select, schema.description ? { help: schema.description } : {});
  return { element: made.element, input: select, mark: made.mark, check: () => null, value: () => JSON.parse(select.value) };
}

/**
 * @param {SettingsSchema} schema
 * @param {Record<string, unknown>} settings
 * @param {Context} context
 * @param {HTMLElement[]} advancedToo What else belongs to the part that is folded away.
 */
export function settingsForm(schema, settings, context, advancedToo) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  const properties = Object.entries(schema.properties ?? {})
    .sort(([, a], [, b]) => (a["x-order"] ?? Infinity) - (b["x-order"] ?? Infinity));
  for (const [name, property] of properties) {
    const needed = (schema.required ?? []).includes(name) || property["x-shown-when"] !== undefined;
    const value = settings[name];
    entries.set(name, property.enum ? choiceEntry(name, property, value)
      : property.type === "boolean" ? switchEntry(name, property, value, context)
        : textEntry(name, property, value, context, needed));
  }
  const part = (/** @type {boolean} */ advanced) => properties
    .filter(([, property]) => (property["x-advanced"] === true) === advanced)
    .map(([name]) => /** @type {Entry} */ (entries.get(name)).element);
  const advanced = h("details", { class: "advanced" }, h("summary", {}, "Advanced"),
    h("div", { class: "fields" }, part(true), advancedToo));
  const element = h("div", { class: "fields" }, part(false), advanced);

  /** @param {SettingSchema} property */
  const isShown = (property) => Object.entries(property["x-shown-when"] ?? {})
    .every(([other, wanted]) => (entries.get(other)?.value() ?? schema.properties?.[other]?.default) === wanted);
  const arrange = () => {
    for (const [name, property] of properties) /** @type {Entry} */ (entries.get(name)).element.hidden = !isShown(property);
  };
  element.addEventListener("input", arrange);
  arrange();

  return {
    element,
    /** The settings as they are on the screen. @returns {Record<string, unknown>} */
    value() {
      const given = [...entries].map(([name, entry]) => /** @type {const} */ ([name, entry.value()]));
      return Object.fromEntries(given.filter(([, value]) => value !== undefined));
    },
    /** Marks what is wrong; answers the first field of those. */
    check() {
      /** @type {HTMLElement | null} */
      let first = null;
      for (const [name, property] of properties) {
        const entry = /** @type {Entry} */ (entries.get(name));
        const wrong = isShown(property) ? entry.check() : null;
        entry.mark(wrong);
        if (wrong !== null) first ??= entry.input;
      }
      return first;
    },
    /** Marks the fields that errors point at, and answers the other errors. @param {Trouble[]} errors */
    mark(errors) {
      return markFields([...entries.values()], errors, (pointer) => {
        const entry = entries.get(pointer.replace(/^(\/settings)?\//, ""));
        if (entry) entry.element.hidden = false;
        return entry;
      });
    },
  };
}
