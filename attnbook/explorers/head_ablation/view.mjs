// Heads to take away: a thumbnail for each, the map of the chosen one, and
// the loss of every next token, with all heads and without those.

import { lossesOf, setOf } from "../kit/ablation.mjs";
import { argmax } from "../kit/arithmetic.mjs";
import { element as make, explore, number, set, toggle } from
  "../kit/explorer.mjs";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import style from "./style.css";

// The weights (T, T) as a picture, to be shown in the colour of the theme.
function picture(weights) {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [weights.length, weights[0].length];
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  weights.flat().forEach((weight, i) => {
    image.data[4 * i + 3] = Math.round(255 * weight);
  });
  context.putImageData(image, 0, 0);
  return `url(${canvas.toDataURL()})`;
}

// A row for each token: its loss with all heads and now, as bars.
function lossTable(tokens, counted, most) {
  const rows = tokens.map((token, t) => {
    const values = [0, 1].map(() => make("td", { class: "n" }));
    const bars = [0, 1].map((i) => make("div", {
      class: i ? "bar now" : "bar",
    }));
    const node = make(
      "tr", { class: counted[t] ? "counted" : "" },
      make("th", { scope: "row", text: token }), ...values,
      make("td", { class: "wide" }, make("div", {}, ...bars)),
    );
    const show = (whole, now) => {
      [whole, now].forEach((loss, i) => {
        set(values[i], { text: number(loss) });
        set(bars[i], { "--weight": Math.min(1, loss / most) });
      });
    };
    return { node, show };
  });
  const head = (text) => make("th", { scope: "col", text });
  const node = make(
    "table", { class: "losses" },
    make("thead", {}, make("tr", {}, head("after"), head("all heads"),
      head("now"), make("td"))),
    make("tbody", {}, ...rows.map((row) => row.node)),
  );
  return { node, rows };
}

function build({ root, get, change, say }) {
  const [tokens, earlier, later, losses, counted] =
    ["tokens", "earlier", "later", "losses", "counted"].map(get);
  const H = earlier.length;
  const isGone = (l, h) => get("gone").some(([i, j]) => i === l && j === h);
  const maps = () => [
    earlier, later[setOf(get("gone").filter(([l]) => l === 0), H)],
  ];
  const chosen = () => maps()[get("layer")][get("head")];
  const name = (l, h) => `layer ${l + 1}, head ${h + 1}`;
  const take = (l, h, on) => {
    const rest = get("gone").filter(([i, j]) => i !== l || j !== h);
    change({ gone: on ? [...rest, [l, h]] : rest });
  };

  const pictures = [0, 1].map(() => earlier.map(() =>
    make("i", { class: "thumbnail" })));
  const heads = heatMap({
    label: "Heads, by layer", corner: "head",
    rows: ["layer 1", "layer 2"], columns: earlier.map((_, h) => `${h + 1}`),
    at: [get("layer"), get("head")],
    look: (l, h) => ({ weight: 0, kind: isGone(l, h) ? "gone" : "" }),
    tell: (l, h) => name(l, h) + (isGone(l, h) ? ": taken away" : ""),
    fill: (l, h) => pictures[l][h],
    onchoose: (layer, head) => change({ layer, head }),
    onkey: (event, l, h) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      take(l, h, !isGone(l, h));
    },
  });
  const away = toggle({
    label: "Take this head away",
    oninput: (on) => take(get("layer"), get("head"), on),
  });
  const back = make("button", {
    type: "button", text: "Bring all heads back",
    onclick: () => change({ gone: [] }),
  });
  const map = heatMap({
    label: "Weights of the chosen head", rows: tokens, columns: tokens,
    corner: "token", at: [tokens.length - 1, 0],
    look: (t, s) => ({
      weight: s > t ? 0 : chosen()[t][s], kind: s > t ? "ahead" : "",
    }),
    tell: (t, s) => `token ${t + 1}, ${tokens[t]}, reads token ${s + 1}, ` +
      `${tokens[s]}: ${number(chosen()[t][s])}`,
  });
  const whole = losses[0];
  const most = Math.max(...losses.map((row) => Math.max(...row)));
  const table = lossTable(tokens, counted, Math.min(most, 8));
  const title = make("p", { class: "part" });
  const [before, now] = [0, 1].map(() => make("b"));
  root.append(
    make("p", { class: "part", text: "Pick a head; Space takes it away" }),
    make("div", { class: "heads" }, heads.node),
    make("div", { class: "beside" }, away.node, back),
    make("p", { class: "number mean" }, "Mean loss of the marked tokens: ",
      before, " with all heads, ", now, " now."),
    make("div", { class: "panes" },
      make("div", {},
        make("div", { class: "beside" }, title, ramp()), map.node),
      make("div", {},
        make("p", { class: "part", text: "Loss of each next token, nats" }),
        table.node),
    ),
  );
  let drawn; // the set of the first layer whose pictures are shown
  return () => {
    const gone = get("gone");
    const [l, h] = [get("layer"), get("head")];
    const first = setOf(gone.filter(([layer]) => layer === 0), H);
    if (drawn !== first) {
      drawn = first;
      maps().forEach((layer, i) => layer.forEach((weights, j) =>
        set(pictures[i][j], { "--picture": picture(weights) })));
    }
    heads.show(l, h);
    away.show(isGone(l, h));
    set(back, { disabled: gone.length === 0 });
    set(title, { text: name(l, h) +
      (isGone(l, h) ? ": what it would read" : "") });
    const [t] = map.at();
    map.show(t, argmax(chosen()[t]));
    const found = lossesOf(losses, counted, setOf(gone, H));
    table.rows.forEach((row, i) => row.show(whole[i], found.each[i]));
    set(before, { text: number(lossesOf(losses, counted, 0).mean) });
    set(now, { text: number(found.mean) });
    const list = gone.map(([i, j]) => `${i + 1}.${j + 1}`).join(", ");
    say(`${name(l, h)}; taken away: ${list || "none"}; mean loss ` +
      `${number(found.mean)}`);
  };
}

const render = (context) =>
  explore(context, "Head ablation", heatStyle + style, build);

export default { render };
