// Scrub through the decoding steps of a trained model: the source tokens
// light up by weight, and the true alignment can be laid over.

import {
  argmax, clamp, massOnTruth, meanMassOnTruth,
} from "./arithmetic.mjs";
import { element as make, explore, number, set, stepper } from "./explorer.mjs";
import style from "./alignment_scrubber.css";

const weightOf = (weights, i) => ({ "--weight": weights[i] });

function drawSentence(tools, sentence) {
  const { get, change, root } = tools;
  const { source, target, weights, truth } = sentence;
  const chips = source.map((text) => {
    const weight = make("small");
    const node = make("span", { class: "token" }, text, weight);
    return { node, weight };
  });
  const digits = target.map((text) => make("span", { text }));
  const steps = stepper({
    label: "Step", max: target.length - 1,
    text: (t) => `${t + 1} of ${target.length}`,
    oninput: (step) => change({ step }),
  });
  const score = make("p", { class: "score" });
  const over = make("input", {
    type: "checkbox", disabled: !truth,
    onchange: () => change({ show_truth: over.checked }),
  });
  const grid = drawGrid(tools, sentence);
  const node = make(
    "div", {},
    make("p", { class: "part", text: "Source, lit by weight" }),
    make("div", { class: "tokens" }, ...chips.map((chip) => chip.node)),
    make("p", { class: "part", text: "Produced so far" }),
    make("div", { class: "digits" }, ...digits),
    make("div", { class: "controls steps" }, steps.node),
    make(
      "div", { class: "beside" },
      score,
      make("label", { class: "over" }, over, "Lay the true alignment over"),
    ),
    make(
      "div", { class: "beside" },
      make("p", { class: "part", text: "All steps" }),
      make("span", { class: "ramp", "aria-hidden": "true" },
        "weight 0", make("i"), "1"),
    ),
    grid.node,
  );
  const mean = truth ? meanMassOnTruth(weights, truth) : null;

  const show = () => {
    const t = get("step");
    const row = weights[t];
    chips.forEach((chip, i) => {
      set(chip.node, {
        ...weightOf(row, i), class: truth?.[t][i] ? "token at" : "token",
      });
      set(chip.weight, { text: number(row[i]) });
    });
    digits.forEach((digit, i) => set(digit, {
      class: i === t ? "now" : i > t ? "next" : "",
      text: i > t ? "·" : target[i],
    }));
    steps.show(t);
    grid.show();
    const words = [];
    if (truth) {
      const mass = massOnTruth(row, truth[t]);
      words.push(
        mass === null
          ? "This step has no true token."
          : `Weight on the true tokens: ${number(mass)}.`,
      );
      if (mean !== null) words.push(`Mean over the steps: ${number(mean)}.`);
    } else {
      words.push("The true alignment of this sentence is not known.");
    }
    set(score, { text: words.join(" ") });
    over.checked = get("show_truth") && Boolean(truth);
    root.classList.toggle("true", over.checked);
    const first = argmax(row);
    return (
      `Step ${t + 1}, ${target[t]}: largest weight ${number(row[first])} ` +
      `on ${source[first]}. ${words[0]}`
    );
  };
  return { node, show };
}

// All weights, (T, S), as a grid for arrow keys.
function drawGrid({ get, change }, { source, target, weights, truth }) {
  const read = make("p", { class: "read number" });
  const tell = (t, s) => {
    const is = truth?.[t][s] ? ", a true token" : "";
    return `${target[t]} from ${source[s]}: ${number(weights[t][s], 3)}${is}`;
  };
  let at = { t: get("step"), s: argmax(weights[get("step")]) };
  const cells = weights.map((row, t) => row.map((_, s) => make("div", {
    class: truth?.[t][s] ? "cell at" : "cell", role: "gridcell",
    tabindex: -1, "aria-label": tell(t, s), ...weightOf(row, s),
    onfocus: () => choose(t, s),
    onclick: () => cells[t][s].focus(),
    onpointerenter: () => set(read, { text: tell(t, s) }),
  })));
  const columns = source.map((text) =>
    make("div", { class: "column", role: "columnheader", text }));
  const rows = cells.map((row, t) => make(
    "div", { class: "row", role: "row" },
    make("div", { role: "rowheader", text: target[t] }),
    ...row,
  ));
  const grid = make(
    "div", {
      class: "grid", role: "grid",
      "aria-label": "Weights of every step over the source tokens",
      onpointerleave: () => set(read, { text: tell(at.t, at.s) }),
      onkeydown: (event) => {
        const [dt, ds] = {
          ArrowUp: [-1, 0], ArrowDown: [1, 0],
          ArrowLeft: [0, -1], ArrowRight: [0, 1],
          Home: [0, -Infinity], End: [0, Infinity],
          PageUp: [-Infinity, 0], PageDown: [Infinity, 0],
        }[event.key] ?? [0, 0];
        if (!dt && !ds) return;
        event.preventDefault();
        const t = clamp(at.t + dt, 0, target.length - 1);
        const s = clamp(at.s + ds, 0, source.length - 1);
        cells[t][s].focus();
      },
    },
    make(
      "div", { class: "row", role: "row" },
      make("div", { role: "columnheader", class: "corner", text: "step" }),
      ...columns,
    ),
    ...rows,
  );
  const mark = () => {
    rows.forEach((row, t) => row.classList.toggle("now", t === at.t));
    cells.flat().forEach((cell) => {
      const chosen = cell === cells[at.t][at.s];
      set(cell, { tabindex: chosen ? 0 : -1, "aria-selected": `${chosen}` });
      cell.classList.toggle("chosen", chosen);
    });
    columns.forEach((column, s) => column.classList.toggle("now", s === at.s));
    set(read, { text: tell(at.t, at.s) });
  };
  const choose = (t, s) => {
    at = { t, s };
    mark();
    if (t !== get("step")) change({ step: t });
  };
  const show = () => {
    const t = get("step");
    if (t !== at.t) at = { t, s: argmax(weights[t]) };
    mark();
  };
  return { node: make("div", {}, grid, read), show };
}

function render(context) {
  return explore(context, "Alignment scrubber", style, (tools) => {
    const { root, get, change, say } = tools;
    const sentences = get("sentences");
    const select = make(
      "select", {
        onchange: () => change({ sentence: Number(select.value), step: 0 }),
      },
      ...sentences.map(({ label }, i) =>
        make("option", { value: i, text: label })),
    );
    const place = make("div");
    root.append(
      make("label", { class: "pick" }, "Sentence", select),
      place,
    );
    let shown;
    let view;
    return () => {
      const chosen = get("sentence");
      if (shown !== chosen) {
        shown = chosen;
        view = drawSentence(tools, sentences[chosen]);
        place.replaceChildren(view.node);
        select.value = chosen;
      }
      say(view.show());
    };
  });
}

export default { render };
