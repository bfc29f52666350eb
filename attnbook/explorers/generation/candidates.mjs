// The candidates for the next token, and the rules that drop some of them.

import { sum } from "../kit/arithmetic.mjs";
import {
  element as make, number, set, slider, stepper, temperatureSlider,
} from "../kit/explorer.mjs";

const MOST = 10; // candidates with a row of their own

// The k that the slider stops at: each up to 20, then ever fewer.
const stops = (size) => [
  ...Array.from({ length: 20 }, (_, i) => i + 1),
  25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1000,
].filter((k) => k < size).concat(size);

const share = (label, key, off, { change }) => slider({
  label, min: 0.01, max: 1, ...(off === 0 && { min: 0 }),
  text: (position) => (position === off ? "off" : number(position)),
  nudge: (position, steps) => position + steps / 100,
  oninput: (position) => change({ [key]: Number(position.toFixed(2)) }),
});

export function drawRules(tools, size) {
  const { get, change } = tools;
  const ks = stops(size);
  const at = () => ks.findIndex((k) => k >= get("k"));
  const temperature = temperatureSlider(tools);
  const k = stepper({
    label: "Top-k", max: ks.length - 1,
    text: (place) => (place === ks.length - 1 ? "off" : `${ks[place]}`),
    oninput: (place) => change({ k: ks[Math.round(place)] }),
  });
  const p = share("Top-p", "p", 1, tools);
  const least = share("Min-p", "min_p", 0, tools);
  const left = make("p", { class: "number" });
  const node = make(
    "div", { class: "rules" },
    make("p", { class: "part", text: "The rules, in this order" }),
    make("div", { class: "controls" },
      temperature.node, k.node, p.node, least.node),
    left,
  );
  const show = ({ own, weights }, kept) => {
    temperature.show();
    k.show(at());
    p.show(get("p"));
    least.show(get("min_p"));
    const held = sum(own.filter((_, id) => weights[id] > 0));
    set(left, {
      text: `${kept} of ${size} tokens stay. The model itself gives ` +
        `${kept > 1 ? "them" : "it"} ${number(held, 3)}.`,
    });
  };
  return { node, show };
}

// The weights end to end, and where the random number falls.
export function drawLot({ get, change }, name) {
  const needle = make("i", { class: "needle" });
  const line = make("div", { class: "line" });
  const lot = make("div", { class: "lot", "aria-hidden": "true" },
    line, needle);
  const says = make("p", { class: "number" });
  const again = make("button", {
    type: "button", onclick: () => change({ seed: get("seed") + 1 }),
    text: "Another number",
  });
  const node = make("div", {},
    make("p", { class: "part", text:
      "The draw: all weights side by side, and a random number" }),
    lot, says, again);
  const show = ({ order, next, u, weights }, full) => {
    const first = order.slice(0, MOST);
    const rest = sum(order.slice(MOST).map((id) => weights[id]));
    line.replaceChildren(
      ...first.filter((id) => weights[id] > 0).map((id) => make("i", {
        class: id === next ? "hit" : "", "--weight": weights[id],
      })),
      rest > 0 ? make("i", {
        class: first.includes(next) ? "rest" : "rest hit", "--weight": rest,
      }) : "",
    );
    set(needle, { "--at": u });
    set(lot, { hidden: full });
    set(says, {
      text: full
        ? "The figure ends here. Go back, or start again."
        : `The number ${number(u, 4)} falls on “${name(next)}”.`,
    });
  };
  return { node, show };
}

// Rows by the model's own probability, each a button that picks its token.
export function drawCandidates(name, pick) {
  const rows = Array.from({ length: MOST }, () => {
    const button = make("button", {
      type: "button", onclick: () => pick(row.id),
    });
    const own = make("td", { class: "n" });
    const weight = make("td", { class: "n" });
    const bar = make("div", { class: "bar" });
    const node = make("tr", {}, make("th", { scope: "row" }, button), own,
      make("td", { class: "wide" }, bar), weight);
    const row = { node, button, own, weight, bar };
    return row;
  });
  const [others, own, weight] = ["th", "td", "td"].map((kind) => make(
    kind, { class: kind === "td" ? "n" : null }));
  const head = (text, kind = "") =>
    make("th", { scope: "col", class: kind, text });
  const title = make("p", { class: "part" });
  const node = make(
    "div", {}, title,
    make("table", {},
      make("thead", {}, make("tr", {},
        head("pick a token"), head("model"), make("td"), head("weight"))),
      make("tbody", {}, ...rows.map((row) => row.node)),
      make("tfoot", {}, make("tr", {}, others, own, make("td"), weight))),
    make("p", { class: "quiet legend" },
      "Bar: the weight after the rules. Line: the model’s own probability. " +
      "· is a space, ↵ the end of a line."),
  );
  const show = (now, full) => {
    const { ids, order, next } = now;
    set(title, { text: `Candidates for token ${ids.length + 1}` });
    rows.forEach((row, i) => {
      const id = row.id = order[i];
      set(row.node, { hidden: id === undefined });
      if (id === undefined) return;
      const rule = now.dropped[id];
      set(row.node, { class: (rule ? "gone" : "") +
        (id === next && !full ? " hit" : "") });
      set(row.button, {
        text: name(id), "aria-disabled": `${full}`,
        "aria-label": `Pick ${name(id)}`,
      });
      set(row.own, { text: number(now.own[id], 3) });
      set(row.weight, {
        text: rule ? `no: ${rule}` : number(now.weights[id], 3),
      });
      set(row.bar, {
        "--weight": now.weights[id], "--own": now.own[id],
      });
    });
    const rest = order.slice(rows.length);
    const total = (of) => number(sum(rest.map((id) => of[id])), 3);
    set(others, { text: `${rest.length} others` });
    set(own, { text: total(now.own) });
    set(weight, { text: total(now.weights) });
  };
  return { node, show };
}
