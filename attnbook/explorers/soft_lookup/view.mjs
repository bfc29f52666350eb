// A soft look-up on a plane: drag the query, and each key's score, weight
// and share of the answer follow.

import {
  argmax, blend, clamp, scoreFunctions, softmax, sum,
} from "../kit/arithmetic.mjs";
import {
  choice, element as make, explore, number, plain, set, temperatureSlider,
} from "../kit/explorer.mjs";
import style from "./style.css";

const REACH = 1.2; // the query moves in [-REACH, REACH] squared
const SIZE = 340;
const EDGE = 8;
const UNIT = (SIZE / 2 - EDGE) / REACH;
const toPlane = ([x, y]) => [SIZE / 2 + UNIT * x, SIZE / 2 - UNIT * y];

const SCORES = {
  dot: "dot product",
  "negative-distance": "negative distance",
};

const pen = document.createElement("canvas").getContext("2d");

// Where a label covers least of keys and other labels: beside its point,
// above it or below it.
function place([x, y], text, points, others) {
  pen.font = "12.5px system-ui, sans-serif";
  const w = pen.measureText(text).width / 2;
  const inside = clamp(x, w + 3, SIZE - w - 3);
  const sides = [
    [x + 12 + w, y, "start", x + 12, y + 4],
    [x - 12 - w, y, "end", x - 12, y + 4],
    [inside, y - 18, "middle", inside, y - 14],
    [inside, y + 20, "middle", inside, y + 24],
  ].map(([cx, cy, anchor, tx, ty]) => ({ cx, cy, w, anchor, tx, ty }));
  const cost = ({ cx, cy }) => {
    const covers = (at, width, height) =>
      Math.max(w + width - Math.abs(at[0] - cx), 0) *
      Math.max(height - Math.abs(at[1] - cy), 0);
    const out = cx - w < 2 || cx + w > SIZE - 2 || cy < 8 || cy > SIZE - 8;
    return (
      (out ? 1e4 : 0) +
      sum(points.map((point) => 9 * covers(point, 8, 15))) +
      sum(others.map((label) => covers([label.cx, label.cy], label.w + 4, 19)))
    );
  };
  return sides.reduce((a, b) => (cost(b) < cost(a) ? b : a));
}

function drawPlane({ get, change }) {
  const keys = get("key");
  const labels = get("labels");
  const points = keys.map(toPlane);
  const plane = make("svg", {
    class: "plane", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group",
    "aria-label": "The query among the keys",
  });
  for (const at of [-1, -0.5, 0, 0.5, 1]) {
    const [x, y] = toPlane([at, at]);
    const kind = at === 0 ? "axis" : "grid";
    plane.append(
      make("line", { class: kind, x1: x, x2: x, y1: EDGE, y2: SIZE - EDGE }),
      make("line", { class: kind, y1: y, y2: y, x1: EDGE, x2: SIZE - EDGE }),
    );
  }
  const side = SIZE - 2 * EDGE;
  plane.append(make("rect", {
    class: "frame", x: EDGE, y: EDGE, width: side, height: side, rx: 3,
  }));
  const places = []; // of ticks and labels
  for (const at of [-1, 1]) {
    const [x, y] = toPlane([at, at]);
    const text = plain(at);
    const below = { x, y: SIZE / 2 + 13, "text-anchor": "middle" };
    const beside = { x: SIZE / 2 - 5, y: y + 4, "text-anchor": "end" };
    plane.append(
      make("text", { class: "tick", text, ...below }),
      make("text", { class: "tick", text, ...beside }),
    );
    places.push({ cx: x, cy: SIZE / 2 + 9, w: 6 });
    places.push({ cx: SIZE / 2 - 10, cy: y, w: 6 });
  }
  const ties = points.map(([x, y]) =>
    make("line", { class: "tie", x2: x, y2: y }));
  const names = points.map((point, i) => {
    const rest = points.filter((other) => other !== point);
    const best = place(point, labels[i], rest, places);
    places.push(best);
    const at = { x: best.tx, y: best.ty, "text-anchor": best.anchor };
    return make("text", { text: labels[i], ...at });
  });
  plane.append(
    ...ties,
    ...points.map(([cx, cy]) => make("circle", { class: "key", cx, cy, r: 6 })),
    ...names,
  );

  const move = (query) => change({
    query: query.map((x) => Number(clamp(x, -REACH, REACH).toFixed(3))),
  });
  const name = make("text", { text: "query" });
  const handle = make(
    "g",
    {
      class: "handle", tabindex: 0, role: "slider",
      "aria-roledescription": "point on a plane", "aria-label": "Query",
      "aria-valuemin": -REACH, "aria-valuemax": REACH,
      // A finger on the handle drags it; touch-action does not hold in SVG.
      ontouchstart: (event) => event.preventDefault(),
      onkeydown: (event) => {
        const [dx, dy] = {
          ArrowLeft: [-1, 0], ArrowRight: [1, 0],
          ArrowUp: [0, 1], ArrowDown: [0, -1],
        }[event.key] ?? [0, 0];
        if (!dx && !dy && event.key !== "Home") return;
        event.preventDefault();
        if (event.key === "Home") return move([0, 0]);
        const [x, y] = get("query");
        const step = event.shiftKey ? 0.25 : 0.05;
        move([x + step * dx, y + step * dy]);
      },
    },
    make("circle", { class: "reach", r: 24 }),
    make("circle", { class: "ring", r: 13 }),
    make("circle", { class: "dot", r: 8.5 }),
    name,
  );
  plane.append(handle);

  const toQuery = (event) => {
    const box = plane.getBoundingClientRect();
    const scale = SIZE / box.width;
    return [
      ((event.clientX - box.left) * scale - SIZE / 2) / UNIT,
      (SIZE / 2 - (event.clientY - box.top) * scale) / UNIT,
    ];
  };
  let held = null;
  const release = () => (held = null);
  set(plane, {
    onpointerdown: (event) => {
      if (event.button) return;
      const onHandle = handle.contains(event.target);
      // A finger on the empty plane may be scrolling the page: it moves
      // the query by a tap alone (click).
      if (event.pointerType === "touch" && !onHandle) return;
      event.preventDefault();
      handle.focus({ preventScroll: true, focusVisible: false });
      held = event.pointerId;
      plane.setPointerCapture(held);
      if (!onHandle) move(toQuery(event));
    },
    onpointermove: (event) => {
      if (event.pointerId === held) move(toQuery(event));
    },
    onpointerup: release,
    onpointercancel: release,
    onclick: (event) => {
      if (event.pointerType === "touch" && !handle.contains(event.target)) {
        move(toQuery(event));
      }
    },
  });

  const show = (query, weights) => {
    const [x, y] = toPlane(query);
    const best = place([x, y], "query", points, places);
    set(name, {
      x: best.tx - x, y: best.ty - y, "text-anchor": best.anchor,
    });
    set(handle, {
      transform: `translate(${x} ${y})`,
      "aria-valuenow": query[0],
      "aria-valuetext": `x ${number(query[0])}, y ${number(query[1])}`,
    });
    ties.forEach((tie, i) => set(tie, {
      x1: x, y1: y,
      "stroke-width": 0.75 + 9 * weights[i],
      "stroke-opacity": 0.2 + 0.6 * weights[i],
    }));
  };
  return { plane, show };
}

function drawTable({ get }) {
  const rows = get("labels").map((label, i) => {
    const score = make("td", { class: "n" });
    const weight = make("td", { class: "n" });
    const bar = make("div", { class: "bar" });
    const node = make(
      "tr", {},
      make("th", { scope: "row", text: label }),
      score,
      make("td", { class: "wide" }, bar),
      weight,
      make("td", { class: "n", text: plain(get("value")[i]) }),
    );
    return { node, score, weight, bar };
  });
  const node = make(
    "table", { "aria-label": "Scores, weights and values" },
    make("thead", {}, make(
      "tr", {},
      make("th", { scope: "col", text: "key" }),
      make("th", { scope: "col", text: "score" }),
      make("th", { scope: "col", colspan: 2, class: "wide", text: "weight" }),
      make("th", { scope: "col", text: "value" }),
    )),
    make("tbody", {}, ...rows.map((row) => row.node)),
  );
  const show = (scores, weights) => {
    const first = argmax(weights);
    rows.forEach((row, i) => {
      set(row.score, { text: number(scores[i]) });
      set(row.weight, { text: number(weights[i]) });
      set(row.bar, {
        "--weight": weights[i], class: i === first ? "bar lead" : "bar",
      });
    });
  };
  return { node, show };
}

function drawAnswer({ get }) {
  const values = get("value");
  const low = Math.min(...values);
  const high = Math.max(...values);
  const at = (x) => (high > low ? (x - low) / (high - low) : 0.5);
  const dots = values.map((value) => make("i", { "--at": at(value) }));
  const mean = make("div", { class: "mean" });
  const text = make("b", { class: "number" });
  const node = make(
    "div", { class: "answer" },
    make("p", {}, make("span", {
      class: "quiet", text: "Blended value, Σ weight × value: ",
    }), text),
    make(
      "div", { class: "line", "aria-hidden": "true" },
      ...dots, mean,
      make("span", { "--at": 0, text: plain(low) }),
      high > low ? make("span", { "--at": 1, text: plain(high) }) : null,
    ),
  );
  const show = (weights, output) => {
    dots.forEach((dot, i) => set(dot, { "--weight": weights[i] }));
    set(mean, { "--at": at(output) });
    set(text, { text: number(output) });
  };
  return { node, show };
}

function render(context) {
  return explore(context, "Soft look-up", style, (tools) => {
    const { root, get, change, say } = tools;
    const plane = drawPlane(tools);
    const table = drawTable(tools);
    const answer = drawAnswer(tools);
    const temperature = temperatureSlider(tools);
    const score = choice({
      label: "Score", options: Object.entries(SCORES),
      oninput: (name) => change({ score: name }),
    });
    root.append(
      make(
        "div", { class: "lookup" },
        plane.plane,
        make("div", {}, table.node, answer.node),
      ),
      make("div", { class: "controls two" }, temperature.node, score.node),
    );
    return () => {
      const query = get("query");
      const scores = scoreFunctions[get("score")](query, get("key"));
      const weights = softmax(scores, get("temperature"));
      const output = blend(weights, get("value"));
      plane.show(query, weights);
      table.show(scores, weights);
      answer.show(weights, output);
      temperature.show();
      score.show(get("score"));
      const first = argmax(weights);
      say(
        `Largest weight ${number(weights[first])} on ${get("labels")[first]}. ` +
        `Blended value ${number(output)}.`,
      );
    };
  });
}

export default { render };
