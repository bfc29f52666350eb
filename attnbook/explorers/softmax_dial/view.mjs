// The softmax dial: move the scores and the temperature; the weights, their
// entropy and the size of their gradient follow.

import {
  argmax, effectiveNumber, entropy, jacobianNorm, softmax, toLog,
} from "../kit/arithmetic.mjs";
import { curveTile, style as tileStyle } from "../kit/curve_tile.mjs";
import {
  TEMPERATURES, element as make, explore, number, set, slider,
  temperatureSlider,
} from "../kit/explorer.mjs";
import style from "./style.css";

const LOW = -5;
const HIGH = 5;
const POINTS = 97;

function drawRows({ get, change }) {
  const scores = get("scores");
  const min = Math.min(LOW, Math.floor(Math.min(...scores)));
  const max = Math.max(HIGH, Math.ceil(Math.max(...scores)));
  const node = make(
    "div", { class: "dial" },
    make(
      "div", { class: "item head", "aria-hidden": "true" },
      ...["", "score", "", "weight"].map((text) => make("span", { text })),
    ),
  );
  const rows = get("labels").map((label, i) => {
    const name = make("span", { class: "label", text: label });
    const weight = make("span", { class: "number weight" });
    const bar = make("div", { class: "bar" });
    const score = slider({
      label: `Score of ${label}`, min, max, bare: true,
      text: (position) => number(position),
      nudge: (position, steps) => Math.round((position + steps / 10) * 10) / 10,
      oninput: (position) => change({
        scores: get("scores").with(i, Number(position.toFixed(2))),
      }),
    });
    node.append(make(
      "div", { class: "item" }, name, score.node, score.value, bar, weight,
    ));
    return { score, weight, bar };
  });
  const show = (weights) => {
    const first = argmax(weights);
    rows.forEach(({ score, weight, bar }, i) => {
      score.show(get("scores")[i]);
      set(weight, { text: number(weights[i], 3) });
      set(bar, {
        "--weight": weights[i], class: i === first ? "bar lead" : "bar",
      });
    });
  };
  return { node, show };
}

// A number, and how it changes with the temperature.
function drawTile(title, unit, measure, digits, range) {
  const { node, draw, show: place } = curveTile({
    title, unit,
    ends: [String(TEMPERATURES[0]), "temperature", String(TEMPERATURES[1])],
  });
  const [from, to] = TEMPERATURES.map(toLog);
  const at = (temperature, scores) =>
    measure(softmax(scores, temperature), temperature);
  let before;
  let low;
  let high;
  const show = (scores, temperature) => {
    const key = String(scores);
    if (key !== before) {
      before = key;
      const ys = Array.from({ length: POINTS }, (_, i) =>
        at(10 ** (from + ((to - from) * i) / (POINTS - 1)), scores));
      [low, high] = range ?? [0, Math.max(...ys) || 1];
      draw(0, ys.map((y) => (y - low) / (high - low)));
    }
    const value = at(temperature, scores);
    place(
      number(value, digits),
      (toLog(temperature) - from) / (to - from),
      (value - low) / (high - low),
    );
    return value;
  };
  return { node, show };
}

function render(context) {
  return explore(context, "Softmax dial", tileStyle + style, (tools) => {
    const { root, get, say } = tools;
    const count = get("scores").length;
    const rows = drawRows(tools);
    const temperature = temperatureSlider(tools);
    const most = Math.max(Math.log(count), 1e-9);
    const tiles = [
      drawTile("Entropy", `of ${number(Math.log(count))} nats`,
        entropy, 2, [0, most]),
      drawTile("Effective number of items", `of ${count}`,
        effectiveNumber, 2, [1, Math.max(count, 1 + 1e-9)]),
      drawTile("Gradient norm", "‖∂weights/∂scores‖", jacobianNorm, 3),
    ];
    root.append(
      rows.node,
      make("div", { class: "controls" }, temperature.node),
      make("div", { class: "tiles" }, ...tiles.map((tile) => tile.node)),
    );
    return () => {
      const scores = get("scores");
      const weights = softmax(scores, get("temperature"));
      rows.show(weights);
      temperature.show();
      const [nats, items, gradient] = tiles.map((tile) =>
        tile.show(scores, get("temperature")));
      const first = argmax(weights);
      say(
        `Largest weight ${number(weights[first])} on ${get("labels")[first]}. ` +
        `Entropy ${number(nats)} nats, ${number(items)} items. ` +
        `Gradient norm ${number(gradient, 3)}.`,
      );
    };
  });
}

export default { render };
