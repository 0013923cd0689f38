/** The page: its screens by their addresses. */
import { onTokenNeeded } from "./api.js";
import { editConnection, newConnection } from "./connection.js";
import { connections } from "./connections.js";
import { ask, confirm } from "./dialogs.js";
import { problem, screen } from "./parts.js";
import { route, start } from "./router.js";

onTokenNeeded((wrong) => ask("Access token", {
  label: "Token", secret: true, yes: "Go On",
  text: wrong ? "The server refuses this token." : "This server asks for the token that it was started with.",
}));

route("/connections", connections);
route("/new-connection", newConnection);
route("/connections/:name/edit", editConnection);

start({
  mayLeave: () => confirm("Leave without saving?", { text: "What you have changed here is not saved.", yes: "Leave", no: "Stay", danger: true }),
  failed: (error) => screen("This cannot be shown", { back: ["Connections", "#/connections"] }, problem(error)),
});
