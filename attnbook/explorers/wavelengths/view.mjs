// Sinusoidal positions: the table as a heat map, and what width and base do
// to the wavelengths.

import {
  clamp, likeness, rates, sinusoids, toLog,
} from "../kit/arithmetic.mjs";
import { baseSlider, tokens } from "../kit/base_slider.mjs";
import { curveTile, style as tileStyle } from "../kit/curve_tile.mjs";
import {
  element as make, explore, number, plain, set, stepper,
} from "../kit/explorer.mjs";
import style from "./style.css";

const BLUE = [0, 114, 178];
const ORANGE = [213, 94, 0];

// One pixel a number: blue above 0, orange below, and paper, which may be
// dark, shines through near 0.
function paint(canvas, rows) {
  const [height, width] = [rows.length, rows[0].length];
  set(canvas, { width, height });
  const image = new ImageData(width, height);
  rows.flat().forEach((x, i) =>
    image.data.set([...(x < 0 ? ORANGE : BLUE), 255 * Math.abs(x)], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function render(context) {
  return explore(context, "Wavelengths", tileStyle + style, (tools) => {
    const { root, get, change, say } = tools;
    const widths = get("widths");
    const length = get("length");
    const positions = Array.from({ length }, (_, t) => t);
    const pairs = () => get("d_model") / 2;

    const width = stepper({
      label: "Width D", max: widths.length - 1, text: (i) => String(widths[i]),
      oninput: (i) => {
        const d_model = widths[i];
        const pair = Math.min(get("pair"), d_model / 2 - 1);
        change({ d_model, pair });
      },
    });
    const base = baseSlider(tools);
    const pairSlider = stepper({
      label: "Pair", max: widths.at(-1) / 2 - 1, text: String,
      oninput: (pair) => change({ pair: Math.min(pair, pairs() - 1) }),
    });
    const place = stepper({
      label: "Position", max: length - 1, text: String,
      oninput: (position) => change({ position }),
    });
    const canvas = make("canvas", {
      role: "img",
      onclick: (event) => {
        const box = canvas.getBoundingClientRect();
        const part = (at, size, count) =>
          clamp(Math.floor((at / size) * count), 0, count - 1);
        change({
          pair: part(event.clientX - box.left, box.width, pairs()),
          position: part(event.clientY - box.top, box.height, length),
        });
      },
    });
    const column = make("i", { class: "column" });
    const row = make("i", { class: "row" });
    const tiles = [
      curveTile({
        title: "Wavelength of the pair", unit: "",
        ends: ["pair 0", "log scale", "last"],
      }),
      curveTile({
        title: "Its sine at the position", unit: "",
        ends: ["0", "position", String(length - 1)],
      }),
      curveTile({
        title: "Cosine with position 0", unit: "",
        ends: ["0", "distance", String(length - 1)],
      }),
    ];
    const summary = make("p", { class: "summary" });
    root.append(
      make("div", { class: "controls" }, width.node, base.node,
        pairSlider.node, place.node),
      make(
        "div", { class: "panes" },
        make(
          "div", {},
          make("p", { class: "part", text:
            "Rows are positions, columns features" }),
          make("div", { class: "map" }, canvas, column, row),
          make("p", { class: "legend quiet", "aria-hidden": "true" },
            "−1", make("i"), "1"),
        ),
        make("div", {}, summary,
          make("div", { class: "tiles" }, ...tiles.map((tile) => tile.node))),
      ),
    );

    let drawn;
    let drawnPair;
    return () => {
      const [D, b] = [get("d_model"), get("base")];
      const pair = Math.min(get("pair"), D / 2 - 1);
      const position = get("position");
      const speed = rates(D, b);
      const waves = speed.map((rate) => (2 * Math.PI) / rate);
      const same = positions.map((t) => likeness(t, D, b));
      const [low, high] = [toLog(waves[0]), toLog(b * 2 * Math.PI)];
      const height = (wave) => (toLog(wave) - low) / (high - low);
      if (drawn !== `${D} ${b}`) {
        drawn = `${D} ${b}`;
        drawnPair = undefined;
        paint(canvas, sinusoids(length, D, b));
        tiles[0].draw(0, waves.map(height));
        tiles[2].draw(0, same.map((x) => (x + 1) / 2));
        set(pairSlider.input, { max: D / 2 - 1 });
      }
      const sine = (t) => Math.sin(t * speed[pair]);
      if (drawnPair !== pair) {
        drawnPair = pair;
        tiles[1].draw(0, positions.map((t) => (sine(t) + 1) / 2));
      }
      width.show(widths.indexOf(D));
      base.show();
      pairSlider.show(pair);
      set(pairSlider.input, { "--part": pair / (D / 2 - 1) });
      place.show(position);
      set(column, { "--at": pair / (D / 2), "--size": 2 / D });
      set(row, { "--at": position / length, "--size": 1 / length });
      const whole = waves.filter((wave) => wave <= length).length;
      const x = position / (length - 1);
      tiles[0].show(`${tokens(waves[pair])} tokens`, pair / (D / 2 - 1),
        height(waves[pair]));
      tiles[1].show(number(sine(position)), x, (sine(position) + 1) / 2);
      tiles[2].show(number(same[position]), x, (same[position] + 1) / 2);
      const text = `${whole} of ${D / 2} pairs make a full turn within ` +
        `${length} tokens; the slowest needs ` +
        `${tokens(waves[waves.length - 1])}.`;
      set(summary, { text });
      set(canvas, {
        "aria-label": `Sinusoids of ${length} positions and ${D} features, ` +
          `base ${plain(b)}: columns on the left alternate quickly, those ` +
          "on the right slowly",
      });
      say(
        `Width ${D}, base ${plain(b)}. ${text} Pair ${pair}: wavelength ` +
        `${tokens(waves[pair])} tokens; sine ${number(sine(position))} at ` +
        `position ${position}.`,
      );
    };
  });
}

export default { render };
