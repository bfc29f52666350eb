// Paint a mask over scores by mouse, finger or keyboard; the weights follow.
// A query with nothing left to attend to shows what three policies make of it.

import {
  argmax, filledSoftmax, maskedSoftmax, presetMasks, sum,
} from "../kit/arithmetic.mjs";
import { choice, element as make, explore, number, set } from
  "../kit/explorer.mjs";
import hatched from "../kit/hatched.css";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import { strokes } from "../kit/strokes.mjs";
import style from "./style.css";

// What becomes of a row without keys, (S,) scores, by three policies.
function policyTable() {
  const head = (text, kind) => make("th", { class: kind, text });
  const rows = ["−∞, empty rows 0", "−∞ alone", "−1e9"].map((name) => {
    const cells = [0, 1].map(() => make("td", { class: "n" }));
    const node = make(
      "tr", {}, make("th", { scope: "row", text: name }), ...cells);
    return { node, cells };
  });
  const node = make(
    "table", { class: "policies" },
    make("thead", {}, make("tr", {}, head("masked scores", "wide"),
      head("weight of each key"), head("sum of the row"))),
    make("tbody", {}, ...rows.map((row) => row.node)),
  );
  const show = (scores, allowed) => {
    const three = [
      maskedSoftmax(scores, allowed),
      filledSoftmax(scores, allowed, -Infinity),
      filledSoftmax(scores, allowed, -1e9),
    ];
    three.forEach((weights, i) => [weights[0], sum(weights)].forEach(
      (x, j) => set(rows[i].cells[j], { text: number(x, 3) })));
  };
  return { node, show };
}

const hint =
  "Click, tap or drag over cells; at the keyboard, arrows and Space.";

function render(context) {
  const sheet = heatStyle + hatched + style;
  return explore(context, "Mask painter", sheet, (tools) => {
    const { root, get, change, say } = tools;
    const [scores, queries, keys] =
      ["scores", "query_labels", "key_labels"].map(get);
    const padded = get("padded");
    const masks = presetMasks(queries.length, keys.length, padded);
    const query = (t) => `query ${t + 1}, ${queries[t]}`;
    const key = (s) => `key ${s + 1}, ${keys[s]}`;
    let mask;
    let weights;
    const measure = () => {
      mask = get("mask");
      weights = scores.map((row, t) => maskedSoftmax(row, mask[t]));
    };
    measure();

    const last = padded === 1 ? "last key" : `last ${padded} keys`;
    const preset = choice({
      label: "Mask",
      options: [
        ["none", "none"], ["causal", "causal"],
        ["padding", `padding (${last})`], ["both", "both"],
      ],
      oninput: (name) => change({ mask: masks[name] }),
    });
    const counts = queries.map(() => make("span"));
    const map = heatMap({
      label: "Weights under the mask", corner: "query",
      rows: queries, columns: keys, at: [0, argmax(weights[0])],
      beside: counts.map((count) => make(
        "div", { class: "count", "aria-hidden": "true" }, count)),
      look: (t, s) => ({
        weight: weights[t][s], kind: mask[t][s] ? "" : "out",
      }),
      tell: (t, s) =>
        `${query(t)}; ${key(s)}: ` +
        (mask[t][s] ? number(weights[t][s], 3) : "masked"),
      onkey: (event, t, s) => {
        if (event.key !== " " && event.key !== "Enter") return;
        event.preventDefault();
        paint([[t, s]], !mask[t][s]);
      },
    });
    const paint = (places, on) => {
      const next = get("mask").map((row) => [...row]);
      for (const [t, s] of places) next[t][s] = on;
      change({ mask: next });
      const [t, s] = places.at(-1);
      map.cells[t][s].focus({ preventScroll: true });
    };
    strokes(map.node, map.cells, (t, s) => !get("mask")[t][s], paint);

    const alert = make("p", { class: "alert", role: "alert" });
    const calm = make("p", { class: "calm" }, "Every query has a key left. " +
      "Whether masked scores become −∞ or −1e9, the weights are the same.");
    const table = policyTable();
    root.append(
      preset.node,
      make(
        "div", { class: "panes paint" },
        make(
          "div", {},
          make(
            "div", { class: "beside" },
            make("p", { class: "part" }, make("i", { class: "swatch" }),
              "masked"),
            ramp(),
          ),
          map.node,
          make("p", { class: "hint quiet", text: hint }),
        ),
        make("div", {}, alert, calm, table.node),
      ),
    );
    return () => {
      measure();
      const text = JSON.stringify(mask);
      preset.show(Object.keys(masks).find((name) =>
        JSON.stringify(masks[name]) === text));
      map.show();
      const left = mask.map((row) => row.filter(Boolean).length);
      counts.forEach((count, t) => {
        set(count, {
          text: left[t] ? `${left[t]} key${left[t] > 1 ? "s" : ""}` : "none",
        });
        count.parentNode.classList.toggle("empty", !left[t]);
      });
      const empty = queries.map((_, t) => t).filter((t) => !left[t]);
      const chosen = map.at()[0];
      const row = empty.includes(chosen) ? chosen : empty[0];
      set(alert, {
        text: empty.length
          ? `Nothing to attend to: ${empty.map(query).join("; ")}.` : "",
      });
      set(calm, { hidden: empty.length > 0 });
      set(table.node, { hidden: !empty.length });
      if (empty.length) table.show(scores[row], mask[row]);
      say(`${map.node.querySelector(".read").textContent}. ` +
        `${sum(left)} of ${queries.length * keys.length} pairs are left.`);
    };
  });
}

export default { render };
