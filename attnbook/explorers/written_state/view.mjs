// A state into which keys and values are written token by token: linear,
// decayed, corrected or both; and what each key reads back.

import { argmax, clamp, distance } from "../kit/arithmetic.mjs";
import {
  choice, element as make, explore, number, picker, set, slider, stepper,
} from "../kit/explorer.mjs";
import { heatMap, style as heatStyle } from "../kit/heat_map.mjs";
import {
  boundTo, closest, cutKeys, readState, RULES, stateWalk,
} from "../kit/written.mjs";
import style from "./style.css";

const FORMULAS = {
  linear: ["linear", "S ← S + k vᵀ", "Each token adds its value under its " +
    "key. Nothing is ever removed."],
  decay: ["decay", "S ← α S + k vᵀ", "First the whole state is multiplied by " +
    "α. Then the token adds its value under its key."],
  delta: ["delta", "S ← S + β k (v − Sᵀ k)ᵀ", "The token first reads its key. " +
    "It writes the difference between its value and what it read, times β."],
  gated: ["gated delta", "S ← α S + β k (v − α Sᵀ k)ᵀ", "First the whole " +
    "state is multiplied by α. Then the token reads its key, and writes the " +
    "difference between its value and what it read, times β."],
};

const named = (numbers, names) => numbers
  .map((x, i) => [names[i], number(x)])
  .filter(([, text]) => Number(text.replace("−", "-")) !== 0)
  .map(([name, text]) => `${name} ${text}`).join(", ") || "nothing";
const nearZero = (x) => Math.abs(x) < 0.005;

// A signed number as a colour: how far from the paper, and to which side.
const tint = (x, most) => ({
  "--part": `${Math.round(100 * clamp(Math.abs(x) / most, 0, 1))}%`,
  kind: x < 0 ? "below" : "above",
});

// A signed number in a cell of its own, outside the grid.
const shade = (node, x, most, kind) => {
  const { "--part": part, kind: side } = tint(x, most);
  set(node, { "--part": part, class: `${kind} ${side}` });
};

function compute(get) {
  const keys = cutKeys(get("vectors"), get("size"));
  const [writes, values] = [get("writes"), get("value_names")];
  const walk = stateWalk(
    writes, keys, values.length, get("rule"), get("alpha"), get("beta"));
  const bound = boundTo(writes, get("step"), keys.length);
  const { state } = walk[get("step")];
  return {
    keys, writes, values, walk, bound, state,
    read: keys.map((key) => readState(state, key)),
    most: Math.max(1, ...walk.map((each) => each.state).flat(2)
      .map(Math.abs)),
  };
}

// What the newest token did, in sentences.
function told(now, step, names, get) {
  if (!step) return ["Nothing is written yet: S = 0, and every key reads 0."];
  const [key, value] = now.writes[step - 1];
  const { read, error, written } = now.walk[step];
  const { decays, corrects } = RULES[get("rule")];
  const first = decays
    ? `The state is multiplied by α = ${number(get("alpha"))}. ` : "";
  if (value === null) return [`${first}Token ${step} writes nothing.`];
  if (!corrects) {
    return [`${first}Token ${step} adds ${now.values[value]} 1.00 under ` +
      `${names[key]}.`];
  }
  const own = error.every(nearZero) ? "There is no error, so nothing is written."
    : `The error is ${named(error, now.values)}. Times β = ` +
      `${number(get("beta"))}, ${named(written, now.values)} is written under ` +
      `${names[key]}.`;
  return [`${first}Token ${step} reads ${names[key]}: ` +
    `${named(read, now.values)}.`, own];
}

function build({ root, get, change, say }, size) {
  const [names, values] = [get("key_names"), get("value_names")];
  let now = compute(get);
  // The state, with what is written above it and key and query at its right.
  const places = Array.from({ length: size }, (_, i) => `${i + 1}`);
  const pairs = places.map(() => ["k", "q"].map(() => make("i")));
  const state = heatMap({
    label: "The state", corner: "coordinate", rows: places, columns: values,
    look: (i, v) => {
      const { kind } = tint(now.state[i][v], now.most);
      return { weight: 0, kind };
    },
    tell: (i, v) => `coordinate ${i + 1}, ${values[v]}: ` +
      number(now.state[i][v]),
    beside: pairs.map((pair) => make("div", {
      class: "pair", "aria-hidden": "true",
    }, ...pair)),
  });
  state.node.querySelector(".pair").append(
    ...["k", "q"].map((text) => make("span", { text })));
  const head = state.node.querySelector(".grid").style
    .getPropertyValue("--head");
  const pieces = values.map(() => make("i"));
  const strip = make(
    "div", { class: "row strip", "aria-hidden": "true", "--head": head },
    make("span", { text: "written" }), ...pieces,
    make("div", { class: "pair" }));

  // What each key reads back.
  const texts = names.map(() => values.map(() => make("span")));
  const back = heatMap({
    label: "What each key reads back", corner: "key", rows: names,
    columns: values, at: [get("query"), 0],
    look: (k, v) => {
      const { newest, old } = now.bound[k];
      const { kind } = tint(now.read[k][v], 1);
      const is = v === newest ? " at" : old.includes(v) ? " old" : "";
      return { weight: 0, kind: kind + is };
    },
    tell: (k, v) => {
      const { newest, old } = now.bound[k];
      const is = v === newest ? ", the newest value of this key"
        : old.includes(v) ? ", an old value of this key" : "";
      return `${names[k]} reads ${values[v]} ${number(now.read[k][v])}${is}`;
    },
    fill: (k, v) => texts[k][v],
    onchoose: (query) => change({ query }),
  });

  const longest = Math.max(...values.map((text) => text.length));
  const upright = 7 * longest > Math.min(60, 190 / values.length);
  for (const each of [state, back]) {
    each.node.classList.toggle("upright", upright);
  }

  const title = make("p", { class: "part" });
  const does = make("div", { class: "does" });
  const verdict = make("p", { class: "verdict" });
  const facts = make("p", { class: "quiet number facts" });
  const legend = make("p", { class: "keys quiet" });
  const [least, largest] = [make("span"), make("span")];
  legend.append(make("span", { class: "signed", "aria-hidden": "true" },
    least, make("i"), largest));
  const node = make(
    "div", {}, does,
    make("div", { class: "panes" },
      make("div", {}, title, strip, state.node, legend),
      make("div", {},
        make("p", { class: "part",
          text: "What each key reads back, Sᵀ q; choose a row as the query" }),
        back.node,
        make("p", { class: "keys quiet" },
          make("span", {}, make("i", { class: "at" }), "newest value"),
          make("span", {}, make("i", { class: "old" }), "old value"))),
    ),
    verdict, facts,
  );

  const show = () => {
    now = compute(get);
    const [step, q] = [get("step"), get("query")];
    const [key, value] = now.writes[step - 1] ?? [];
    set(title, {
      text: step
        ? `The state S after token ${step}. Above it: what is written. At ` +
          "its right: the token's key k, and the query q."
        : "The state S at first",
    });
    does.replaceChildren(...told(now, step, names, get)
      .map((text) => make("p", { text })));
    state.show();
    state.cells.forEach((line, i) => line.forEach((cell, v) =>
      set(cell, { "--part": tint(now.state[i][v], now.most)["--part"] })));
    pieces.forEach((cell, v) =>
      shade(cell, now.walk[step].written[v], now.most, "piece"));
    pairs.forEach(([k, asked], i) => {
      shade(k, value == null ? 0 : now.keys[key][i], now.most, "piece");
      shade(asked, now.keys[q][i], now.most, "piece");
    });
    back.show(q);
    texts.forEach((line, k) => line.forEach((text, v) => {
      set(text, { text: number(now.read[k][v]) });
      set(back.cells[k][v], { "--part": tint(now.read[k][v], 1)["--part"] });
    }));
    set(least, { text: number(-now.most) });
    set(largest, { text: number(now.most) });

    const { newest, old } = now.bound[q];
    const row = now.read[q];
    const top = argmax(row);
    const wanted = values.map((_, v) => Number(v === newest));
    const sentences = [`${names[q]} reads ${named(row, values)}.`];
    if (newest === null) {
      sentences.push("Nothing is written under this key yet.");
    } else {
      const near = Math.max(...row.filter((_, v) => v !== newest), -Infinity);
      sentences.push(
        Math.abs(near - row[newest]) < 0.005
          ? `The newest value, ${values[newest]}, is not the only largest one.`
          : top === newest
            ? `The largest is ${values[top]}, the newest value of this key.`
            : `The largest is ${values[top]}, ${old.includes(top)
              ? "an old value of this key" : "a value of another key"}; the ` +
              `newest value is ${values[newest]}.`,
        `The error ‖Sᵀ q − v‖ is ${number(distance(row, wanted))}.`);
    }
    set(verdict, { text: sentences.join(" ") });
    const used = [...new Set(now.writes.map(([at]) => at).concat(q))];
    const near = closest(now.keys, used.sort((a, b) => a - b));
    set(facts, {
      text: `The state has ${size} · ${values.length} = ` +
        `${size * values.length} numbers, however many tokens there are. ` +
        (!near ? "" : nearZero(near.cosine)
          ? "All keys are at right angles."
          : `The closest keys are ${names[near.a]} and ${names[near.b]}: ` +
            `k · k = ${number(near.cosine)}.`),
    });
    return sentences.join(" ");
  };
  return { node, show };
}

// A button for each token, with its key and value.
function tokens({ get, change }) {
  const lines = get("writes").map((_, i) => {
    const text = make("span");
    const button = make(
      "button", { type: "button", onclick: () => change({ step: i + 1 }) },
      make("small", { text: `${i + 1}` }), text,
    );
    return { button, text };
  });
  const node = make("ol", { class: "tokens", "aria-label": "Tokens" },
    ...lines.map(({ button }) => make("li", {}, button)));
  const show = () => lines.forEach(({ button, text }, i) => {
    const [key, value] = get("writes")[i];
    set(text, {
      text: value === null ? "nothing"
        : `${get("key_names")[key]} → ${get("value_names")[value]}`,
    });
    set(button, {
      class: i < get("step") ? "past" : "",
      "aria-current": i + 1 === get("step") ? "step" : null,
    });
  });
  return { node, show };
}

function render(context) {
  const sheet = heatStyle + style;
  return explore(context, "A state that is written", sheet, (tools) => {
    const { root, get, change, say } = tools;
    const [names, values] = [get("key_names"), get("value_names")];
    const last = get("writes").length;
    const rule = choice({
      label: "Rule",
      options: Object.entries(FORMULAS).map(([name, [text]]) => [name, text]),
      oninput: (name) => change({ rule: name }),
    });
    const formula = make("code");
    const note = make("p", { class: "note" });
    const fine = (label, max, name) => slider({
      label, min: 0, max, text: (x) => number(x),
      nudge: (at, by) => Math.round(20 * at + by) / 20,
      oninput: (x) => change({ [name]: Math.round(100 * x) / 100 }),
    });
    const alpha = fine("Decay α", 1, "alpha");
    const beta = fine("Strength β", 2, "beta");
    const size = slider({
      label: "Size of a key", min: 2, max: get("vectors")[0].length, step: 1,
      text: String, nudge: (at, by) => at + by,
      oninput: (at) => change({ size: at }),
    });
    const to = (at) => change({ step: clamp(at, 0, last) });
    const steps = stepper({
      label: "Tokens written", max: last, text: (at) => `${at} of ${last}`,
      oninput: to,
    });
    const button = (text, by) => make(
      "button", { type: "button", onclick: () => to(get("step") + by) }, text);
    const [before, after] = [button("Back", -1), button("Next token", 1)];
    const list = tokens(tools);
    // Another key or value for the newest token.
    const edit = (values) => {
      const writes = get("writes").map((each) => [...each]);
      const at = get("step") - 1;
      writes[at] = writes[at].map((old, i) =>
        (values[i] === undefined ? old : values[i]));
      change({ writes });
    };
    const key = picker({
      label: "writes under the key", options: names,
      oninput: (at) => edit([at]),
    });
    const value = picker({
      label: "the value", options: [...values, "nothing"],
      oninput: (at) => edit([undefined, at === values.length ? null : at]),
    });
    const which = make("span");
    const editing = make("div", { class: "edit" }, which, key.node, value.node);
    const place = make("div");
    const fields = make("div", { class: "controls sizes" });
    root.append(
      rule.node,
      make("p", { class: "formula" }, formula), note,
      fields,
      make("div", { class: "controls steps" }, steps.node,
        make("div", { class: "buttons" }, before, after)),
      list.node, editing, place,
    );
    let moved; // the rule whose numbers can be moved
    let shown;
    let view;
    return () => {
      const [name, step] = [get("rule"), get("step")];
      if (shown !== get("size")) {
        shown = get("size");
        view = build(tools, shown);
        place.replaceChildren(view.node);
      }
      rule.show(name);
      const [, f, text] = FORMULAS[name];
      set(formula, { text: f });
      set(note, { text });
      alpha.show(get("alpha"));
      beta.show(get("beta"));
      if (moved !== name) {
        moved = name;
        fields.replaceChildren(...[
          RULES[name].decays && alpha.node, RULES[name].corrects && beta.node,
          size.node].filter(Boolean));
      }
      size.show(shown);
      steps.show(step);
      set(before, { "aria-disabled": `${step === 0}` });
      set(after, { "aria-disabled": `${step === last}` });
      list.show();
      editing.classList.toggle("none", !step);
      if (step) {
        const [k, v] = get("writes")[step - 1];
        key.show(k);
        value.show(v ?? values.length);
        set(which, { text: `Token ${step}` });
      }
      const said = view.show();
      say(`${FORMULAS[name][0]}, ${step} of ${last} tokens written. ${said}`);
    };
  });
}

export default { render };
