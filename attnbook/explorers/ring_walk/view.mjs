// Step through ring attention: what each rank computes in a step, with whose
// keys, and how long it waits for the slowest.

import { clamp } from "../kit/arithmetic.mjs";
import {
  choice, element as make, explore, number, set, slider, stepper, toggle,
} from "../kit/explorer.mjs";
import hatched from "../kit/hatched.css";
import { heatMap, style as heatStyle } from "../kit/heat_map.mjs";
import {
  chunksOf, holderOf, imbalance, LAYOUTS, ringTime, ringWork, share, stepOf,
  visitorOf,
} from "../kit/ring.mjs";
import style from "./style.css";

const RANKS = [2, 8];

const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const units = (x) => number(x, Number.isInteger(x) ? 0 : 1);
const list = (names) => (names.length < 2 ? names.join("")
  : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

function compute(get) {
  const [ranks, layout, causal] = ["ranks", "layout", "causal"].map(get);
  const work = ringWork(layout, ranks, causal);
  const step = clamp(get("step"), 0, ranks);
  return {
    ranks, layout, causal, work, step,
    now: step ? work[step - 1] : null,
    time: ringTime(work, step), whole: ringTime(work, ranks),
    ratio: imbalance(work),
  };
}

// A line for each rank: whose keys it reads, a bar of its work and waiting.
function lanes(ranks, onpick) {
  const rows = Array.from({ length: ranks }, (_, rank) => {
    const [keys, computes, waits, total] = ["visitor", "n", "n", "n"]
      .map((name) => make("td", { class: name }));
    const bar = make("i", { class: "busy", "aria-hidden": "true" });
    const node = make(
      "tr", { onclick: () => onpick(rank) },
      make("th", { scope: "row", text: `${rank + 1}` }), keys, computes,
      waits, make("td", { class: "lane" }, bar), total,
    );
    return { node, keys, computes, waits, bar, total };
  });
  const head = (text) => make("th", { scope: "col", text });
  const node = make(
    "table", { class: "lanes" },
    make("thead", {}, make("tr", {}, head("rank"), head("reads keys of"),
      head("computes"), head("waits"), head("of this step"),
      head("waited so far"))),
    make("tbody", {}, ...rows.map((row) => row.node)),
  );
  const show = ({ now, step, time, layout }, chosen) => {
    const slowest = now ? Math.max(...now) : 0;
    rows.forEach((row, rank) => {
      const own = now?.[rank];
      const visitor = now && visitorOf(ranks, rank, step - 1);
      const [a, b] = now ? chunksOf(layout, ranks, visitor) : [];
      set(row.keys, {
        text: now ? `rank ${visitor + 1}: ${a + 1}, ${b + 1}` : "–",
      });
      set(row.computes, { text: now ? units(own) : "–" });
      set(row.waits, { text: now ? units(slowest - own) : "–" });
      set(row.bar, { "--part": now ? own / slowest : 0 });
      set(row.total, { text: units(time.waited[rank]) });
      row.node.className = [
        now && own < slowest && "waits", rank === chosen && "chosen",
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
    set(big, { text: value });
    set(small, { text: of });
    set(line, { text: more });
  };
  return { node, show };
}

// What a rank does in a step, in sentences.
function written({ ranks, layout, causal, step, now }, rank) {
  const own = chunksOf(layout, ranks, rank);
  const mine = `Rank ${rank + 1} has the queries of chunks ${own[0] + 1} ` +
    `and ${own[1] + 1}`;
  if (!now) return `${mine}, and their keys.`;
  const visitor = visitorOf(ranks, rank, step - 1);
  const keys = chunksOf(layout, ranks, visitor);
  const parts = own.flatMap((t) => keys
    .filter((s) => share(causal, t, s) > 0)
    .map((s) => `${t + 1} over ${s + 1}${
      share(causal, t, s) < 1 ? " (a triangle, half)" : ""}`));
  const passes = step < ranks
    ? ` Meanwhile these keys go on to rank ${(rank + 1) % ranks + 1}.` : "";
  const whose = visitor === rank ? "its own keys" : "the keys of rank " +
    `${visitor + 1}, chunks ${keys[0] + 1} and ${keys[1] + 1}`;
  return `${mine}. It reads ${whose}: ` +
    (parts.length ? `${list(parts)}.` : "all come later, so it waits.") +
    passes;
}

function build({ get, change, say }, ranks) {
  let now = compute(get);
  const look = (t, s) => {
    const part = share(now.causal, t, s);
    const edge = (at, name) => (at % 2 === 0 || now.layout === "zigzag"
      ? ` ${name}` : "");
    const edges = edge(t, "top") + edge(s, "left");
    if (!part) return { weight: 0, kind: `out${edges}` };
    const at = stepOf(now.layout, ranks, t, s) + 1;
    const kind = at > now.step ? "later" : at < now.step ? "past" : "current";
    return {
      weight: kind === "current" ? (part < 1 ? 0.45 : 0.8) : 0,
      kind: kind + (part < 1 ? " half" : "") + edges,
    };
  };
  const tell = (t, s) => {
    const pair = `queries ${t + 1}, keys ${s + 1}: `;
    const part = share(now.causal, t, s);
    if (!part) return `${pair}masked, never computed`;
    const at = stepOf(now.layout, ranks, t, s) + 1;
    const who = `rank ${holderOf(now.layout, ranks, t) + 1}`;
    return `${pair}${who}, step ${at}${part < 1 ? ", half" : ""}`;
  };
  const names = Array.from({ length: 2 * ranks }, (_, i) => `${i + 1}`);
  const rowNames = names.map((name, i) =>
    `${name} · rank ${holderOf(get("layout"), ranks, i) + 1}`);
  const map = heatMap({
    label: "Which chunks are computed", corner: "queries", rows: rowNames,
    columns: names, at: [chunksOf(get("layout"), ranks, get("rank") - 1)[0],
      0], look, tell,
    onchoose: (t) =>
      change({ rank: holderOf(get("layout"), ranks, t) + 1 }),
  });
  const table = lanes(ranks, (rank) => change({ rank: rank + 1 }));
  const to = (step) => change({ step: clamp(step, 0, ranks) });
  const steps = stepper({
    label: "Steps done", max: ranks, text: (at) => `${at} of ${ranks}`,
    oninput: to,
  });
  const button = (text, onclick) =>
    make("button", { type: "button", onclick }, text);
  const back = button("Back", () => to(now.step - 1));
  const next = button("Next step", () => to(now.step + 1));
  const lines = make("p", { class: "written" });
  const said = make("p", { class: "verdict" });
  const [took, ratio, sent] = ["Time so far", "Slowest over equal shares",
    "Sent by each rank"].map(tile);
  const node = make(
    "div", {},
    make("div", { class: "controls steps" }, steps.node,
      make("div", { class: "buttons" }, back, next)),
    make("div", { class: "panes" },
      make("div", {}, map.node,
        make("p", { class: "keys quiet" },
          key("current", "computed in this step"), key("past", "done"),
          key("out", "masked"))),
      table.node),
    lines, said,
    make("div", { class: "tiles" }, took.node, ratio.node, sent.node),
  );
  const show = () => {
    now = compute(get);
    const { step, time, whole, work } = now;
    const rank = clamp(get("rank"), 1, ranks) - 1;
    steps.show(step);
    set(back, { "aria-disabled": `${step === 0}` });
    set(next, { "aria-disabled": `${step === ranks}` });
    const [t, s] = map.at();
    const own = chunksOf(now.layout, ranks, rank);
    map.show(own.includes(t) ? t : own[0], s);
    table.show(now, rank);
    set(lines, { text: written(now, rank) });
    const equal = whole.took / now.ratio;
    took.show(units(time.took), `of ${units(whole.took)}`,
      "One unit is a chunk of queries over a chunk of keys. Equal shares " +
      `would take ${units(equal)}.`);
    ratio.show(number(now.ratio), "", now.ratio === 1
      ? "All ranks have the same work in every step."
      : `2 − 1/R with R = ${ranks}.`);
    const passed = Math.min(step, ranks - 1);
    sent.show(`${passed}`, `of ${count(ranks - 1, "block")}`,
      "A block is the keys and values of a rank. The mask saves none.");
    const late = now.now ?? [];
    const most = Math.max(...late, 0);
    const waiting = late.flatMap((x, i) => (x < most ? [`${i + 1}`] : []));
    let told = !step ? "Before the first step: each rank has its own keys."
      : `Step ${step} of ${ranks} takes ${units(most)}. ` +
        (waiting.length
          ? `${waiting.length > 1 ? "Ranks" : "Rank"} ${list(waiting)} ` +
            `${waiting.length > 1 ? "wait" : "waits"} for the others.`
          : "No rank waits.");
    if (step === ranks) {
      const idle = work[0].length * whole.took -
        whole.done.reduce((a, b) => a + b, 0);
      told += ` All is computed. Ranks waited ${units(idle)} of ` +
        `${units(ranks * whole.took)} units.`;
    }
    set(said, { text: told });
    say(told);
  };
  return { node, show };
}

function render(context) {
  const sheet = heatStyle + hatched + style;
  return explore(context, "Ring walk", sheet, (tools) => {
    const { root, get, change } = tools;
    const layout = choice({
      label: "Layout", options: LAYOUTS.map((name) => [name, name]),
      oninput: (name) => change({ layout: name }),
    });
    const causal = toggle({
      label: "Causal mask", oninput: (on) => change({ causal: on }),
    });
    const ranks = slider({
      label: "Ranks R", min: RANKS[0], max: RANKS[1], step: 1, text: String,
      nudge: (at, by) => at + by,
      // The last step stays the last.
      oninput: (R) => change({
        ranks: R, rank: Math.min(get("rank"), R),
        step: get("step") === get("ranks") ? R : Math.min(get("step"), R),
      }),
    });
    const place = make("div");
    root.append(layout.node, causal.node,
      make("div", { class: "controls sizes" }, ranks.node), place);
    let shown;
    let view;
    return () => {
      const now = `${get("ranks")} ${get("layout")}`;
      if (shown !== now) {
        shown = now;
        view = build(tools, get("ranks"));
        place.replaceChildren(view.node);
      }
      layout.show(get("layout"));
      causal.show(get("causal"));
      ranks.show(get("ranks"));
      view.show();
    };
  });
}

export default { render };
