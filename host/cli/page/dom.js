/**
 * Elements, made in one expression. Texts become text nodes, so data is never read as markup.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [properties] `on…` listens; `value`, `checked` and the like are set as properties, the rest as
 *   attributes: `true` without a value, `false` and nothing not at all.
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...kept(children));
  return element;
}

/**
 * An element of SVG.
 *
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Child} children
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...kept(children));
  return element;
}

const AS_PROPERTY = new Set(["value", "checked", "disabled", "hidden", "open", "selected"]);

/** @param {Element} element @param {string} name @param {unknown} value */
function set(element, name, value) {
  if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  else if (AS_PROPERTY.has(name)) Reflect.set(element, name, value ?? "");
  else if (value === true) element.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
}

/** @param {(Child | Child[])[]} children @returns {(Node | string)[]} */
function kept(children) {
  return children.flat().filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** @param {Element} element @param {...(Child | Child[])} children */
export function fill(element, ...children) {
  element.replaceChildren(...kept(children));
}

let lastId = 0;

/** An id that no other element has. @param {string} stem */
export function newId(stem) {
  lastId += 1;
  return `${stem}-${lastId}`;
}

/** Has a screen reader say it. @param {string} text */
export function say(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

/** @param {string} label @param {(event: Event) => unknown} press @param {Record<string, unknown>} [more] */
export function button(label, press, more = {}) {
  return h("button", { type: "button", onclick: press, ...more }, label);
}

/** @param {string} label @param {string} to @param {Record<string, unknown>} [more] */
export function link(label, to, more = {}) {
  return h("a", { href: to, ...more }, label);
}
