// What every explorer shares: elements, the theme of the page, keys that
// stay inside, a live region, sliders, numbers.

import { clamp, fromLog, toLog } from "./arithmetic.mjs";
import css from "./explorer.css";

const SVG = new Set(
  "svg g path circle line rect text title polyline".split(" "),
);

// element("p", { class: "note", onclick: f, text: "…" }, ...children)
export function element(name, attributes = {}, ...children) {
  const node = SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  set(node, attributes);
  node.append(...children.filter((child) => child != null));
  return node;
}

export function set(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") {
      if (node.textContent !== value) node.textContent = value;
    } else if (key.startsWith("on")) {
      node.addEventListener(key.slice(2), value);
    } else if (key.startsWith("--")) {
      node.style.setProperty(key, value);
    } else if (value === false || value == null) {
      node.removeAttribute(key);
    } else {
      node.setAttribute(key, value === true ? "" : value);
    }
  }
  return node;
}

const hide = { class: "hidden" };

// A number as the page writes it: a true minus, a fixed number of digits.
export const number = (x, digits = 2) => {
  const text = x.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace(
    "-",
    "−",
  );
};

export const short = (x) =>
  number(x, x >= 9.95 ? 0 : x >= 0.995 ? 1 : 2);

// A value of the reader's own: as many digits as it has, four at most.
export const plain = (x) => String(Number(x.toPrecision(4))).replace("-", "−");

// Dark or light, as the page is; as the system is where that is unknown.
function darkness(node, system) {
  const said = document.documentElement.dataset.theme;
  if (said === "dark" || said === "light") return said === "dark";
  const editor = document.body?.className.match(/vscode-(?:\S*-)?(dark|light)/);
  if (editor) return editor[1] === "dark";
  for (let n = node; n; n = n.parentElement ?? n.getRootNode().host) {
    const [r, g, b, a = 1] =
      getComputedStyle(n).backgroundColor.match(/^rgb/) ?
        getComputedStyle(n).backgroundColor.match(/[\d.]+/g).map(Number) :
        [0, 0, 0, 0];
    if (a > 0.5) return 0.2126 * r + 0.7152 * g + 0.0722 * b < 128;
  }
  return system.matches;
}

function followTheme(host, root) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    root.dataset.theme = darkness(host, system) ? "dark" : "light";
  };
  const page = new MutationObserver(follow);
  for (const node of [document.documentElement, document.body]) {
    if (node) page.observe(node, { attributes: true });
  }
  const shown = new ResizeObserver(follow); // fires when first attached
  shown.observe(host);
  system.addEventListener("change", follow);
  follow();
  return () => {
    page.disconnect();
    shown.disconnect();
    system.removeEventListener("change", follow);
  };
}

// Puts an explorer into `el`. `build(tools)` returns the function that
// draws the model's state; it runs at once and after each change.
export function explore({ model, el }, title, build) {
  const host = element("div", { "data-lm-suppress-shortcuts": "true" });
  const shadow = host.attachShadow({ mode: "open" });
  const live = element("div", { ...hide, "aria-live": "polite" });
  const root = element("div", {
    class: "explorer",
    role: "group",
    "aria-label": title,
    // Jupyter and the book both act on keys that reach the document.
    onkeydown: (event) => {
      if (!event.ctrlKey && !event.metaKey && event.key !== "Tab") {
        event.stopPropagation();
      }
    },
  });
  shadow.append(element("style", { text: css }), root);
  el.append(host);

  let saying;
  let frame;
  const stops = [followTheme(host, root)];
  const tools = {
    root,
    get: (name) => model.get(name),
    change(values) {
      for (const [name, value] of Object.entries(values)) {
        model.set(name, value);
      }
      model.save_changes();
    },
    say(text) {
      clearTimeout(saying);
      saying = setTimeout(() => set(live, { text }), 500);
    },
  };
  const draw = build(tools);
  root.append(live);
  const later = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => draw());
  };
  model.on("change", later);
  draw();
  return () => {
    model.off("change", later);
    cancelAnimationFrame(frame);
    clearTimeout(saying);
    stops.forEach((stop) => stop());
  };
}

// A labelled native range input. `text` writes the value beside it.
export function slider({ label, min, max, step, text, oninput, hint }) {
  const value = element("span", { class: "number", "aria-hidden": "true" });
  const input = element("input", {
    type: "range",
    min,
    max,
    step,
    oninput: () => oninput(Number(input.value)),
  });
  const node = element(
    "label",
    { class: "slider" },
    element(
      "span",
      { class: "name" },
      label,
      hint && element("span", { class: "quiet", text: ` ${hint}` }),
    ),
    input,
    value,
  );
  const show = (position) => {
    input.value = position;
    const part = (input.value - input.min) / (input.max - input.min || 1);
    set(input, { "aria-valuetext": text(position), "--part": part });
    set(value, { text: text(position) });
  };
  return { node, input, show };
}

export const TEMPERATURES = [0.05, 20];

export function temperatureSlider({ get, change }) {
  const [low, high] = TEMPERATURES;
  const part = slider({
    label: "Temperature",
    min: toLog(low),
    max: toLog(high),
    step: "any",
    text: (position) => fine(fromLog(position)),
    oninput: (position) =>
      change({ temperature: clamp(fromLog(position), low, high) }),
  });
  // A step of any size has no arrow keys worth the name: give it some.
  part.input.addEventListener("keydown", (event) => {
    const steps = {
      ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1,
      PageUp: 4, PageDown: -4,
    }[event.key];
    if (!steps) return;
    event.preventDefault();
    const position = toLog(get("temperature")) + steps * Math.log10(1.15);
    change({ temperature: clamp(fromLog(position), low, high) });
  });
  return {
    node: part.node,
    show: () => part.show(toLog(get("temperature"))),
  };
}

const fine = (x) => (x >= 10 ? number(x, 1) : number(x, 2));
