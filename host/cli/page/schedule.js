/** When an operation runs by itself: not at all, at a period, or by a pattern of cron. */
import { fill, h } from "./dom.js";
import { choice, field, sentence } from "./parts.js";
import { when } from "./time.js";

/** What lists tell of a schedule. @param {{schedule?: string, next_run?: string, not_run?: {due: string, reason: string}}} told */
export function times({ schedule, next_run: next, not_run: missed }) {
  return [
    next ? h("div", { class: "note" }, `Runs by itself (${schedule}), next ${when(next)}.`) : null,
    missed ? h("div", { class: "wrong" }, sentence(`it was due ${when(missed.due)} and did not run: ${missed.reason}`)) : null,
  ];
}

/**
 * @param {{every?: string, cron?: string, missed?: string}} saved
 * @param {(HTMLElement | null)[]} told What is known of the times of the saved one.
 */
export function scheduleEditor(saved, told) {
  const text = (/** @type {string} */ label, /** @type {string | undefined} */ value, /** @type {string} */ help) =>
    field(label, h("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false", "aria-required": "true" }), { help });
  const kind = choice("Runs by Itself", [["", "Never"], ["every", "Again and again after a period"], ["cron", "At the times of a cron pattern"]],
    saved.cron !== undefined ? "cron" : saved.every !== undefined ? "every" : "");
  const every = text("Period", saved.every, "A number with s, m, h or d: 15m, 1h, 1d. 1h is each full hour, 1d each midnight, in UTC.");
  const cron = text("Cron Pattern", saved.cron, "Minute, hour, day of the month, month and day of the week, in UTC: 0 3 * * * is each day at three.");
  const missed = choice("Times at Which No Server Ran", [["skip", "Leave them out"], ["run", "Make up for the last of them"]], saved.missed ?? "skip");
  const shown = h("div", { class: "fields" });
  const value = () => {
    if (kind.select.value === "") return undefined;
    const chosen = kind.select.value === "every" ? every : cron;
    const given = { [kind.select.value]: /** @type {HTMLInputElement} */ (chosen.input).value.trim() };
    // What is the case anyway is written down only where it stood already.
    return missed.select.value === "skip" && saved.missed === undefined ? given : { ...given, missed: missed.select.value };
  };
  const before = JSON.stringify(value());
  function arrange() {
    const now = kind.select.value;
    fill(shown, now === "" ? null : [now === "every" ? every.element : cron.element, missed.element]);
    for (const one of told) if (one) one.hidden = JSON.stringify(value()) !== before;
  }
  arrange();
  return {
    element: h("div", { class: "fields", oninput: arrange }, kind.element, shown, told),
    value,
    /** By the API's names. */
    fields: { schedule: kind, every, cron, missed },
  };
}
