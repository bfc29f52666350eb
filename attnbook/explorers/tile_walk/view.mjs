// Step through the tiles of an attention matrix: which tile is read, and each
// query's running maximum, sum and output after it.

import { clamp } from "../kit/arithmetic.mjs";
import {
  choice, element as make, explore, number, set, slider, stepper,
} from "../kit/explorer.mjs";
import hatched from "../kit/hatched.css";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import {
  finishedAt, onePass, outputOf, rescales, sameStep, tileMask, tilesOf,
  tileWalk,
} from "../kit/tiles.mjs";
import style from "./style.css";

const MASKS = [
  ["none", "none"], ["causal", "causal"], ["window", "causal window"],
];
const MOST_THRESHOLD = 8;

const infinite = (x) =>
  (Number.isFinite(x) ? number(x) : `${x < 0 ? "−" : ""}∞`);
const vector = (xs) =>
  (xs.length === 1 ? number(xs[0]) : `(${xs.map((x) => number(x))
    .join(", ")})`);
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const list = (names) => (names.length < 2 ? names.join("")
  : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
const span = (what, from, to) => (to - from === 1 ? `${what} ${to}`
  : `${what === "query" ? "queries" : "keys"} ${from + 1} to ${to}`);
const raised = (text) =>
  text.replace(/./g, (sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]);
const tiny = (x) => {
  if (x === 0) return "0";
  const [digits, power] = x.toExponential(0).split("e");
  return `${digits} · 10${raised(power)}`;
};

// All that is computed of the model's state.
function compute(get) {
  const n = get("n");
  const scores = get("scores").slice(0, n).map((row) => row.slice(0, n));
  const value = get("value").slice(0, n);
  const mask = tileMask(get("mask"), n, get("window"));
  const [queryTile, keyTile] = [get("query_tile"), get("key_tile")];
  const walk = tileWalk(
    scores, mask, value, queryTile, keyTile, get("threshold"));
  return {
    n, scores, value, mask, walk, last: walk.length - 1,
    tiles: tilesOf(mask, queryTile, keyTile), counts: rescales(walk),
    finished: finishedAt(walk), whole: onePass(scores, mask, value),
    queryTile, keyTile,
  };
}

// The arithmetic of one query in one step, as lines of text.
function written(now, t, step, threshold) {
  const { scores, mask, walk, finished, whole } = now;
  const { tile, did, state } = walk[step];
  const after = state[t];
  const output = outputOf(after);
  const end = () => {
    const is = `o / ℓ = ${vector(output)}`;
    if (step < finished[t]) return `Output so far: ${is}.`;
    const apart = Math.max(...output.map((x, i) => Math.abs(x - whole[t][i])));
    return `Finished: ${is}. One softmax over all keys gives ` +
      `${vector(whole[t])}; the difference is ${tiny(apart)}.`;
  };
  if (!output && !did[t]) return ["Nothing is read yet: m = −∞, ℓ = 0, o = 0."];
  if (!did[t]) return ["This tile has other queries.", end()];
  const before = walk[step - 1].state[t];
  const { most, factor, added, total, counted } = did[t];
  const read = [];
  for (let s = tile.left; s < tile.right; s++) {
    read.push(mask[t][s] ? number(scores[t][s]) : "masked");
  }
  const lines = [
    `Scores of ${span("key", tile.left, tile.right)}: ${read.join(", ")}.`,
  ];
  if (!read.some((x) => x !== "masked")) {
    return [...lines, "All are masked, so nothing changes.",
      output ? end() : "m = −∞, ℓ = 0, o = 0."];
  }
  const grows = factor !== 1;
  lines.push(
    before.m === -Infinity
      ? `m = ${number(after.m)}, the largest of them. There is nothing to ` +
        "rescale yet."
      : grows
        ? `m grows from ${number(before.m)} to ${number(after.m)}. Rescale ` +
          `ℓ and o by e^(${number(before.m)} − ` +
          `${after.m < 0 ? `(${number(after.m)})` : number(after.m)}) = ` +
          `${number(factor)}.`
        : most > before.m
          ? `The largest score is ${number(most)}. It lies ` +
            `${number(most - before.m)} above m = ${number(before.m)}, which ` +
            `is not more than τ = ${number(threshold, 1)}: no rescale.`
          : `m stays ${number(before.m)}: no rescale.`,
    `ℓ = ${counted ? `${number(factor)} · ` : ""}${number(before.l)} + ` +
      `${number(total)} = ${number(after.l)}`,
    `o = ${counted ? `${number(factor)} · ` : ""}${vector(before.o)} + ` +
      `${vector(added)} = ${vector(after.o)}`,
    end(),
  );
  return lines;
}

// The running numbers: a line for each query.
function numbers(n, width, onpick) {
  const lines = Array.from({ length: n }, (_, t) => {
    const cells = ["m", "l", "factor", "output"].map((name) =>
      make("td", { class: `n ${name}` }));
    const parts = Array.from({ length: width }, () => make("span"));
    cells.at(-1).append(...parts);
    const node = make(
      "tr", { onclick: () => onpick(t) },
      make("th", { scope: "row", text: `${t + 1}` }), ...cells,
    );
    return { node, cells, parts };
  });
  const head = (text) => make("th", { scope: "col", text });
  const node = make(
    "table", { class: "numbers" },
    make("thead", {}, make("tr", {}, head("query"), head("m"), head("ℓ"),
      head("rescaled"), head("output o / ℓ"))),
    make("tbody", {}, ...lines.map((line) => line.node)),
  );
  const show = ({ walk, finished }, step, row) => {
    const { did, state } = walk[step];
    lines.forEach(({ node: line, cells: [m, l, factor], parts }, t) => {
      const has = outputOf(state[t]);
      set(m, { text: infinite(state[t].m) });
      set(l, { text: number(state[t].l) });
      set(factor, {
        text: did[t]?.counted ? `× ${number(did[t].factor)}` : "",
      });
      parts.forEach((part, i) =>
        set(part, { text: has ? number(has[i]) : "–" }));
      line.className = [
        did[t] && "active", did[t]?.counted && "rescaled",
        has && step >= finished[t] && "finished", t === row && "chosen",
      ].filter(Boolean).join(" ");
    });
  };
  return { node, show };
}

const key = (kind, text) => make("span", {}, make("i", { class: kind }), text);

function tile(title) {
  const [big, small, line] = ["b", "span", "p"].map((name) => make(name));
  const node = make(
    "div", { class: "tile" }, make("p", { text: title }),
    make("p", { class: "number" }, big, " ", small), line,
  );
  const show = (value, of, more) => {
    set(big, { text: `${value}` });
    set(small, { text: of });
    set(line, { text: more });
  };
  return { node, show };
}

function build({ get, change, say }, n) {
  let now = compute(get);
  const step = () => Math.min(get("step"), now.last);
  const where = (t, s) => now.tiles.findIndex((each) =>
    t >= each.top && t < each.bottom && s >= each.left && s < each.right);
  const order = (i) => now.tiles.slice(0, i + 1)
    .filter((each) => each.read).length;
  const look = (t, s) => {
    const at = where(t, s);
    const each = now.tiles[at];
    const edges = [
      s === each.left && " left", t === each.top && " top",
      s === each.right - 1 && " right", t === each.bottom - 1 && " bottom",
    ].filter(Boolean).join("");
    if (!each.read) return { weight: 0, kind: `out${edges}` };
    const turn = order(at);
    const kind = turn > step() ? "later" : turn < step() ? "past" : "current";
    if (!now.mask[t][s]) return { weight: 0, kind: `masked ${kind}${edges}` };
    if (kind !== "current") return { weight: 0, kind: kind + edges };
    const after = now.walk[step()];
    const did = after.did[t];
    const own = did.counted && now.scores[t][s] === did.most ? " raises" : "";
    return {
      weight: clamp(Math.exp(now.scores[t][s] - after.state[t].m), 0, 1),
      kind: kind + edges + own,
    };
  };
  const tell = (t, s) => {
    const pair = `query ${t + 1}, key ${s + 1}: `;
    const at = where(t, s);
    if (!now.tiles[at].read) return `${pair}in a skipped tile`;
    if (!now.mask[t][s]) return `${pair}masked`;
    const turn = order(at);
    const score = `score ${number(now.scores[t][s])}`;
    if (turn > step()) return `${pair}${score}, in tile ${turn}, not yet read`;
    if (turn < step()) return `${pair}${score}, in tile ${turn}, read and ` +
      "not kept";
    const { m } = now.walk[step()].state[t];
    return `${pair}${score}, e^(score − m) = ` +
      number(Math.exp(now.scores[t][s] - m));
  };
  const names = Array.from({ length: n }, (_, t) => `${t + 1}`);
  const map = heatMap({
    label: "Which tile of the scores is read", corner: "query", rows: names,
    columns: names, at: [get("row") - 1, 0], look, tell,
    onchoose: (t) => change({ row: t + 1 }),
  });
  const table = numbers(n, get("value")[0].length,
    (t) => change({ row: t + 1 }));
  map.node.classList.toggle("many", n > 9);

  // The chosen query moves along, to one that is rescaled if there is one.
  const to = (at, jumps) => {
    const next = clamp(at, 0, now.last);
    const { did } = now.walk[next];
    const scaled = did.findIndex((each) => each?.counted);
    const stays = next === 0 || (did[get("row") - 1] && !jumps);
    const row = scaled < 0 ? did.findIndex(Boolean) : scaled;
    change({ step: next, ...(stays ? {} : { row: row + 1 }) });
  };
  const stepsOf = (last) => stepper({
    label: "Tiles read", max: last, text: (at) => `${at} of ${last}`,
    oninput: (at) => to(at),
  });
  const place = make("div");
  let [steps, length] = [];
  const nextRescale = () => now.walk.findIndex(({ did }, at) =>
    at > step() && did.some((each) => each?.counted));
  const button = (text, onclick) =>
    make("button", { type: "button", onclick }, text);
  const back = button("Back", () => to(step() - 1));
  const next = button("Next tile", () => to(step() + 1));
  const jump = button("Next rescale", () => {
    if (nextRescale() > 0) to(nextRescale(), true);
  });
  const [readTiles, scaled, held] = ["Tiles", "Rescales", "Scores in memory"]
    .map(tile);
  const title = make("p", { class: "part step" });
  const above = make("p", { class: "part" });
  const lines = make("div", { class: "written number" });
  const said = make("p", { class: "verdict" });
  const node = make(
    "div", {},
    make("div", { class: "controls steps" }, place,
      make("div", { class: "buttons" }, back, next, jump)),
    title,
    make("div", { class: "panes" },
      make("div", {}, map.node,
        make("p", { class: "keys quiet" },
          key("past", "read before, not kept"),
          key("masked", "masked"),
          key("out", "in a skipped tile"),
          key("raises", "new maximum, rescales"),
          ramp("e^(score − m): 0", "1"))),
      table.node,
    ),
    said, above, lines,
    make("div", { class: "tiles" }, readTiles.node, scaled.node, held.node),
  );

  const show = () => {
    now = compute(get);
    const [at, t] = [step(), clamp(get("row"), 1, n) - 1];
    const { walk, last, counts, finished, tiles, whole } = now;
    if (length !== last) {
      length = last;
      steps = stepsOf(last);
      place.replaceChildren(steps.node);
    }
    steps.show(at);
    set(back, { "aria-disabled": `${at === 0}` });
    set(next, { "aria-disabled": `${at === last}` });
    set(jump, { "aria-disabled": `${nextRescale() < 0}` });
    const { tile: each, did, state } = walk[at];
    const what = each ? `Tile ${at} of ${last}: ` +
      `${span("query", each.top, each.bottom)}, ` +
      `${span("key", each.left, each.right)}` : "Before the first tile";
    set(title, { text: what });
    map.show(t);
    table.show(now, at, t);
    set(above, { text: `Query ${t + 1} in this step` });
    lines.replaceChildren(...written(now, t, at, get("threshold"))
      .map((text) => make("p", { text })));

    const done = finished.filter((when) => at >= when).length;
    const skipped = tiles.length - last;
    readTiles.show(at, `of ${last} are read`, skipped
      ? `${count(skipped, "tile")} of ${tiles.length} ` +
        `${skipped === 1 ? "is" : "are"} skipped: the mask allows nothing ` +
        "there."
      : "None is skipped.");
    scaled.show(counts[at].count, `so far, ${counts[last].count} at the end`,
      `A rescale was possible ${count(counts[last].chances, "time")}: once ` +
      "for each query and tile after its first scores.");
    held.show(now.queryTile * now.keyTile, `at a time, not ${n * n}`,
      `Besides, m, ℓ and o of ${count(now.queryTile, "query")
        .replace("querys", "queries")}.`);
    const scales = did.flatMap((one, i) => (one?.counted ? [`${i + 1}`] : []));
    let told = what + (!each ? "."
      : scales.length ? `. Rescaled: ${scales.length > 1
        ? "queries" : "query"} ${list(scales)}.`
        : ". No query is rescaled.");
    if (at === last) {
      const apart = Math.max(...state.flatMap((one, i) =>
        outputOf(one).map((x, j) => Math.abs(x - whole[i][j]))));
      told += " All queries are finished. Their outputs are those of one " +
        `softmax over all keys: the largest difference is ${tiny(apart)}.`;
    } else {
      told += ` Finished: ${done} of ${n} queries.`;
    }
    set(said, { text: told });
    say(told);
  };
  return { node, show };
}

function render(context) {
  const sheet = heatStyle + hatched + style;
  return explore(context, "Tile walk", sheet, (tools) => {
    const { root, get, change } = tools;
    const most = get("scores").length;
    // A change of the tiles; the last step stays the last.
    const cut = (values) => {
      const next = (name) => values[name] ?? get(name);
      const last = compute(get).last;
      const other = compute(next).last;
      change({ ...values, step: sameStep(get("step"), last, other) });
    };
    const whole = (label, min, max, name) => slider({
      label, min, max, step: 1, text: String, nudge: (at, by) => at + by,
      oninput: (at) => cut({ [name]: at }),
    });
    const mask = choice({
      label: "Mask", options: MASKS, oninput: (name) => cut({ mask: name }),
    });
    const tokens = slider({
      label: "Tokens n", min: 2, max: most, step: 1, text: String,
      nudge: (at, by) => at + by,
      oninput: (n) => cut({
        n, row: Math.min(get("row"), n), ...Object.fromEntries(
          ["query_tile", "key_tile", "window"].map((name) =>
            [name, Math.min(get(name), n)])),
      }),
    });
    const threshold = slider({
      label: "Threshold τ", min: 0, max: MOST_THRESHOLD, step: 0.5,
      text: (at) => number(at, 1), nudge: (at, by) => at + by / 2,
      oninput: (at) => change({ threshold: at }),
    });
    const fields = make("div", { class: "controls sizes" });
    const place = make("div");
    root.append(mask.node, fields, place);
    let shown;
    let view;
    let sizes;
    return () => {
      const n = get("n");
      if (shown !== n) {
        shown = n;
        view = build(tools, n);
        place.replaceChildren(view.node);
        const old = sizes;
        sizes = {
          query_tile: whole("Queries in a tile", 1, n, "query_tile"),
          key_tile: whole("Keys in a tile", 1, n, "key_tile"),
          window: whole("Window W", 1, n, "window"),
        };
        // The slider of the tokens stays where it is, and keeps the focus.
        if (!old) {
          fields.append(tokens.node, sizes.query_tile.node,
            sizes.key_tile.node, threshold.node);
        }
        for (const [name, each] of Object.entries(old ?? {})) {
          each.node.replaceWith(sizes[name].node);
        }
      }
      mask.show(get("mask"));
      tokens.show(n);
      threshold.show(get("threshold"));
      for (const [name, each] of Object.entries(sizes)) each.show(get(name));
      if (get("mask") !== "window") sizes.window.node.remove();
      else if (sizes.window.node.parentNode !== fields) {
        fields.insertBefore(sizes.window.node, threshold.node);
      }
      view.show();
    };
  });
}

export default { render };
