// The rotary dial: move a query and a key; each pair of their features turns
// at its own rate, and the score follows the distance alone.

import {
  clamp, rates, rotaryParts, sum, turned,
} from "../kit/arithmetic.mjs";
import { baseSlider, tokens } from "../kit/base_slider.mjs";
import { curveTile, style as tileStyle } from "../kit/curve_tile.mjs";
import {
  element as make, explore, number, plain, set, stepper, toggle,
} from "../kit/explorer.mjs";
import style from "./style.css";

const SIZE = 140;
const REACH = 56;
const MIDDLE = SIZE / 2;

const point = ([x, y]) => [MIDDLE + REACH * x, MIDDLE - REACH * y];

// An arrow from the middle, drawn anew at each turn; its shadow stays where
// position 0 is.
function drawArrow(kind) {
  const line = make("line", { class: kind, x1: MIDDLE, y1: MIDDLE });
  const tip = make("circle", { class: `${kind} tip`, r: 5 });
  const start = make("circle", { class: `${kind} start`, r: 3 });
  const show = (vector, now) => {
    const [x, y] = point(now);
    const [cx, cy] = point(vector);
    set(line, { x2: x, y2: y });
    set(tip, { cx: x, cy: y });
    set(start, { cx, cy });
  };
  return { nodes: [start, line, tip], show };
}

function drawDial(i) {
  const query = drawArrow("query");
  const key = drawArrow("key");
  const rate = make("p", { class: "quiet number" });
  const adds = make("p", { class: "number" });
  const node = make(
    "div", { class: "dial", role: "group", "aria-label": `Pair ${i}` },
    make(
      "svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" },
      make("circle", { class: "rim", cx: MIDDLE, cy: MIDDLE, r: REACH }),
      make("line", {
        class: "rim", x1: MIDDLE, x2: MIDDLE, y1: MIDDLE - REACH - 4,
        y2: MIDDLE + REACH + 4,
      }),
      make("line", {
        class: "rim", y1: MIDDLE, y2: MIDDLE, x1: MIDDLE - REACH - 4,
        x2: MIDDLE + REACH + 4,
      }),
      ...key.nodes, ...query.nodes,
    ),
    make("p", { text: `Pair ${i}` }), rate, adds,
  );
  return { node, query, key, rate, adds };
}

function render(context) {
  return explore(context, "Rotary dial", tileStyle + style, (tools) => {
    const { root, get, change, say } = tools;
    const [query, key] = ["query", "key"].map(get);
    const most = get("farthest");
    const pairs = query.length / 2;
    const pair = (vector, i) => vector.slice(2 * i, 2 * i + 2);
    const each = Array.from({ length: pairs }, (_, i) => i);
    const longest = Math.max(1e-9, ...each.flatMap((i) =>
      [query, key].map((vector) => Math.hypot(...pair(vector, i)))));
    const bound = Math.max(1e-9, sum(each.map((i) =>
      Math.hypot(...pair(query, i)) * Math.hypot(...pair(key, i)))));

    // With the distance kept, both move, as far as both can.
    const move = (mine, other, to) => {
      if (!get("keep_distance")) return change({ [mine]: to });
      const apart = get(other) - get(mine);
      const at = clamp(to, Math.max(0, -apart), Math.min(most, most - apart));
      change({ [mine]: at, [other]: at + apart });
    };
    const place = (label, mine, other) => stepper({
      label, max: most, text: String,
      oninput: (to) => move(mine, other, Math.round(to)),
    });
    const m = place("Query position", "query_position", "key_position");
    const n = place("Key position", "key_position", "query_position");
    const keep = toggle({
      label: "Keep the distance: move both",
      oninput: (on) => change({ keep_distance: on }),
    });
    const base = baseSlider(tools);
    const dials = each.map(drawDial);
    const tile = curveTile({
      title: "Score, the sum over the pairs", unit: "",
      ends: [`distance −${most}`, "query − key", String(most)],
    });
    let drawn;
    const height = (score) => (score / bound + 1) / 2;
    const far = Array.from({ length: 4 * most + 1 }, (_, i) => i / 2 - most);

    root.append(
      make("div", { class: "controls" },
        m.node, n.node, keep.node, base.node),
      make("p", { class: "key-of quiet", "aria-hidden": "true" },
        make("i", { class: "query" }), "query",
        make("i", { class: "key" }), "key",
        make("i", { class: "start" }), "at position 0"),
      make("div", { class: "dials" }, ...dials.map((dial) => dial.node)),
      make("div", { class: "tiles" }, tile.node),
    );
    return () => {
      const [at, from] = [get("query_position"), get("key_position")];
      m.show(at);
      n.show(from);
      keep.show(get("keep_distance"));
      base.show();
      const speed = rates(query.length, get("base"));
      const parts = rotaryParts(query, key, at, from, get("base"));
      dials.forEach((dial, i) => {
        for (const [name, vector, position] of
          [["query", query, at], ["key", key, from]]) {
          const here = pair(vector, i).map((x) => x / longest);
          dial[name].show(here, turned(here, position * speed[i]));
        }
        set(dial.rate, {
          text: `full turn in ${tokens((2 * Math.PI) / speed[i])} tokens`,
        });
        set(dial.adds, { text: `adds ${number(parts[i])}` });
      });
      if (drawn !== get("base")) {
        drawn = get("base");
        tile.draw(0, far.map((distance) =>
          height(sum(rotaryParts(query, key, distance, 0, drawn)))));
      }
      const score = sum(parts);
      const distance = at - from;
      tile.show(`${number(score, 3)} at distance ${plain(distance)}`,
        (distance + most) / (2 * most), height(score));
      say(
        `Query at ${at}, key at ${from}, distance ${plain(distance)}, base ` +
        `${plain(get("base"))}: score ${number(score, 3)}.`,
      );
    };
  });
}

export default { render };
