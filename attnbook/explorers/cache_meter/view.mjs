// What the cache of a published model weighs, next to the same model with
// other keys and values, and how many sequences fit on a card.

import { clamp } from "../kit/arithmetic.mjs";
import {
  cacheBytes, cachedNumbers, divisors, fitting, growth, kindOf, variant,
  written,
} from "../kit/caches.mjs";
import { choice, element as make, explore, picker, set, stepper } from
  "../kit/explorer.mjs";
import style from "./style.css";

const GROUPED = new Intl.NumberFormat("en");
const grouped = (x) => GROUPED.format(x);
const GIB = 2 ** 30;
const EACH = { float32: 4, bfloat16: 2, int8: 1 };
const KINDS = ["MHA", "GQA", "MQA", "MLA"];
const NARROWEST = 0.01; // of the card: a sequence with an edge of its own

// Where the sliders stop: powers of two, and what lies half way.
const halves = (least, most) => Array.from({ length: 21 }, (_, i) =>
  [2 ** i, 3 * 2 ** (i - 1)]).flat()
  .filter((x) => x === Math.floor(x) && x >= least && x <= most)
  .sort((a, b) => a - b);
const CARDS = [
  1, 2, 4, 6, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 141, 192, 256, 384,
  512, 768, 1024,
];

// A slider over `stops`; between two of them Python can set any number.
function stopped({ label, stops, key, text }, { get, change }) {
  const control = stepper({
    label, max: stops.length - 1, text: () => text(get(key)),
    oninput: (place) => change({ [key]: stops[Math.round(place)] }),
  });
  const show = () => {
    const at = stops.findIndex((stop) => stop >= get(key));
    control.show(at < 0 ? stops.length - 1 : at);
  };
  return { node: control.node, show };
}

const startOf = (shape) => kindOf(shape) === "GQA" ? shape.kv_heads
  : divisors(shape.heads).findLast((G) => G <= 8);

// A bar as long as the card: what the weights take, the sequences, the rest.
function cardBar() {
  const [taken, cache] = ["taken", "cache"].map((kind) =>
    make("i", { class: kind }));
  const node = make("div", { class: "card", "aria-hidden": "true" },
    taken, cache);
  const show = (weights, total, card, batch) => {
    const start = clamp(weights / card, 0, 1);
    const share = total / card;
    set(taken, { "--share": start });
    set(cache, {
      "--share": Math.min(share, 1 - start),
      "--each": `${(share / batch) * 100}cqw`,
    });
    cache.classList.toggle("many", share / batch < NARROWEST);
    node.classList.toggle("over", start + share > 1);
  };
  return { node, show };
}

function comparison() {
  const head = (text, kind = "") =>
    make("th", { scope: "col", class: kind, text });
  const all = head("");
  const lines = ["as published", ...KINDS].map((kind, i) => {
    const cells = Array.from({ length: 4 }, () => make("td", { class: "n" }));
    const name = make("th", { scope: "row" });
    const bar = cardBar();
    const row = make("tr", { class: i ? "" : "own" }, name, ...cells);
    const below = make("tr", { class: "below", "aria-hidden": "true" },
      make("td", { colspan: 5 }, bar.node));
    return { kind, cells, name, bar, row, below };
  });
  const node = make(
    "table", {},
    make("thead", {}, make("tr", {}, head("keys and values", "wide"),
      head("per token"), head("per sequence"), all, head("fit"))),
    make("tbody", {}, ...lines.flatMap(({ row, below }) => [row, below])),
  );
  return { node, lines, all };
}

function everyModel(shapes, onpick) {
  const rows = shapes.map(({ model }) => {
    const cells = [0, 1].map(() => make("td", { class: "n" }));
    const bar = make("div", { class: "bar" });
    const pick = make("button", { type: "button", onclick: () =>
      onpick(model) }, model);
    const node = make("tr", {}, make("th", { scope: "row" }, pick), ...cells,
      make("td", { class: "wide" }, bar));
    return { node, cells, bar };
  });
  const head = (text, kind = "") =>
    make("th", { scope: "col", class: kind, text });
  const length = head("");
  const node = make(
    "details", {},
    make("summary", { text: `All ${shapes.length} models at this length` }),
    make("table", { class: "every" },
      make("thead", {}, make("tr", {}, head("as published", "wide"),
        head("per token"), length, make("td"))),
      make("tbody", {}, ...rows.map((row) => row.node))),
  );
  const show = (chosen, tokens, each) => {
    set(length, { text: `${grouped(tokens)} tokens` });
    const bytes = shapes.map((shape) => cacheBytes(shape, tokens, 1, each));
    const most = Math.max(...bytes);
    rows.forEach(({ node: row, cells, bar }, i) => {
      set(cells[0], { text: written(cacheBytes(shapes[i], 1, 1, each)) });
      set(cells[1], { text: written(bytes[i]) });
      set(bar, { "--weight": bytes[i] / most });
      row.classList.toggle("now", shapes[i].model === chosen);
    });
  };
  return { node, show };
}

// The sizes of a shape, in words.
function told({ layers, heads, kv_heads, d_head, d_latent, d_rotary, own,
  local, window, source }) {
  const keys = d_latent
    ? `one latent of ${d_latent} numbers and a rotary key of ${d_rotary}`
    : `${kv_heads} ${kv_heads === 1 ? "head" : "heads"} of keys and values ` +
      `of size ${d_head}`;
  return [
    `${layers} layers, ${heads} heads of queries, ${keys}.`,
    own < layers && `${own} of the layers have keys and values of their own.`,
    local > 0 && (local === layers ? "All layers keep"
      : `${local} of ${own === layers ? "them" : `these ${own}`} keep`) +
      ` only the newest ${grouped(window)} tokens.`,
    `Source: ${source}.`,
  ].filter(Boolean).join(" ");
}

// How the bytes of one token come about.
function formula(shape, each) {
  const { kv_heads: G, d_head: d, d_latent, d_rotary, own } = shape;
  const numbers = d_latent ? `(${d_latent} + ${d_rotary})`
    : `2 · ${G} · ${d}`;
  return `One token: ${numbers} numbers × ${own} layers × ${each} ` +
    `${each > 1 ? "bytes" : "byte"} = ` +
    `${grouped(cachedNumbers(shape) * own * each)} bytes.`;
}

function render(context) {
  return explore(context, "Cache meter", style, (tools) => {
    const { root, get, change, say } = tools;
    const shapes = get("shapes");
    const chosen = () => shapes.find(({ model }) => model === get("model"));
    const take = (shape) =>
      change({ model: shape.model, groups: startOf(shape) });
    const pick = picker({
      label: "Model", options: shapes.map(({ model }) => model),
      oninput: (place) => take(shapes[place]),
    });
    const about = make("p", { class: "about quiet" });
    const type = choice({
      label: "Numbers",
      options: [["float32", "float32"], ["bfloat16", "bfloat16, float16"],
        ["int8", "int8, float8"]],
      oninput: (number) => change({ number }),
    });
    const plural = (what) => (x) => `${grouped(x)}${what}`;
    const sliders = [
      ["Tokens", halves(128, 2 ** 20), "tokens", plural("")],
      ["Sequences", halves(1, 1024), "batch", plural("")],
      ["Card", CARDS, "card", plural(" GiB")],
      ["Weights take", [0, ...CARDS], "weights", plural(" GiB")],
    ].map(([label, stops, key, text]) =>
      stopped({ label, stops, key, text }, tools));
    const sum = make("p", { class: "number" });
    const table = comparison();
    const place = make("div");
    const verdict = make("p", { class: "verdict number" });
    const every = everyModel(shapes, (model) =>
      take(shapes.find((shape) => shape.model === model)));
    root.append(
      pick.node, about,
      make("div", { class: "controls" }, type.node),
      make("div", { class: "controls sliders" },
        ...sliders.map(({ node }) => node), place),
      sum, verdict,
      make("div", { class: "beside" },
        make("p", { class: "part", text: "The same model with other keys " +
          "and values; below each row, the card" }),
        make("p", { class: "keys quiet" },
          make("span", {}, make("i", { class: "taken" }), "weights"),
          make("span", {}, make("i", { class: "cache" }), "cache"),
          make("span", {}, make("i", { class: "card" }), "free"))),
      table.node,
      make("p", { class: "quiet small", text: "MLA: the numbers of the " +
        "latent and of the rotary key. A model without them gets a latent " +
        "as large as 4 heads and a rotary key as large as half a head, the " +
        "proportions of DeepSeek-V2. A KiB is 1,024 bytes, a GiB 2³⁰." }),
      every.node,
    );
    let shown;
    let groups;
    const rebuild = (shape) => {
      if (shown === shape.heads) return;
      shown = shape.heads;
      const stops = divisors(shape.heads);
      groups = stopped({ label: "Groups G", stops, key: "groups",
        text: String }, tools);
      place.replaceChildren(groups.node);
    };
    return () => {
      const shape = chosen();
      const [tokens, batch, number, card, weights] =
        ["tokens", "batch", "number", "card", "weights"].map(get);
      const each = EACH[number];
      const room = (card - weights) * GIB;
      pick.show(shapes.indexOf(shape));
      set(about, { text: told(shape) });
      type.show(number);
      sliders.forEach((slider) => slider.show());
      rebuild(shape);
      groups.show();

      const G = get("groups");
      set(table.all, { text: batch === 1 ? "1 sequence" : `all ${grouped(batch)}` });
      for (const { kind, cells, name, bar, row } of table.lines) {
        const same = row.classList.contains("own");
        const other = same ? shape : variant(shape, kind, G);
        const [one, sequence, total] = [[1, 1], [tokens, 1], [tokens, batch]]
          .map(([T, B]) => cacheBytes(other, T, B, each));
        const fit = fitting(other, tokens, each, room);
        set(name, {
          text: same ? `${kindOf(shape)} as published`
            : kind === "GQA" ? `GQA, G = ${G}`
              : kind === "MLA" ? `MLA, ${other.d_latent} + ${other.d_rotary}`
                : kind,
        });
        [one, sequence, total].forEach((bytes, i) =>
          set(cells[i], { text: written(bytes) }));
        set(cells[3], { text: grouped(fit) });
        cells[3].classList.toggle("short", fit < batch);
        bar.show(weights, total / GIB, card, batch);
      }
      const [bytes, fit] = [cacheBytes(shape, tokens, batch, each),
        fitting(shape, tokens, each, room)];
      const more = growth(shape, tokens, each);
      const full = cacheBytes(shape, 1, 1, each);
      set(sum, {
        text: `${formula(shape, each)} ` + (more < full
          ? `At ${grouped(tokens)} tokens the windows are full: one more ` +
            `token adds ${more ? written(more) : "nothing"}.` : ""),
      });
      const many = `${grouped(batch)} ${batch === 1 ? "sequence" : "sequences"}`;
      set(verdict, {
        text: `${many} of ${grouped(tokens)} tokens: ${written(bytes)} of ` +
          `cache. ${grouped(fit)} ${fit === 1 ? "fits" : "fit"} on the card` +
          (weights ? " beside the weights." : "."),
      });
      verdict.classList.toggle("over", fit < batch);
      every.show(shape.model, tokens, each);
      say(`${shape.model}: ${verdict.textContent}`);
    };
  });
}

export default { render };
