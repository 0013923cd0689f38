/** A button that opens a menu: arrow keys move in it, Enter chooses, Escape leaves it. */
import { h, newId } from "./dom.js";

/**
 * @param {string} label What it is the menu of, for those who do not see where it stands.
 * @param {[string, () => unknown][]} items
 */
export function menu(label, items) {
  const id = newId("menu");
  const choices = items.map(([text, choose]) => h("button", {
    type: "button", role: "menuitem", tabindex: "-1",
    onclick: () => {
      close(true);
      choose();
    },
  }, text));
  const list = h("div", { id, role: "menu", "aria-label": label, class: "menu", hidden: true }, choices);
  const opener = h("button", {
    type: "button", class: "quiet", "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id, "aria-label": label,
    onclick: () => (list.hidden ? open(0) : close(true)),
  }, "⋯");
  const outside = (/** @type {Event} */ event) => {
    if (event.target instanceof Node && !box.contains(event.target)) close(false);
  };
  const leave = () => close(false);

  /** @param {number} at */
  function open(at) {
    list.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside);
    addEventListener("scroll", leave);
    place();
    choices.at(at)?.focus();
  }

  /** By the window, because a table that scrolls would cut it off. */
  function place() {
    const { right, top, bottom } = opener.getBoundingClientRect();
    const below = bottom + list.offsetHeight <= innerHeight;
    list.style.left = `${Math.max(0, right - list.offsetWidth)}px`;
    list.style.top = `${below ? bottom : Math.max(0, top - list.offsetHeight)}px`;
  }

  /** @param {boolean} focus */
  function close(focus) {
    list.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside);
    removeEventListener("scroll", leave);
    if (focus) opener.focus();
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const at = choices.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const step = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape" && !list.hidden) close(true);
    else if (event.key === "Tab") close(false);
    else if (step !== undefined) {
      event.preventDefault();
      if (list.hidden) open(event.key === "ArrowUp" ? -1 : 0);
      else (choices.at(step) ?? choices[0])?.focus();
    }
  }

  const box = h("div", { class: "menu-box", onkeydown: pressed }, opener, list);
  return box;
}
