// Pick an attention pattern and paint over it: the pairs that are read, the
// keys that a cache holds, and which tokens are reached through the layers.

import { clamp, sum } from "../kit/arithmetic.mjs";
import { choice, element as make, explore, set, slider } from
  "../kit/explorer.mjs";
import { heatMap, style as heatStyle } from "../kit/heat_map.mjs";
import {
  depthNeeded, depths, keysKept, keysRead, painted, patternMask,
  reachByDepth, stroked,
} from "../kit/patterns.mjs";
import { strokes } from "../kit/strokes.mjs";
import style from "./style.css";

const [FEWEST, MOST] = [4, 20];
const MOST_LAYERS = 8;
const SIZES = [
  "tokens", "window", "dilation", "stride", "global_tokens", "block", "near",
  "sinks",
];

// Each size: its name, its least and its largest value for n tokens.
const CONTROLS = {
  window: ["Window W", 1, (n) => n],
  dilation: ["Dilation r", 1, () => 8],
  stride: ["Stride s", 1, (n) => n],
  global_tokens: ["Global tokens g", 0, () => 4],
  block: ["Block size b", 1, () => 8],
  near: ["Near blocks m", 1, () => 4],
  sinks: ["Sinks k", 0, () => 4],
};

// Each pattern: its name, the sizes that it has, what it reads and costs.
const PATTERNS = {
  full: ["full causal", [], "Each token reads itself and all tokens before " +
    "it. The work grows like n²."],
  window: ["window", ["window"], "Each token reads the last W tokens, itself " +
    "among them. The work grows like n · W."],
  dilated: ["dilated", ["window", "dilation"], "Each token reads W tokens: " +
    "itself and every r-th token before it. The work grows like n · W. The " +
    "cache also holds the tokens in between, because the next tokens read " +
    "them."],
  strided: ["strided", ["window", "stride"], "Each token reads the last W " +
    "tokens, and every s-th token before it. With W and s at √n the work " +
    "grows like n · √n. The cache holds all tokens, because each of them " +
    "will be read again."],
  global: ["global tokens", ["window", "global_tokens"], "Each token reads " +
    "the last W tokens. A global token reads all tokens before it, and all " +
    "tokens after it read it. The work grows like n · (W + g)."],
  blocks: ["blocks", ["block", "near"], "The tokens form blocks of b. Each " +
    "token reads the first block and the nearest m blocks, its own among " +
    "them. The work grows like n · b · (m + 1). Painting sets whole blocks."],
  sinks: ["window and sinks", ["window", "sinks"], "Each token reads the " +
    "last W tokens, and the first k tokens (the sinks). The work grows like " +
    "n · (W + k)."],
};

const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

// Which tokens can change the chosen one, a row for each number of layers.
function reachTable(n, onpick) {
  const lines = Array.from({ length: MOST_LAYERS }, (_, i) => {
    const cells = Array.from({ length: n }, () => make("i"));
    const reached = make("td", { class: "n" });
    const node = make(
      "tr", { onclick: () => onpick(i + 1) },
      make("th", { scope: "row", text: `${i + 1}` }),
      make("td", { class: "strip" },
        make("div", { "aria-hidden": "true" }, ...cells)),
      reached,
    );
    return { node, cells, reached };
  });
  const title = make("th", { scope: "col", class: "wide" });
  const node = make(
    "table", { class: "reach" },
    make("thead", {}, make("tr", {},
      make("th", { scope: "col", text: "layers" }), title,
      make("th", { scope: "col", text: "of them" }))),
    make("tbody", {}, ...lines.map((line) => line.node)),
  );
  const show = (depth, t, layers) => {
    set(title, { text: `tokens 1 to ${n} that can change token ${t + 1}` });
    const reached = reachByDepth(depth, t, MOST_LAYERS);
    lines.forEach((line, i) => {
      line.cells.forEach((cell, s) => {
        const at = depth[t][s];
        set(cell, { class: at === null || at > i + 1 ? ""
          : at === i + 1 ? "new" : "old" });
      });
      set(line.reached, { text: `${reached[i]}` });
      line.node.classList.toggle("now", i + 1 === layers);
    });
    return reached;
  };
  return { node, show };
}

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

const hint = "Click, tap or drag over cells to paint; at the keyboard, " +
  "arrows and Space. A click on a number at the left chooses that token.";

const key = (kind, text) => make("span", {}, make("i", { class: kind }), text);

function build(tools, n) {
  const { get, change, say } = tools;
  let mask;
  let plain;
  let depth;
  const sizes = () => Object.fromEntries(SIZES.map((name) =>
    [name, get(name)]));
  const measure = () => {
    plain = patternMask(get("pattern"), sizes());
    mask = painted(plain, get("painted"));
    depth = depths(mask);
  };
  measure();

  const numbers = Array.from({ length: n }, (_, t) => `${t + 1}`);
  const kind = (t, s) => {
    if (s > t) return "ahead";
    const own = mask[t][s] === plain[t][s] ? "" : " own";
    if (mask[t][s]) return `reads${own}`;
    const at = depth[t][s];
    return (at !== null && at <= get("layers") ? "reached" : "never") + own;
  };
  const tell = (t, s) => {
    const pair = `token ${t + 1}, key ${s + 1}: `;
    if (s > t) return `${pair}lies ahead`;
    if (mask[t][s]) return `${pair}read`;
    if (s === t) return `${pair}not read, its own place`;
    return pair + (depth[t][s] === null ? "never reached"
      : `not read, reached after ${depth[t][s]} layers`);
  };
  const paint = (places, on) => {
    const block = get("pattern") === "blocks" ? get("block") : 1;
    const cells = new Map(get("painted").map((cell) =>
      [`${cell[0]} ${cell[1]}`, cell]));
    for (const [t, s] of places) {
      if (s > t) continue;
      for (const [i, j] of stroked(t, s, n, block)) {
        cells.delete(`${i} ${j}`);
        if (plain[i][j] !== on) cells.set(`${i} ${j}`, [i, j, on]);
      }
    }
    change({ painted: [...cells.values()] });
    const [t, s] = places.at(-1);
    map.cells[t][s].focus({ preventScroll: true });
  };
  const now = (t, s) => {
    const last = get("painted").findLast(([i, j]) => i === t && j === s);
    return last ? last[2] : plain[t][s];
  };
  const map = heatMap({
    label: "Which token reads which key", corner: "token", rows: numbers,
    columns: numbers, at: [n - 1, 0],
    look: (t, s) => ({ weight: 0, kind: kind(t, s) }), tell,
    onkey: (event, t, s) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      paint([[t, s]], !now(t, s));
    },
  });
  strokes(map.node, map.cells, (t, s) => !now(t, s), paint);
  const lines = map.cells.map((line) => line[0].parentNode);
  lines.forEach((line, t) => set(line.firstChild, {
    onclick: () => change({ token: t + 1 }), class: "head",
  }));
  map.node.classList.toggle("many", n > 14);

  const whole = (label, min, max, name) => slider({
    label, min, max, step: 1, text: String, nudge: (at, by) => at + by,
    oninput: (value) => change({ [name]: value }),
  });
  const controls = Object.entries(CONTROLS).map(([name, [label, low, high]]) =>
    [name, whole(label, low, high(n), name)]);
  const layers = whole("Layers", 1, MOST_LAYERS, "layers");
  const token = whole("Token", 1, n, "token");
  const fields = make("div", { class: "controls sizes" });
  let moved; // the pattern whose sizes can be moved
  const note = make("p", { class: "note" });
  const undo = make("button", {
    type: "button", onclick: () => change({ painted: [] }),
  }, "Undo what I painted");
  const work = tile("Work");
  const memory = tile("Memory");
  const far = tile("Reach");
  const table = reachTable(n, (depth) => change({ layers: depth }));
  const node = make(
    "div", {},
    fields, note,
    make(
      "div", { class: "panes" },
      make(
        "div", {},
        make("p", { class: "part",
          text: "A row for each token, a column for each key" }),
        map.node,
        make("p", { class: "keys quiet" }, key("reads", "read"),
          key("reached", "reached through layers"),
          key("own", "painted")),
        make("p", { class: "hint quiet", text: hint }),
        undo,
      ),
      make(
        "div", {},
        make("div", { class: "tiles" }, work.node, memory.node, far.node),
        make("div", { class: "controls" }, token.node, layers.node),
        table.node,
        make("p", { class: "keys quiet" },
          key("reads", "first reached at this depth"),
          key("old", "reached before")),
      ),
    ),
  );

  const show = () => {
    measure();
    const [pattern, deep, t] = [get("pattern"), get("layers"),
      get("token") - 1];
    const [, used, text] = PATTERNS[pattern];
    const here = controls.filter(([name]) => used.includes(name));
    if (moved !== pattern) {
      moved = pattern;
      fields.replaceChildren(...here.map(([, control]) => control.node));
    }
    for (const [name, control] of here) control.show(get(name));
    set(note, { text });
    layers.show(deep);
    token.show(t + 1);
    lines.forEach((line, i) => line.classList.toggle("pointed", i === t));
    map.show();
    set(undo, { "aria-disabled": `${!get("painted").length}` });

    const read = keysRead(mask);
    const [pairs, all] = [sum(read), (n * (n + 1)) / 2];
    work.show(pairs, `of ${all} pairs are read`,
      `${Math.round((100 * pairs) / all)} %. Token ${t + 1} reads ` +
      `${count(read[t], "key")}, and no token more than ` +
      `${Math.max(...read)}.`);
    const further = patternMask(pattern, sizes(), 2 * n + MOST_LAYERS);
    const kept = keysKept(painted(further, get("painted")));
    memory.show(kept[t], `of ${count(t + 1, "key")} in the cache`,
      `Token ${t + 1} is the newest. Kept is what it or a later token reads.`);
    const reached = table.show(depth, t, deep);
    const needed = depthNeeded(depth);
    far.show(reached[deep - 1],
      `of ${count(t + 1, "token")} after ${count(deep, "layer")}`,
      needed === null
        ? "Some tokens never reach all before them, at any depth."
        : `Every token reaches all before it after ${count(needed, "layer")}.`);
    say(`${PATTERNS[pattern][0]}: ${pairs} of ${all} pairs are read, ` +
      `${count(kept[t], "key")} in the cache; after ` +
      `${count(deep, "layer")} token ${t + 1} reaches ` +
      `${count(reached[deep - 1], "token")}.`);
  };
  return { node, show };
}

function render(context) {
  const sheet = heatStyle + style;
  return explore(context, "Pattern painter", sheet, (tools) => {
    const { root, get, change } = tools;
    const pattern = choice({
      label: "Pattern",
      options: Object.entries(PATTERNS).map(([value, [name]]) =>
        [value, name]),
      oninput: (value) => change({ pattern: value, painted: [] }),
    });
    const tokens = slider({
      label: "Tokens n", min: FEWEST, max: MOST, step: 1, text: String,
      nudge: (at, by) => at + by,
      oninput: (n) => change({
        tokens: n,
        token: get("token") === get("tokens") ? n : clamp(get("token"), 1, n),
        window: Math.min(get("window"), n),
        stride: Math.min(get("stride"), n),
        painted: get("painted").filter(([t]) => t < n),
      }),
    });
    const place = make("div");
    root.append(pattern.node,
      make("div", { class: "controls sizes" }, tokens.node), place);
    let shown;
    let view;
    return () => {
      if (shown !== get("tokens")) {
        shown = get("tokens");
        view = build(tools, shown);
        place.replaceChildren(view.node);
      }
      pattern.show(get("pattern"));
      tokens.show(shown);
      view.show();
    };
  });
}

export default { render };
