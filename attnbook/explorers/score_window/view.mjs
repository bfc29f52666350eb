// Choose the score function and the window of a trained model's attention:
// weights, alignment score, entropy and the sum of a row follow.

import {
  argmax, clamp, inWindow, localWeights, meanMassOnTruth, rowMeasures,
  softmax,
} from "../kit/arithmetic.mjs";
import { curveTile, style as tileStyle } from "../kit/curve_tile.mjs";
import {
  choice, element as make, explore, number, set, slider, toggle,
} from "../kit/explorer.mjs";
import hatched from "../kit/hatched.css";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import style from "./style.css";

const windows = ["global", "local-m", "local-p"];

function render(context) {
  const sheet = heatStyle + tileStyle + hatched + style;
  return explore(context, "Score and window", sheet, (tools) => {
    const { root, get, change, say } = tools;
    const [scores, source, target, truth, predicted] =
      ["scores", "source", "target", "truth", "centres"].map(get);
    const names = get("names");
    const widest = get("widest");
    const most = Math.max(Math.log(source.length), 1e-9);
    const steps = target.map((_, t) => t);
    const centres = () =>
      ({ global: null, "local-m": steps, "local-p": predicted })[
        get("window")];

    // By half width, for one score and one window.
    const found = {};
    const measured = () => {
      const [name, window] = [get("score"), get("window")];
      return (found[[name, window]] ??= Array.from(
        { length: widest }, (_, i) => {
          const each = scores[names.indexOf(name)];
          const weights = centres()
            ? localWeights(each, centres(), i + 1, window === "local-p")
            : each.map((row) => softmax(row));
          return {
            weights, ...rowMeasures(weights),
            alignment: truth && meanMassOnTruth(weights, truth),
          };
        }));
    };
    const now = () => measured()[get("half_width") - 1];
    const inside = (t, s) =>
      !centres() ||
      inWindow(source.length, centres()[t], get("half_width"))[s];
    // The cell that a centre lies in; a whole number is its middle.
    const holds = (t, s) =>
      centres() && s === Math.min(
        Math.round(centres()[t]),
        get("window") === "local-p" ? source.length - 1 : Infinity);

    const score = choice({
      label: "Score", options: names.map((name) => [name, name]),
      oninput: (name) => change({ score: name }),
    });
    const pick = choice({
      label: "Window",
      options: windows.map((name) =>
        name === "local-p" && !predicted
          ? [name, "local-p (no centres)", true] : [name, name]),
      oninput: (window) => change({ window }),
    });
    const width = slider({
      label: "Half width D", min: 1, max: widest, step: 1,
      text: String, nudge: (at, by) => at + by,
      oninput: (D) => change({ half_width: D }),
    });
    const over = toggle({
      label: "Outline the true alignment", disabled: !truth,
      oninput: (on) => change({ show_truth: on }),
    });
    const map = heatMap({
      label: "Weights of every step over the source tokens", corner: "step",
      rows: target, columns: source, at: [0, argmax(now().weights[0])],
      look: (t, s) => ({
        weight: now().weights[t][s],
        kind: [
          truth?.[t][s] && "at", !inside(t, s) && "out",
          holds(t, s) && "centre",
        ].filter(Boolean).join(" "),
      }),
      tell: (t, s) => [
        `step ${t}, ${target[t]}, from token ${s}, ${source[s]}: ` +
          number(now().weights[t][s], 3),
        truth?.[t][s] && "a true token",
        !inside(t, s) && "outside the window",
        centres() && `centre ${number(centres()[t], 1)}`,
      ].filter(Boolean).join(", "),
    });
    const tiles = [
      truth && ["Alignment score", "of 1", (m) => m.alignment, 1],
      ["Mean entropy", `of ${number(most)} nats`, (m) => m.entropy, most],
      ["Mean sum of a row", "of 1", (m) => m.sum, 1],
    ].filter(Boolean).map(([title, unit, of, top]) => {
      const tile = curveTile({
        title, unit, ends: ["D = 1", "", String(widest)],
      });
      let drawn;
      const show = () => {
        const all = measured();
        const height = (m) => clamp(of(m) / top, 0, 1);
        if (drawn !== all) tile.draw(0, all.map(height));
        drawn = all;
        const x = (get("half_width") - 1) / (widest - 1);
        tile.show(number(of(now())), x, height(now()));
      };
      return { node: tile.node, show };
    });
    const marks = make(
      "p", { class: "marks quiet" },
      make("i", { class: "swatch" }), "outside the window",
      make("i", { class: "diamond" }), "its centre (positions count from 0)",
    );
    root.append(
      make("div", { class: "controls" }, score.node, pick.node, width.node),
      make(
        "div", { class: "beside" },
        make("p", { class: "part", text: "Weights" }),
        ramp(),
      ),
      map.node, marks, over.node,
      make("div", { class: "tiles" }, ...tiles.map((tile) => tile.node)),
    );
    return () => {
      const [name, window, D] = ["score", "window", "half_width"].map(get);
      score.show(name);
      pick.show(window);
      width.show(D);
      set(width.input, { disabled: window === "global" });
      set(marks, { hidden: window === "global" });
      const laid = get("show_truth") && Boolean(truth);
      over.show(laid);
      root.classList.toggle("true", laid);
      if (centres()) {
        map.cells.forEach((line, t) => {
          const shift = centres()[t] - Math.min(
            Math.round(centres()[t]), source.length - 1);
          set(line[0].parentNode, { "--shift": clamp(shift, -0.5, 0.5) });
        });
      }
      map.show();
      tiles.forEach((tile) => tile.show());
      const { alignment, entropy, sum } = now();
      say(
        `${name}, ${window}${window === "global" ? "" : `, D ${D}`}: ` +
        (truth ? `alignment score ${number(alignment)}, ` : "") +
        `entropy ${number(entropy)} of ${number(most)} nats, ` +
        `mean sum of a row ${number(sum)}.`,
      );
    };
  });
}

export default { render };
