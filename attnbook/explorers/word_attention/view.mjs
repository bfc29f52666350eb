// Point at a word of a caption: how much each patch of the picture reads it,
// at each step of the generation, and how much of that lies on ink.

import { argmax } from "../kit/arithmetic.mjs";
import {
  choice, element as make, explore, number, picker, set, stepper,
} from "../kit/explorer.mjs";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import { inkRatio, mean, patchInk, wordMap } from "../kit/word_maps.mjs";
import style from "./style.css";

// Squares of a picture or of a map, for the eye alone.
function squares(count, kind) {
  const all = Array.from({ length: count }, () => make("i"));
  const side = Math.round(Math.sqrt(count));
  const node = make(
    "div", { class: `squares ${kind}`, "--side": side }, ...all);
  const show = (values, most = 1) => values.forEach((value, i) =>
    set(all[i], { "--weight": value / most }));
  return { node, show };
}

const ratio = (x) => (x === null ? "–" : `${number(x)} ×`);

function draw(tools, picture) {
  const { get, change } = tools;
  const { words, images, weights } = picture;
  const [steps, patches] = [weights.length, weights[0].length];
  const side = Math.round(Math.sqrt(patches));
  const ink = patchInk(images.at(-1), patches);
  const usual = mean(ink);
  const most = Math.max(...weights.flat(2)) || 1;
  const at = (t, s) => weights[get("step")][t * side + s];

  const word = choice({
    label: "Word", options: words.map((text, i) => [`${i}`, text]),
    oninput: (value) => change({ word: Number(value) }),
  });
  const step = stepper({
    label: "Step", max: steps - 1,
    text: (k) => `${get("steps")[k]}`,
    oninput: (k) => change({ step: k }),
  });
  const image = squares(images[0].length ** 2, "image");
  set(image.node, { role: "img" });
  const places = Array.from({ length: side }, (_, i) => `${i + 1}`);
  const map = heatMap({
    label: "How much each patch reads the word", corner: "row",
    rows: places, columns: places,
    look: (t, s) => ({ weight: at(t, s)[get("word")] / most,
      kind: ink[t * side + s] > usual ? "at" : "" }),
    tell: (t, s) => {
      const row = at(t, s);
      return `row ${t + 1}, column ${s + 1}: ${words[get("word")]} ` +
        `${number(row[get("word")])}, most ${words[argmax(row)]}`;
    },
  });
  const strip = weights.map((_, k) => {
    const small = squares(patches, "map");
    const node = make("div", {
      class: "thumb", onclick: () => change({ step: k }),
    }, small.node);
    return { node, show: small.show };
  });
  const lines = words.map((text, i) => {
    const [weight, score] = [make("td", { class: "n" }),
      make("td", { class: "n" })];
    const node = make("tr", { onclick: () => change({ word: i }) },
      make("th", { scope: "row", text }), weight, score);
    return { node, weight, score };
  });
  const head = (text) => make("th", { scope: "col", text });
  const node = make(
    "div", {},
    make("div", { class: "controls" }, word.node, step.node),
    make(
      "div", { class: "panes" },
      make("div", {},
        make("p", { class: "part", text: "The picture after this step" }),
        image.node),
      make("div", { class: "true" },
        make("div", { class: "beside" },
          make("p", { class: "part", text: "Each patch reads the word" }),
          ramp("weight 0", number(most))),
        map.node,
        make("p", { class: "hint quiet",
          text: "Framed: more ink than average in the finished picture." })),
    ),
    make("p", { class: "part", text: "The word at every step" }),
    make("div", { class: "strip", "aria-hidden": "true" },
      ...strip.map((one) => one.node)),
    make(
      "table", { class: "words" },
      make("thead", {}, make("tr", {}, head("word"), head("mean weight"),
        head("weight on ink / even spread"))),
      make("tbody", {}, ...lines.map((line) => line.node)),
    ),
  );

  const show = () => {
    const [k, w] = [get("step"), get("word")];
    word.show(`${w}`);
    step.show(k);
    image.show(images[k].flat());
    set(image.node, { "aria-label":
      `The picture of “${words.join(" ")}” after step ${get("steps")[k]}` });
    map.show();
    strip.forEach((one, i) => {
      one.show(wordMap(weights[i], w), most);
      one.node.classList.toggle("now", i === k);
    });
    const maps = words.map((_, i) => wordMap(weights[k], i));
    lines.forEach((line, i) => {
      set(line.weight, { text: number(mean(maps[i])) });
      set(line.score, { text: ratio(inkRatio(maps[i], ink)) });
      line.node.classList.toggle("now", i === w);
    });
    const found = inkRatio(maps[w], ink);
    return `Step ${get("steps")[k]}, word ${words[w]}: mean weight ` +
      `${number(mean(maps[w]))}, ` + (found === null ? "no ink to compare."
      : `${number(found)} times as much on ink as an even spread.`);
  };
  return { node, show };
}

function render(context) {
  return explore(context, "Word attention", heatStyle + style, (tools) => {
    const { root, get, change, say } = tools;
    const pictures = get("pictures");
    const pick = picker({
      label: "Caption", options: pictures.map(({ words }) => words.join(" ")),
      oninput: (picture) => change({
        picture,
        word: Math.min(get("word"), pictures[picture].words.length - 1),
      }),
    });
    const place = make("div");
    root.append(pick.node, place);
    let shown;
    let view;
    return () => {
      const chosen = get("picture");
      if (shown !== chosen) {
        shown = chosen;
        view = draw(tools, pictures[chosen]);
        place.replaceChildren(view.node);
        pick.show(chosen);
      }
      say(view.show());
    };
  });
}

export default { render };
