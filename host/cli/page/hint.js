/**
 * Hints of the API are for whoever asked it, often by the command line. Where the page has a way of its own to do what a command or a
 * request does, that is told instead.
 *
 * @import {Child} from "./dom.js"
 */
import { part } from "./api.js";
import { h, link } from "./dom.js";

/** What a command or a request is on the page: its words, and where it is to be found. @type {[RegExp, string, (...found: string[]) => string | null][]} */
const WAYS = [
  [/^connector connection edit \S+ --grant/, "More Addresses That It May Reach", () => "#/connections"],
  [/^connector connection edit \S+ --ca-file/, "Certificate Authorities", () => "#/connections"],
  [/^connector connection add/, "New Connection", () => "#/new-connection"],
  [/^connector connection (?:list|edit)/, "Connections", () => "#/connections"],
  [/^connector (?:objects|describe) ([^\s-]\S*)/, "Objects", (name) => `#/connections/${part(name ?? "")}/objects`],
  [/^connector (?:operation|runs) list/, "Operations", () => "#/operations"],
  [/^(?:connector run --resolve |POST \/v1\/runs\/)([^\s/]+)/, "Look Up Unknown Records", onRun],
  [/^connector run --resume (\S+)/, "Resume", onRun],
  [/^connector run \S+ --input/, "Feed Back Records", () => null],
  [/^(?:--send-unknown|\?send_unknown=true)$/, "Send Unknown Records Too", () => null],
  [/^connector run ([^\s-]\S*)$/, "Save and Run", (name) => `#/operations/${part(name ?? "")}`],
  [/^connector variables (?:list|set)/, "Variables", () => "#/variables"],
  [/^connector versions list/, "Versions", () => "#/versions"],
];

/** A placeholder in capitals is no run. @param {string} [id] */
function onRun(id = "") {
  return /^[A-Z]+$/.test(id) ? null : `#/runs/${part(id)}`;
}

/** @param {string} hint @returns {Child[]} */
export function hintHere(hint) {
  return hint.split(/(`[^`]*`)/).map((piece) => {
    const command = piece.slice(1, -1);
    for (const [pattern, words, address] of piece.startsWith("`") ? WAYS : []) {
      const found = command.match(pattern);
      const to = found && address(...found.slice(1));
      if (found) return to ? link(words, to) : h("strong", {}, words);
    }
    return piece;
  });
}
