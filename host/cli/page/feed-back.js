/**
 * Rejected records, fed back in: the operation runs with them instead of its source.
 *
 * @import {Run, Trouble} from "./types.js"
 */
import * as api from "./api.js";
import { open } from "./dialogs.js";
import { button, fill, h } from "./dom.js";
import { choice, errorsOf, field, toggle, troubles } from "./parts.js";

/**
 * @param {Run} run
 * @param {boolean} unknown Whether nobody knows what became of some of its records.
 * @returns {Promise<{id: string} | "look up" | null>} The run that has begun, or what the person would rather do.
 */
export function feedBack({ id, operation }, unknown) {
  return open("Feed Back Records", (/** @type {(value: {id: string} | "look up" | null) => void} */ close) => {
    const which = choice("Which Records", [["mended", "A file with mended records"], ["rejected", "The failed and unknown records as they are"]], "mended");
    const file = field("File", h("input", { type: "file", accept: ".ndjson,.jsonl,application/x-ndjson" }),
      { help: "What Failed and Unknown Records has saved, with its records mended; or any records, one per line." });
    const again = toggle("Send Unknown Records Too", false, { help: "They may be in the target already. What is created could be there twice." });
    const told = h("div", {});
    const arrange = () => {
      file.element.hidden = which.select.value === "rejected";
    };
    which.select.addEventListener("change", arrange);

    /** @param {Trouble[]} errors */
    function refused(errors) {
      fill(told, troubles(errors), unknown && !again.input.checked ? button("Look Up Unknown Records", () => close("look up")) : null);
    }
    const start = button("Run with These Records", async () => {
      const mended = /** @type {HTMLInputElement} */ (file.input).files?.[0];
      const isMended = which.select.value === "mended";
      file.mark(isMended && !mended ? "Choose a file first." : null);
      if (isMended && !mended) return file.input.focus();
      start.disabled = true;
      try {
        const records = isMended && mended ? mended : new Blob([await api.text(`/v1/runs/${api.part(id)}/rejected`)]);
        close(await api.post(`/v1/operations/${api.part(operation)}/runs${again.input.checked ? "?send_unknown=true" : ""}`, records));
      } catch (error) {
        start.disabled = false;
        refused(errorsOf(error));
      }
    }, { class: "primary" });
    return [
      h("p", {}, `The operation ${operation} runs with these records instead of its source. Those that the mapping failed on are mapped again; the others are sent as they stand.`),
      h("form", { class: "fields", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
        which.element, file.element, again.element, told,
        h("div", { class: "actions" }, start, button("Cancel", () => close(null)))),
    ];
  });
}
