/** What interrupts: questions, and lists that belong to one thing. All are `<dialog>`s, so that keyboard and focus stay in them. */
import { button, h, newId } from "./dom.js";

/**
 * @template T
 * @param {string} title
 * @param {(close: (value: T | null) => void) => (Node | string | null)[]} content
 * @returns {Promise<T | null>} Nothing where it was left by Escape.
 */
export function open(title, content) {
  return new Promise((resolve) => {
    const id = newId("dialog");
    /** @type {T | null} */
    let given = null;
    const dialog = h("dialog", { "aria-labelledby": id });
    const close = (/** @type {T | null} */ value) => {
      given = value;
      dialog.close();
    };
    dialog.append(h("h2", { id }, title), ...content(close).filter((child) => child !== null));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * @param {string} title
 * @param {{text?: string, list?: string[], yes: string, no?: string, danger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export async function confirm(title, { text, list = [], yes, no = "Cancel", danger = false }) {
  const agreed = await open(title, (/** @type {(value: boolean | null) => void} */ close) => [
    text ? h("p", {}, text) : null,
    list.length > 0 ? h("ul", {}, list.map((item) => h("li", {}, item))) : null,
    h("div", { class: "actions" },
      button(yes, () => close(true), { class: danger ? "danger" : "primary" }),
      button(no, () => close(false), { autofocus: true })),
  ]);
  return agreed === true;
}

/**
 * @param {string} title
 * @param {{label: string, value?: string, yes: string, secret?: boolean, text?: string, check?: (value: string) => string | null}} question
 * @returns {Promise<string | null>}
 */
export function ask(title, { label, value = "", yes, secret = false, text, check = () => null }) {
  return open(title, (/** @type {(value: string | null) => void} */ close) => {
    const [id, wrong] = [newId("field"), newId("wrong")];
    const input = h("input", {
      id, value, type: secret ? "password" : "text", autocomplete: "off", autofocus: true, "aria-describedby": wrong,
    });
    const told = h("p", { id: wrong, class: "wrong", role: "alert" });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const problem = check(input.value.trim());
      told.textContent = problem ?? "";
      if (problem === null) close(input.value.trim());
    };
    return [h("form", { class: "fields", onsubmit: submit },
      text ? h("p", {}, text) : null,
      h("label", { for: id }, label), input, told,
      h("div", { class: "actions" },
        h("button", { type: "submit", class: "primary" }, yes), button("Cancel", () => close(null))))];
  });
}

/** @param {string} title @param {(Node | string)[]} content */
export async function tell(title, content) {
  await open(title, (close) => [
    ...content, h("div", { class: "actions" }, button("Close", () => close(null), { autofocus: true })),
  ]);
}
