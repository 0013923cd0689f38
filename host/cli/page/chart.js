/**
 * Records and quota over a run, as a line each.
 *
 * @import {Progress} from "./types.js"
 */
import { fill, h, svg } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [640, 200, 56, 24];
/** More points than pixels tell nothing. */
const MOST_POINTS = 600;

/** @param {[number, number][]} points @param {number} wide @param {number} high */
function line(points, wide, high) {
  return points.map(([x, y]) => `${(LEFT + (x / wide) * (WIDTH - LEFT - 8)).toFixed(1)},${(8 + (1 - y / high) * (HEIGHT - BOTTOM - 8)).toFixed(1)}`).join(" ");
}

/** @param {Progress} one */
const quotaOf = (one) => one.quota_left ?? one.quota?.left;

/** Records that are over, whatever became of them. @param {Progress} one */
const settled = (one) => one.applied + one.failed + one.unknown;

export function chart() {
  /** @type {Progress[]} */
  let seen = [];
  const picture = h("div", {});
  const caption = h("figcaption", { class: "note" }, "The chart is drawn while a run is watched.");
  const element = h("figure", {}, picture, caption);

  function draw() {
    const last = seen.at(-1);
    if (!last || seen.length < 2) return;
    caption.textContent = "Solid: records that were applied, failed or are unknown. Dashed: what is left of the quota, as a share of its highest value.";
    const wide = Math.max(last.at, 1);
    const most = Math.max(...seen.map(settled), 1);
    const quotas = seen.flatMap((one) => {
      const left = quotaOf(one);
      return left === undefined || left === null ? [] : [/** @type {[number, number]} */ ([one.at, left])];
    });
    const highest = Math.max(...quotas.map(([, left]) => left), 1);
    const said = `${settled(last)} records were settled in ${last.at.toFixed(0)} seconds${quotas.length > 0 ? `; ${quotas.at(-1)?.[1]} requests of the quota are left` : ""}.`;
    fill(picture, svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": said },
      svg("line", { class: "axis", x1: LEFT, y1: HEIGHT - BOTTOM, x2: WIDTH - 8, y2: HEIGHT - BOTTOM }),
      svg("line", { class: "axis", x1: LEFT, y1: 8, x2: LEFT, y2: HEIGHT - BOTTOM }),
      svg("text", { x: LEFT - 6, y: 16, "text-anchor": "end" }, String(most)),
      svg("text", { x: LEFT - 6, y: HEIGHT - BOTTOM, "text-anchor": "end" }, "0"),
      svg("text", { x: WIDTH - 8, y: HEIGHT - 6, "text-anchor": "end" }, `${last.at.toFixed(0)} s`),
      svg("polyline", { class: "records", points: line(seen.map((one) => [one.at, settled(one)]), wide, most) }),
      quotas.length > 1 ? svg("polyline", { class: "quota", points: line(quotas, wide, highest) }) : null));
  }

  return {
    element,
    /** @param {Progress} progress */
    add(progress) {
      seen.push(progress);
      // Every second one goes: the curve keeps its shape, and memory its bound.
      if (seen.length > MOST_POINTS) seen = seen.filter((_, at) => at % 2 === 0);
      draw();
    },
  };
}
