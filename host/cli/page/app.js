/** The page: its screens by their addresses. */
import { onTokenNeeded } from "./api.js";
import { editConnection, newConnection } from "./connection.js";
import { connections } from "./connections.js";
import { editActivity, newActivity } from "./activity.js";
import { ask, confirm } from "./dialogs.js";
import { endpoint, objects } from "./endpoint.js";
import { editOperation, newOperation } from "./operation.js";
import { operations } from "./operations.js";
import { problem, screen } from "./parts.js";
import { route, start } from "./router.js";
import { run } from "./run.js";
import { variables } from "./variable-screen.js";
import { versions } from "./versions.js";

onTokenNeeded((wrong) => ask("Access token", {
  label: "Token", secret: true, yes: "Go On",
  text: wrong ? "The server refuses this token." : "This server asks for the token that it was started with.",
}));

route("/connections", connections);
route("/new-connection", newConnection);
route("/connections/:name/edit", editConnection);
route("/connections/:name", endpoint);
route("/connections/:name/objects", objects);
route("/connections/:name/new-activity", newActivity);
route("/connections/:name/activities/:activity", editActivity);
route("/operations", operations);
route("/new-operation", newOperation);
route("/operations/:name", editOperation);
route("/runs/:id", run);
route("/variables", variables);
route("/versions", versions);

start({
  mayLeave: () => confirm("Leave without saving?", { text: "What you have changed here is not saved.", yes: "Leave", no: "Stay", danger: true }),
  failed: (error) => screen("This cannot be shown", { back: ["Connections", "#/connections"] }, problem(error)),
});
