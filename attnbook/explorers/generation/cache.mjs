// The cache as it fills, and the dot products that it saves.

import { dotProducts } from "../kit/decoder.mjs";
import { element as make, number, set } from "../kit/explorer.mjs";

const GROUPED = new Intl.NumberFormat("en");
const SIGNS = ["above", "below"];

// A picture of numbers from 0 to 1, value(row, column), that takes the colour
// of the element it masks.
function picture(rows, columns, value) {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [rows, columns];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    image.data[4 * i + 3] =
      Math.round(255 * value(Math.floor(i / columns), i % columns));
  }
  context.putImageData(image, 0, 0);
  return `url(${canvas.toDataURL()})`;
}

// Two rows a layer under the attention: keys and values, a column a token.
export function drawStores({ get }) {
  const [longest, layers] = ["longest", "layers"].map(get);
  const each = Array.from({ length: layers }, (_, l) =>
    ["keys", "values"].map((kind) => {
      const strips = SIGNS.map((sign) =>
        make("i", { class: `mask ${sign}` }));
      const edge = make("i", { class: "edge" });
      const node = make(
        "div", { class: "row store", "aria-hidden": "true" },
        make("div", {}, make("span", { text: `L${l + 1} ${kind}` })),
        make("div", { class: "slots", "--slots": longest }, ...strips, edge),
      );
      return { l, kind, strips, edge, node };
    })).flat();
  const legend = make("p", { class: "quiet number" });
  const show = ({ ids, cache }) => {
    const cached = get("cached");
    const filled = cached ? ids.length : 0;
    for (const { l, kind, strips, edge, node } of each) {
      const columns = cache[kind][l].map((row) =>
        row.flatMap((head) => [...head]));
      const most = Math.max(...columns.flat().map(Math.abs), 1e-9);
      const size = columns[0].length;
      strips.forEach((strip, i) => set(strip, {
        "--picture": picture(size, longest, (d, s) => s < filled
          ? Math.max(0, ((i ? -1 : 1) * columns[s][d]) / most) : 0),
      }));
      set(edge, { "--at": filled - 1, hidden: !cached });
      node.classList.toggle("unused", !cached);
    }
    const size = cache.keys[0][0].reduce((n, head) => n + head.length, 0);
    set(legend, {
      text: cached
        ? `The cache holds ${filled} of ${longest} columns: ${filled} × ` +
          `${layers} layers × 2 × ${size} = ` +
          `${GROUPED.format(filled * layers * 2 * size)} numbers, blue ` +
          "above 0, orange below."
        : "Nothing is kept: each step makes the keys and values of all " +
          `${ids.length} tokens again.`,
    });
  };
  return { rows: each.map(({ node }) => node), legend, show };
}

// Dot products of queries and keys, with the cache and without, and which of
// all the pairs this step computes.
export function drawCost({ get }) {
  const [longest, layers, heads] = ["longest", "layers", "heads"].map(get);
  const parts = ["past", "now"].map((kind) =>
    make("i", { class: `mask ${kind}` }));
  const triangle = make("div", { class: "triangle", role: "img" }, ...parts);
  const rows = ["with cache", "without", "ratio"].map((text) => {
    const cells = [0, 1].map(() => make("td", { class: "n" }));
    const node = make("tr", {}, make("th", { scope: "row", text }), ...cells);
    return { node, cells };
  });
  const head = (text) => make("th", { scope: "col", text });
  const why = make("p", { class: "quiet number" });
  const node = make(
    "div", { class: "panes cost" },
    make("div", {},
      make("p", { class: "part", text: "Pairs of query (row) and key" }),
      triangle, make("p", { class: "quiet" }, make("i", { class: "key now" }),
        "in this step ", make("i", { class: "key past" }), "before")),
    make("div", {},
      make("table", {},
        make("thead", {}, make("tr", {}, head("dot products"),
          head("this step"), head("all steps"))),
        make("tbody", {}, ...rows.map((row) => row.node))),
      why),
  );
  const show = (P, T) => {
    const cached = get("cached");
    const each = layers * heads;
    const [kept, again] = [true, false].map((on) => dotProducts(P, T, on));
    ["step", "all"].forEach((when, i) => {
      const [a, b] = [kept[when], again[when]];
      set(rows[0].cells[i], { text: GROUPED.format(each * a) });
      set(rows[1].cells[i], { text: GROUPED.format(each * b) });
      set(rows[2].cells[i], { text: number(b / a, 1) });
    });
    rows[0].node.classList.toggle("now", cached);
    rows[1].node.classList.toggle("now", !cached);
    const fresh = (t) => !cached || T === P || t === T - 1;
    const inside = (t, s) => s <= t && t < T;
    [false, true].forEach((now, i) => set(parts[i], {
      "--picture": picture(longest, longest, (t, s) =>
        Number(inside(t, s) && fresh(t) === now)),
    }));
    const count = T === P || !cached ? (T * (T + 1)) / 2 : T;
    set(triangle, {
      "aria-label": `Pairs of query and key: ${count} of ` +
        `${(T * (T + 1)) / 2} are computed in this step`,
    });
    const times = `${layers} layers × ${heads} heads`;
    set(why, {
      text: T === P
        ? `The prompt is read in one step: ${times} × ${count} pairs.`
        : cached
          ? `This step: ${times} × ${T} keys for one new query.`
          : `This step: ${times} × ${count} pairs, all but ${T} of them ` +
            "known from the steps before.",
    });
  };
  return { node, show };
}
