// A number, and under it the curves that it lies on.

import { element as make, set } from "./explorer.mjs";
import style from "./curve_tile.css";

export { style };

// `ends` are the texts under the curve: left, middle, right. Heights and the
// dot are parts of the tile, from 0 to 1.
export function curveTile({ title, unit, ends, lines = [""] }) {
  const text = make("b", { class: "number" });
  const curves = lines.map((kind) => make("polyline", { class: kind }));
  const dot = make("i");
  const node = make(
    "div", { class: "tile" },
    make("p", { text: title }),
    make("p", {}, text, ` ${unit}`),
    make(
      "div", { class: "curve", "aria-hidden": "true" },
      make("svg", {
        viewBox: "0 0 1 1", preserveAspectRatio: "none",
      }, ...curves),
      dot,
    ),
    make(
      "div", { class: "ends", "aria-hidden": "true" },
      ...ends.map((end) => make("span", { text: end })),
    ),
  );
  const draw = (i, heights) => set(curves[i], {
    points: heights.map((height, n) =>
      `${(n / Math.max(heights.length - 1, 1)).toFixed(4)},` +
      `${(1 - height).toFixed(4)}`).join(" "),
  });
  const show = (said, x, y) => {
    set(dot, { "--x": x, "--y": y });
    set(text, { text: said });
  };
  return { node, draw, show };
}
