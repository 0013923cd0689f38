/** The versions of connectors that serve, and the change from one to another while calls run; and the agents. */
import * as api from "./api.js";
import { attempt } from "./connection-menu.js";
import { button, h, say } from "./dom.js";
import { empty, screen, section, sentence, table, troubles } from "./parts.js";
import { badge } from "./report.js";
import { again } from "./router.js";

/** @param {string} connector @param {string} change */
function act(connector, change) {
  return attempt(`The version of ${connector} is not changed`, async () => {
    const answer = await api.post(`/v1/deployments/${api.part(connector)}/${change}`, {});
    say(`${answer.to ?? answer.serving} serves now.`);
    again();
  });
}

export async function versions() {
  const [deployments, installed, agents] = await Promise.all([
    api.list("/v1/deployments"), api.list("/v1/versions").catch(() => []), api.list("/v1/agents").catch(() => [])]);
  const serving = deployments.map((one) => section(one.connector,
    one.refused ? h("p", { class: "notice" }, sentence(one.refused)) : null,
    table(`Versions of ${one.connector} that are loaded`, ["Version", "Role", "Calls", "Errors", "Activities"], one.versions.map((/** @type {any} */ version) => [
      h("span", { title: version.digest }, version.version), badge(version.role), version.calls, version.errors, version.activities])),
    h("div", { class: "actions" }, button("Swap to the Version in Use", () => act(one.connector, "swap"), { "aria-label": `Swap to the Version in Use: ${one.connector}` }),
      button("Roll Back", () => act(one.connector, "rollback"), { "aria-label": `Roll Back: ${one.connector}` }))));
  return {
    title: "Versions",
    element: screen("Versions", { about: "A swap takes the version that is in use in the project. Calls under way end on the old one." },
      ...(serving.length > 0 ? serving : [empty("No connector serves yet. One is loaded when a connection is used.")]),
      installed.length > 0 ? section("Installed", table("Installed versions", ["Version", "Connector", "From", "Role"], installed.map((one) => [
        one.version, one.connector, one.source ?? "", [one.role, one.pinned ? "pinned" : ""].filter(Boolean).join(", ")]))) : null,
      agents.length > 0 ? section("Agents", table("Agents", ["Name", "Version", "Group", "Connectors"], agents.map((one) => [
        one.self ? `${one.name} (this one)` : one.name, one.version ?? "", one.group ?? "",
        one.reachable ? one.connectors.map((/** @type {any} */ it) => h("div", { title: it.digest }, `${it.name} ${it.version}`)) : troubles(one.errors)]))) : null),
  };
}
