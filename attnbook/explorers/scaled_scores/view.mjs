// Scaled dot-product scores: choose the size d, the scale and the
// temperature; weights, entropy, Jacobian and largest weight follow.

import {
  argmax, dotScores, entropy, softmaxOfScores,
} from "../kit/arithmetic.mjs";
import { curveTile, style as tileStyle } from "../kit/curve_tile.mjs";
import {
  choice, element as make, explore, number, plain, set, stepper,
  temperatureSlider,
} from "../kit/explorer.mjs";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import style from "./style.css";

// A measure over all sizes, scaled and not, by height from 0 to 1.
function drawTile(sizes, title, unit, of, height, said) {
  const { node, draw, show } = curveTile({
    title, unit, lines: ["off", "on"],
    ends: [`d = ${sizes[0]}`, "", String(sizes.at(-1))],
  });
  let drawn;
  return {
    node,
    show(all, d, scaled) {
      if (drawn !== all) {
        drawn = all;
        [false, true].forEach((on, i) =>
          draw(i, all[on].map((each) => height(of(each)))));
      }
      const at = sizes.indexOf(d);
      const value = of(all[scaled][at]);
      const x = at / Math.max(sizes.length - 1, 1);
      show(said(value), x, height(value));
    },
  };
}

// By powers of ten, from 0.01 to 10,000.
const byTens = (x) =>
  Math.min(Math.max((Math.log10(Math.max(x, 1e-9)) + 2) / 6, 0), 1);

function render(context) {
  const sheet = heatStyle + tileStyle + style;
  return explore(context, "Scaled scores", sheet, (tools) => {
    const { root, get, change, say } = tools;
    const [query, key, labels, keys] =
      ["query", "key", "labels", "key_labels"].map(get);
    const sizes = [];
    for (let d = 4; d <= query[0].length; d *= 2) sizes.push(d);
    const raw = Object.fromEntries([false, true].map((scaled) =>
      [scaled, sizes.map((d) => dotScores(query, key, d, scaled))]));
    const most = Math.max(Math.log(keys.length), 1e-9);
    let all;
    let measured; // at which temperature
    const now = () => all[get("scaled")][sizes.indexOf(get("d"))];
    const measure = () => {
      const temperature = get("temperature");
      if (measured === temperature) return;
      measured = temperature;
      all = Object.fromEntries([false, true].map((scaled) =>
        [scaled, raw[scaled].map((each) =>
          softmaxOfScores(each, temperature))]));
    };
    measure();

    const size = stepper({
      label: "Size d", max: sizes.length - 1,
      text: (at) => String(sizes[at]),
      oninput: (at) => change({ d: sizes[at] }),
    });
    const scale = choice({
      label: "Scores", options: [["off", "q · k"], ["on", "q · k / √d"]],
      oninput: (value) => change({ scaled: value === "on" }),
    });
    const temperature = temperatureSlider(tools);
    const bars = labels.map(() => make("i"));
    const spreads = labels.map((_, t) => make(
      "div", { class: "spread", "aria-hidden": "true" }, bars[t]));
    const nats = (t) => entropy(now().weights[t]);
    const map = heatMap({
      label: "Weights of every query over the keys",
      rows: labels, columns: keys, corner: "query",
      at: [0, argmax(now().weights[0])], beside: spreads,
      look: (t, s) => ({ weight: now().weights[t][s] }),
      tell: (t, s) =>
        `query ${labels[t]}, key ${keys[s]}: ` +
        `${number(now().weights[t][s], 3)}; row ${number(nats(t))} nats`,
    });
    const tiles = [
      drawTile(sizes, "Variance of scores", "", (m) => m.variance,
        byTens, (x) => (x < 100 ? number(x) : number(x, 0))),
      drawTile(sizes, "Mean entropy", `of ${number(most)} nats`,
        (m) => m.entropy, (x) => x / most, (x) => number(x)),
      drawTile(sizes, "Mean Jacobian norm", "≤ 0.5",
        (m) => m.jacobian, (x) => x / 0.5, (x) => number(x, 3)),
      drawTile(sizes, "Mean largest weight", "of 1",
        (m) => m.largest, (x) => x, (x) => number(x)),
    ];
    root.append(
      make("div", { class: "controls two" },
        size.node, scale.node, temperature.node),
      make(
        "div", { class: "panes" },
        make(
          "div", {},
          make(
            "div", { class: "beside" },
            make("p", { class: "part", text: "Weights; row entropy" }),
            ramp(),
          ),
          map.node,
        ),
        make("div", { class: "tiles" }, ...tiles.map((tile) => tile.node)),
      ),
      make("p", { class: "legend quiet" },
        make("i", { class: "off" }), "q · k",
        make("i", { class: "on" }), "q · k / √d",
        make("span", {}, "against d; scores as they enter the softmax")),
    );
    return () => {
      measure();
      const [d, scaled] = [get("d"), get("scaled")];
      size.show(sizes.indexOf(d));
      scale.show(scaled ? "on" : "off");
      temperature.show();
      bars.forEach((bar, t) => set(bar, { "--weight": nats(t) / most }));
      map.show();
      tiles.forEach((tile) => tile.show(all, d, scaled));
      const each = now();
      say(
        `d ${d}, ${scaled ? "scaled" : "not scaled"}, temperature ` +
        `${plain(get("temperature"))}: variance ${number(each.variance)}, ` +
        `entropy ${number(each.entropy)} of ${number(most)} nats, Jacobian ` +
        `norm ${number(each.jacobian, 3)}, largest weight ` +
        `${number(each.largest)}.`,
      );
    };
  });
}

export default { render };
