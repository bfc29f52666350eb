// All heads of a model as thumbnails: pick one by mouse, finger or arrow
// keys, and see its weights, its entropy and what it is worth.

import { argmax, headMeasures } from "../kit/arithmetic.mjs";
import {
  bySentence, element as make, explore, number, set, toggle,
} from "../kit/explorer.mjs";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import style from "./style.css";

// The weights (T, S) as a picture in the colour of the theme.
function thumbnail(weights) {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [weights.length, weights[0].length];
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  weights.flat().forEach((weight, i) => {
    image.data[4 * i + 3] = Math.round(255 * weight);
  });
  context.putImageData(image, 0, 0);
  return make("i", {
    class: "thumbnail", "--picture": `url(${canvas.toDataURL()})`,
  });
}

function drawSentence({ root, get, change }, sentence) {
  const { source, target, weights, truth } = sentence;
  const names = get("layer_names");
  const importance = get("importance");
  const measures = weights.map((heads) =>
    heads.map((each) => headMeasures(each, truth)));
  const worth = get("importance_label");
  const most = Math.max(1e-9, ...(importance ?? [[0]]).flat());

  const tell = (l, h) => {
    const { entropy, alignment } = measures[l][h];
    return [
      `${names[l]}, head ${h + 1}: entropy ${number(entropy)}`,
      alignment !== null && `on true tokens ${number(alignment)}`,
      importance && `${worth} ${number(importance[l][h], 3)}`,
    ].filter(Boolean).join(", ");
  };
  const heads = heatMap({
    label: "Heads, by layer", corner: "head",
    rows: names, columns: weights[0].map((_, h) => String(h + 1)),
    at: [get("layer"), get("head")],
    look: () => ({ weight: 0 }),
    tell,
    fill: (l, h) => thumbnail(weights[l][h]),
    onchoose: (layer, head) => change({ layer, head }),
  });
  const chosen = () => weights[get("layer")][get("head")];
  const map = heatMap({
    label: "Weights of the chosen head",
    rows: target, columns: source, corner: "output",
    look: (t, s) => ({
      weight: chosen()[t][s], kind: truth?.[t][s] ? "at" : "",
    }),
    tell: (t, s) => {
      const is = truth?.[t][s] ? ", a true token" : "";
      return `${target[t]} from ${source[s]}: ` +
        `${number(chosen()[t][s])}${is}`;
    },
  });
  const over = toggle({
    label: "Outline the true alignment", disabled: !truth,
    oninput: (on) => root.classList.toggle("true", on),
  });
  over.show(root.classList.contains("true"));

  const title = make("p", { class: "part" });
  const head = (text) => make("th", { scope: "col", text });
  const rows = weights[0].map((_, h) => {
    const name = make("th", { scope: "row" });
    const cells = (importance ? [0, 1, 2] : [0, 1])
      .map(() => make("td", { class: "n" }));
    const bar = make("div", { class: "bar" });
    const node = make("tr", {}, name, ...cells);
    if (importance) node.append(make("td", { class: "wide" }, bar));
    const show = (l) => {
      const { entropy, alignment } = measures[l][h];
      set(name, { text: `head ${h + 1}` });
      set(cells[0], { text: number(entropy) });
      set(cells[1], { text: alignment === null ? "–" : number(alignment) });
      if (importance) {
        const value = importance[l][h];
        set(cells[2], { text: number(value, 3) });
        set(bar, { "--weight": Math.max(0, value) / most });
      }
      node.classList.toggle("now", h === get("head"));
    };
    return { node, show };
  });
  const table = make(
    "table", {},
    make("thead", {}, make(
      "tr", {}, make("td"), head("entropy"), head("on true tokens"),
      importance && head(worth), importance && make("td"),
    )),
    make("tbody", {}, ...rows.map((row) => row.node)),
  );
  const node = make(
    "div", {},
    make("p", { class: "part", text: "Pick a head" }),
    make("div", { class: "heads" }, heads.node),
    make("div", { class: "panes" },
      make("div", {},
        make("div", { class: "beside" }, title, ramp()),
        map.node,
        over.node,
      ),
      make("div", {},
        make("p", { class: "part", text: "The heads of this layer" }),
        table,
      ),
    ),
  );
  const show = () => {
    const [l, h] = [get("layer"), get("head")];
    set(title, { text: `${names[l]}, head ${h + 1}` });
    heads.show(l, h);
    const [t] = map.at();
    map.show(t, argmax(chosen()[t]));
    rows.forEach((row) => row.show(l));
    return tell(l, h);
  };
  return { node, show };
}

const render = (context) =>
  explore(context, "Head picker", heatStyle + style, (tools) =>
    bySentence(tools, (sentence) => drawSentence(tools, sentence)));

export default { render };
