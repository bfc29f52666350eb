// A heat map as a grid for mouse, touch and keyboard, with a live read-out.

import { clamp } from "./arithmetic.mjs";
import { element as make, set } from "./explorer.mjs";
import style from "./heat_map.css";

export { style };

const MOVES = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0],
  ArrowLeft: [0, -1], ArrowRight: [0, 1],
  Home: [0, -Infinity], End: [0, Infinity],
  PageUp: [-Infinity, 0], PageDown: [Infinity, 0],
};

// Cell (t, s) looks as look(t, s) says, { weight: 0 to 1, kind: classes },
// and tell(t, s) is what it reads out. One cell is chosen; onchoose(t, s)
// hears of another, onkey(event, t, s) of keys that do not walk. `beside`
// are nodes at the ends of the rows, for the eye alone.
export function heatMap({
  label, rows, columns, corner = "", look, tell, at = [0, 0],
  onchoose, onkey, beside = [], fill,
}) {
  let [row, column] = at;
  const read = make("p", { class: "read number" });
  const cells = rows.map((_, t) => columns.map((_, s) => make("div", {
    class: "cell", role: "gridcell", tabindex: -1,
    onfocus: () => {
      if (t === row && s === column) return;
      [row, column] = [t, s];
      mark();
      onchoose?.(t, s);
    },
    onclick: () => cells[t][s].focus(),
    onpointerenter: () => set(read, { text: tell(t, s) }),
  }, fill?.(t, s))));
  const heads = columns.map((text) =>
    make("div", { class: "column", role: "columnheader", text }));
  const lines = cells.map((line, t) => make(
    "div", { class: "row", role: "row" },
    make("div", { role: "rowheader" }, make("span", { text: rows[t] })),
    ...line,
    beside[t],
  ));
  const longest = Math.max(...rows.map((text) => text.length));
  const node = make(
    "div", {
      class: "grid", role: "grid", "aria-label": label,
      "--head": `${clamp(0.4 + 0.5 * longest, 2, 6)}rem`,
      onpointerleave: () => set(read, { text: tell(row, column) }),
      onkeydown: (event) => {
        const move = MOVES[event.key];
        if (!move) return onkey?.(event, row, column);
        event.preventDefault();
        const t = clamp(row + move[0], 0, rows.length - 1);
        const s = clamp(column + move[1], 0, columns.length - 1);
        cells[t][s].focus();
        onkey?.(event, t, s);
      },
    },
    make(
      "div", { class: "row", role: "row" },
      make("div", { role: "columnheader", class: "corner", text: corner }),
      ...heads,
      beside[0]?.cloneNode(),
    ),
    ...lines,
  );
  const kinds = rows.map(() => columns.map(() => ""));
  const dress = (t, s) => {
    const chosen = t === row && s === column;
    set(cells[t][s], {
      class: `cell ${kinds[t][s]}${chosen ? " chosen" : ""}`,
      tabindex: chosen ? 0 : -1, "aria-selected": `${chosen}`,
    });
  };
  const mark = () => {
    cells.forEach((line, t) => line.forEach((_, s) => dress(t, s)));
    lines.forEach((line, t) => line.classList.toggle("now", t === row));
    heads.forEach((head, s) => head.classList.toggle("now", s === column));
    set(read, { text: tell(row, column) });
  };
  const show = (t = row, s = column) => {
    [row, column] = [t, s];
    cells.forEach((line, i) => line.forEach((cell, j) => {
      const { weight, kind = "" } = look(i, j);
      kinds[i][j] = kind;
      set(cell, { "--weight": weight, "aria-label": tell(i, j) });
    }));
    mark();
  };
  return { node: make("div", {}, node, read), cells, at: () => [row, column],
    show };
}

// The legend of the ramp of colours.
export const ramp = (low = "weight 0", high = "1") => make(
  "span", { class: "ramp", "aria-hidden": "true" }, low, make("i"), high,
);
