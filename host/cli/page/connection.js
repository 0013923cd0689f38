/**
 * The connection screen: name and settings, with *Test*, *Save Changes*, *Discard Changes* and *Delete*.
 *
 * @import {Connection, Connector, Trouble} from "./types.js"
 * @import {Screen} from "./router.js"
 */
import * as api from "./api.js";
import { deleteConnection } from "./connection-menu.js";
import { nameProblem } from "./connection-name.js";
import { testPanel } from "./connection-test.js";
import { confirm } from "./dialogs.js";
import { button, fill, h, say } from "./dom.js";
import { settingsForm } from "./form.js";
import { choice, errorsOf, field, focusMarked, markFields, screen, troubles } from "./parts.js";
import { go } from "./router.js";

const HOME = "#/connections";

/** @param {string} text */
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/**
 * @param {{reference: string, saved: Connection} | null} edited The connection and how it is named in addresses; none of a new one.
 * @param {Connector[]} connectors
 * @param {string} chosen Name of the connector.
 * @returns {Promise<Screen>}
 */
async function form(edited, connectors, chosen) {
  const saved = edited?.saved;
  const [variables, proxy, environments] = await Promise.all([
    api.list("/v1/variables"), api.get("/v1/proxy"), api.list("/v1/environments")]);
  const connector = connectors.find((one) => one.name === chosen);
  if (!connector) throw new Error(`there is no connector ${chosen} here`);
  if (connector.problem) throw new Error(`the connector ${chosen} does not load: ${connector.problem}`);
  const title = connector.settings_schema.title ?? connector.title ?? connector.name;

  const name = field("Connection Name", h("input", { type: "text", value: saved?.name ?? "", autocomplete: "off", "aria-required": "true" }),
    { help: "Unique among the connections of its connector. It names the endpoint: the connection with its activities." });
  const nameInput = /** @type {HTMLInputElement} */ (name.input);
  const origins = (connector.origins ?? []).join(", ");
  const grants = h("textarea", { rows: "2", value: (saved?.grants ?? []).join("\n"), spellcheck: "false" });
  const reach = field("More Addresses That It May Reach", grants, {
    note: "(optional)", help: `One per line. It may reach ${origins || "nothing"} without being named here.`,
  });
  const authorities = h("input", { type: "text", value: saved?.ca_file ?? "", autocomplete: "off", spellcheck: "false" });
  const trusted = field("Certificate Authorities", authorities, { note: "(optional)", help: "A PEM file on the server, trusted besides the system's." });
  /** What any connection has besides its settings, by the API's names. */
  const besides = new Map([["name", name], ["grants", reach], ["ca_file", trusted]]);
  const made = settingsForm(connector.settings_schema, saved?.settings ?? {}, { variables, hidden: saved?.hidden ?? [], proxy }, [reach.element, trusted.element]);

  const content = () => ({ settings: made.value(), grants: lines(grants.value), ca_file: authorities.value.trim() || null });
  const snapshot = () => JSON.stringify([nameInput.value, content()]);
  const before = snapshot();
  const changed = () => snapshot() !== before;

  const groups = environments.filter((one) => one.group).map((one) => /** @type {[string, string]} */ ([one.name, `The agents of ${one.name}`]));
  const where = choice("Test On", [["", "This agent"], ...groups], "");

  const problems = h("div", {});
  /** Tells each error at its field; answers those that have none. @param {Trouble[]} errors */
  function mark(errors) {
    const rest = made.mark(markFields([...besides.values()], errors, (pointer) => besides.get(pointer.split("/")[1] ?? "")));
    focusMarked(element);
    return rest;
  }
  const test = testPanel(mark);

  /** Whether what is on the screen can be sent; marks what is wrong. @param {boolean} named */
  function complete(named) {
    const wrong = named ? nameProblem(nameInput.value) : null;
    name.mark(wrong);
    const first = made.check();
    (wrong ? nameInput : first)?.focus();
    return wrong === null && first === null;
  }

  async function save() {
    fill(problems);
    if (!complete(true)) return;
    const body = { ...content(), name: nameInput.value.trim() };
    try {
      const kept = edited
        ? await api.put(`/v1/connections/${api.part(edited.reference)}`, { ...body, revision: edited.saved.revision })
        : await api.post("/v1/connections", { ...body, connector: connector?.name });
      say(`${kept.name} is saved.`);
      go(HOME);
    } catch (error) {
      const rest = mark(errorsOf(error));
      fill(problems, rest.length > 0 ? troubles(rest) : null);
    }
  }

  async function discard() {
    const question = { text: "What you have changed here is not saved.", yes: "Discard Changes", no: "Go On Editing", danger: true };
    if (!changed() || await confirm("Discard the changes?", question)) go(HOME);
  }

  const picked = choice("Connector", connectors.map((one) => [one.name, one.title ?? one.name]), connector.name);
  picked.select.addEventListener("change", () => go(`#/new-connection?connector=${api.part(picked.select.value)}`));

  const element = screen(saved ? `Edit ${saved.name}` : `New ${title} Connection`, { back: ["Connections", HOME] },
    h("form", {
      class: "card fields", novalidate: true, "aria-label": "Connection", onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void save();
      },
    },
    !saved && connectors.length > 1 ? picked.element : null, name.element, made.element, problems,
    groups.length > 0 ? where.element : null,
    h("div", { class: "actions" },
      button("Test", () => {
        const on = where.select.value ? { environment: where.select.value } : {};
        if (complete(false)) return test.run({ connector: connector.name, ...(edited ? { name: edited.reference } : {}), ...content(), ...on });
      }),
      h("button", { type: "submit", class: "primary" }, "Save Changes"),
      button("Discard Changes", discard),
      edited ? button("Delete", () => deleteConnection(edited.reference), { class: "danger" }) : null)),
    test.element);
  return { title: saved ? saved.name : "New connection", element, changed, close: () => test.stop() };
}

/** @param {Record<string, string>} _ @param {URLSearchParams} query */
export async function newConnection(_, query) {
  const connectors = await api.list("/v1/connectors");
  if (connectors.length === 0) throw new Error("no connector is installed");
  return form(null, connectors, query.get("connector") ?? connectors[0].name);
}

/** @param {Record<string, string>} parts */
export async function editConnection({ name = "" }) {
  const [saved, connectors] = await Promise.all([api.get(`/v1/connections/${api.part(name)}`), api.list("/v1/connectors")]);
  return form({ reference: name, saved }, connectors, saved.connector);
}
