// One token's way through a block: choose a token, step through the stages;
// its numbers, and the shapes at sizes of the reader's own, follow.

import {
  mean, relativeChange, shapeOf, sum, variance,
} from "../kit/arithmetic.mjs";
import {
  choice, element as make, explore, number, set, stepper,
} from "../kit/explorer.mjs";
import style from "./style.css";

const MOST = 64; // numbers of a strip's line
const RANGES = { B: 64, T: 64, S: 64, D: 1024, H: 16 };
const GROUPED = new Intl.NumberFormat("en");

const spread = (values) => Math.sqrt(variance(values));

// The values as cells, above 0 in one colour and below in the other; the
// colour is full at `largest`.
function drawStrip() {
  const node = make("div", { class: "strip", role: "img" });
  const show = (values, largest, label) => {
    const part = (x) =>
      Math.min(100, Math.round((100 * Math.abs(x)) / largest));
    node.replaceChildren(...values.map((value) => make("i", {
      class: value < 0 ? "below" : "",
      "--part": `${part(value)}%`,
    })));
    set(node, {
      "aria-label": label, "--across": Math.min(values.length, MOST),
    });
  };
  return { node, show };
}

// A button for each stage, with its shape at the reader's sizes.
function drawStages({ get, change }) {
  const stages = get("stages").map(({ name, shape }, stage) => {
    const size = make("span", { class: "number" });
    const button = make(
      "button", { type: "button", onclick: () => change({ stage }) },
      make("b", { text: name }), size,
    );
    return { shape, size, button };
  });
  const node = make(
    "ol", { class: "stages" },
    ...stages.map(({ button }) => make("li", {}, button)),
  );
  const show = () => stages.forEach(({ shape, size, button }, i) => {
    const now = i === get("stage");
    set(button, { "aria-current": now ? "step" : null });
    set(size, { text: `(${shapeOf(shape, get("sizes")).join(", ")})` });
  });
  return { node, show };
}

function drawSizes({ get, change }) {
  const sliders = Object.entries(get("sizes")).map(([letter, start]) => {
    const most = Math.max(start, RANGES[letter] ?? 64);
    const each = stepper({
      label: letter, max: most - 1, text: (at) => String(at + 1),
      oninput: (at) =>
        change({ sizes: { ...get("sizes"), [letter]: Math.round(at) + 1 } }),
    });
    return { ...each, letter };
  });
  const node = make(
    "div", { class: "controls sizes" }, ...sliders.map((each) => each.node),
  );
  const show = () =>
    sliders.forEach((each) => each.show(get("sizes")[each.letter] - 1));
  return { node, show };
}

function render(context) {
  return explore(context, "A token's way through a block", style, (tools) => {
    const { root, get, change, say } = tools;
    const [tokens, stages] = [get("tokens"), get("stages")];
    const pick = choice({
      label: "Token",
      options: tokens.map((text, i) => [String(i), text]),
      oninput: (token) => change({ token: Number(token) }),
    });
    const steps = stepper({
      label: "Stage", max: stages.length - 1,
      text: (at) => `${at + 1} of ${stages.length}`,
      oninput: (stage) => change({ stage }),
    });
    const list = drawStages(tools);
    const title = make("p", { class: "title" });
    const formula = make("code");
    const words = make("p", { class: "quiet" });
    const shape = make("p", { class: "number" });
    const strip = drawStrip();
    const legend = make("p", { class: "quiet number legend" });
    const facts = make("p", { class: "number" });
    const moved = drawStrip();
    const step = make(
      "div", {}, moved.node,
      make("p", { class: "quiet legend" },
        "Change from the stage before, in the same colours"),
    );
    const sizes = drawSizes(tools);
    root.append(
      pick.node,
      make("div", { class: "controls steps" }, steps.node),
      make("div", { class: "panes" },
        list.node,
        make("div", {},
          title, formula, words, shape, strip.node, legend, step, facts,
          make("p", { class: "part", text: "Shapes at other sizes" }),
          sizes.node,
        ),
      ),
    );
    return () => {
      const [t, i] = [get("token"), get("stage")];
      const { name, shape: letters, formula: f, text, values } = stages[i];
      const row = values[t];
      pick.show(String(t));
      steps.show(i);
      list.show();
      sizes.show();
      set(title, { text: `${i + 1}. ${name}` });
      set(formula, { text: f });
      set(words, { text });
      const at = shapeOf(letters, get("sizes"));
      const whole = at.every(Number.isInteger);
      const count = at.reduce((product, n) => product * n, 1);
      set(shape, {
        text: `${letters} = (${at.join(", ")}): ` + (whole
          ? `${GROUPED.format(count)} numbers`
          : "not whole, so these sizes do not fit"),
      });
      const largest = Math.max(1e-9, ...row.map(Math.abs));
      strip.show(row, largest, `${row.length} values of ${tokens[t]}`);
      set(legend, {
        text: `${row.length} values of “${tokens[t]}”, colours to ` +
          `±${number(largest)}`,
      });
      const last = i > 0 && stages[i - 1].values[t];
      const before = last && last.length === row.length ? last : null;
      moved.show(before ? row.map((x, n) => x - before[n]) : [], largest,
        `Their change from ${before ? stages[i - 1].name : "nothing"}`);
      set(step, { hidden: !before });
      const told = [
        `mean ${number(mean(row))}`,
        `spread ${number(spread(row))}`,
        row.some((x) => x === 0) &&
          `${sum(row.map((x) => Number(x === 0)))} are 0`,
        before &&
          `differs from the stage before by ` +
          `${number(relativeChange(before, row))} of its length`,
      ].filter(Boolean).join(" · ");
      set(facts, { text: told });
      say(`${tokens[t]}, stage ${i + 1}, ${name}: ${told}`);
    };
  });
}

export default { render };
