/**
 * Which screen is shown: the part of the address behind `#`. A screen with unsaved changes is left only after the person agreed.
 *
 * @typedef {{title: string, element: HTMLElement, changed?: () => boolean, close?: () => void}} Screen
 * @typedef {(parts: Record<string, string>, query: URLSearchParams) => Promise<Screen> | Screen} Open
 */

/** @type {{pattern: string[], open: Open}[]} */
const routes = [];
/** @type {Screen | null} */
let current = null;
let shown = "";
let showing = 0;
/** Where the present screen stands in the history of this tab. */
let place = 0;
/** Where to the person agreed to leave. @type {string | null} */
let agreed = null;

/** @type {() => Promise<boolean>} */
let mayLeave = async () => true;
/** @type {(error: unknown) => HTMLElement} */
let failed = () => document.createElement("div");

/** @param {string} pattern `/connections/:name` @param {Open} open */
export function route(pattern, open) {
  routes.push({ pattern: pattern.split("/"), open });
}

/** @param {string} path */
function find(path) {
  const given = path.split("/");
  for (const { pattern, open } of routes) {
    /** @type {Record<string, string>} */
    const parts = {};
    const fits = pattern.length === given.length && pattern.every((wanted, at) => {
      const word = given[at] ?? "";
      if (wanted.startsWith(":") && word !== "") parts[wanted.slice(1)] = decodeURIComponent(word);
      return wanted.startsWith(":") ? word !== "" : wanted === word;
    });
    if (fits) return { open, parts };
  }
  return null;
}

async function change() {
  const hash = location.hash || "#/connections";
  if (hash === shown || !hash.startsWith("#/")) return;
  // An address that is new in the history comes behind the present one.
  const there = history.state?.place ?? place + 1;
  if (current?.changed?.() && hash !== agreed) {
    // The address says where the person still is, until they agree; the way back and forth stays as it was.
    history.go(place - there);
    if (!await mayLeave()) return;
    agreed = hash;
    history.go(there - place);
    return;
  }
  agreed = null;
  place = there;
  history.replaceState({ place }, "");
  await show(hash);
}

/** @param {string} hash */
async function show(hash) {
  shown = hash;
  showing += 1;
  const turn = showing;
  current?.close?.();
  current = null;
  const [path = "", query = ""] = hash.slice(1).split("?");
  const found = find(path);
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  main.setAttribute("aria-busy", "true");
  /** @type {Screen} */
  let screen;
  try {
    if (!found) throw new Error("there is no such screen");
    screen = await found.open(found.parts, new URLSearchParams(query));
  } catch (error) {
    screen = { title: "Not shown", element: failed(error) };
  }
  if (turn !== showing) {
    screen.close?.();
    return;
  }
  current = screen;
  document.title = `${screen.title} · Connector`;
  main.replaceChildren(screen.element);
  main.removeAttribute("aria-busy");
  window.scrollTo(0, 0);
  for (const item of document.querySelectorAll("header nav a")) {
    const here = hash.replace("#/new-", "#/").startsWith((item.getAttribute("href") ?? " ").slice(0, -1));
    if (here) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  const heading = screen.element.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

/** Goes to another screen; what is unsaved on this one is given up. @param {string} hash */
export function go(hash) {
  if (current) current = { ...current, changed: () => false };
  if (location.hash === hash) again();
  else location.hash = hash;
}

/** Shows the present screen anew. */
export function again() {
  void show(shown);
}

/** @param {{mayLeave: typeof mayLeave, failed: typeof failed}} people */
export function start(people) {
  mayLeave = people.mayLeave;
  failed = people.failed;
  addEventListener("hashchange", () => void change());
  addEventListener("beforeunload", (event) => {
    if (current?.changed?.()) event.preventDefault();
  });
  void change();
}
