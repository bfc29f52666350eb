// Scrub through the decoding steps of a trained model: the source tokens
// light up by weight, and the true alignment can be laid over.

import { argmax, massOnTruth, meanMassOnTruth } from "../kit/arithmetic.mjs";
import {
  bySentence, element as make, explore, number, set, stepper, toggle,
} from "../kit/explorer.mjs";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import style from "./style.css";

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
  const over = toggle({
    label: "Lay the true alignment over", disabled: !truth,
    oninput: (on) => change({ show_truth: on }),
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
      over.node,
    ),
    make(
      "div", { class: "beside" },
      make("p", { class: "part", text: "All steps" }),
      ramp(),
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
    const laid = get("show_truth") && Boolean(truth);
    over.show(laid);
    root.classList.toggle("true", laid);
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
  const first = (t) => [t, argmax(weights[t])];
  const map = heatMap({
    label: "Weights of every step over the source tokens",
    rows: target, columns: source, corner: "step", at: first(get("step")),
    look: (t, s) => ({ weight: weights[t][s], kind: truth?.[t][s] && "at" }),
    tell: (t, s) => {
      const is = truth?.[t][s] ? ", a true token" : "";
      return `${target[t]} from ${source[s]}: ${number(weights[t][s], 3)}${is}`;
    },
    onchoose: (step) => {
      if (step !== get("step")) change({ step });
    },
  });
  const show = () => {
    const step = get("step");
    map.show(...(step === map.at()[0] ? map.at() : first(step)));
  };
  return { node: map.node, show };
}

const render = (context) =>
  explore(context, "Alignment scrubber", heatStyle + style, (tools) =>
    bySentence(tools, (sentence) => drawSentence(tools, sentence), { step: 0 }));

export default { render };
