/**
 * A data schema as a tree, with types and what is required; copied as JSON Schema.
 *
 * @import {JsonSchema} from "./types.js"
 */
import { button, h, say } from "./dom.js";

/** @param {JsonSchema} schema @returns {string} */
function typeOf(schema) {
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type ?? "any";
  const items = schema.type === "array" && schema.items ? ` of ${typeOf(schema.items)}` : "";
  return [`${type}${items}`, schema.format, schema.enum ? `one of ${schema.enum.join(", ")}` : null, schema.readOnly ? "read only" : null]
    .filter(Boolean).join(", ");
}

/** @param {JsonSchema} schema @returns {HTMLElement | null} */
function members(schema) {
  const object = schema.type === "array" ? schema.items ?? {} : schema;
  const properties = Object.entries(object.properties ?? {});
  if (properties.length === 0) return null;
  return h("ul", {}, properties.map(([name, property]) => {
    const label = [h("code", {}, name), " ", h("span", { class: "type" }, typeOf(property)),
      object.required?.includes(name) ? h("span", { class: "must" }, " required") : null];
    const below = members(property);
    return h("li", {}, below ? h("details", {}, h("summary", {}, label), below) : label);
  }));
}

/** @param {string} title @param {JsonSchema} schema */
export function schemaTree(title, schema) {
  const tree = members(schema);
  tree?.classList.add("tree");
  const copy = button("Copy as JSON Schema", async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(schema, null, 2));
      say("The schema is copied.");
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "The browser does not allow copying";
    }
  }, { "aria-label": `Copy as JSON Schema: ${title.toLowerCase()}` });
  return h("div", {}, h("h3", {}, title), tree ?? h("p", {}, "It has no fields."), copy);
}
