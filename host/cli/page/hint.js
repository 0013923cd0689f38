/**
 * Hints of the API are for whoever asked it, often by the command line. Where the page has a way of its own to do what a command or a
 * request does, that is told instead.
 *
 * @import {Child} from "./dom.js"
 */
import { part } from "./api.js";
import { h, link } from "./dom.js";

/** What a command or a request is on the page: its words, and its address, if it has one. @type {[RegExp, string, string?][]} */
const WAYS = [
  [/^connector connection edit \S+ --grant/, "More Addresses That It May Reach", "#/connections"],
  [/^connector connection edit \S+ --ca-file/, "Certificate Authorities", "#/connections"],
  [/^connector connection add/, "New Connection", "#/new-connection"],
  [/^connector connection (?:list|edit)/, "Connections", "#/connections"],
  [/^connector (?:objects|describe) ([^\s-]\S*)/, "Objects", "#/connections/NAME/objects"],
  [/^connector (?:operation|runs) list/, "Operations", "#/operations"],
  [/^(?:connector run --resolve |POST \/v1\/runs\/)([^\s/]+)/, "Look Up Unknown Records", "#/runs/NAME"],
  [/^connector run --resume (\S+)/, "Resume", "#/runs/NAME"],
  [/^connector run \S+ --input/, "Feed Back Records"],
  [/^(?:--send-unknown|\?send_unknown=true)$/, "Send Unknown Records Too"],
  [/^connector run ([^\s-]\S*)$/, "Save and Run", "#/operations/NAME"],
  [/^connector variables (?:list|set)/, "Variables", "#/variables"],
  [/^connector versions list/, "Versions", "#/versions"],
];

/** @param {string} command @returns {Child} Nothing where the page has no way. */
function wayHere(command) {
  for (const [pattern, words, address] of WAYS) {
    const found = command.match(pattern);
    if (!found) continue;
    const [, name = ""] = found;
    // A placeholder in capitals names nothing.
    return address && !/^[A-Z]+$/.test(name) ? link(words, address.replace("NAME", () => part(name))) : h("strong", {}, words);
  }
  return null;
}

/** @param {string} hint @returns {Child[]} */
export function hintHere(hint) {
  return hint.split(/(`[^`]*`)/).map((piece) => (piece.startsWith("`") && wayHere(piece.slice(1, -1))) || piece);
}
