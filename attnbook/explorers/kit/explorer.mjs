// What every explorer shares: elements, the theme of the page, keys that
// stay inside, a live region, sliders, numbers.

import { clamp, fromLog, toLog } from "./arithmetic.mjs";
import shared from "./explorer.css";

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

// Puts an explorer into `el`, under its title and its style sheet.
// `build(tools)` returns the function that draws the model's state; it runs
// at once and after each change.
export function explore({ model, el }, title, style, build) {
  const host = element("div", { "data-lm-suppress-shortcuts": "true" });
  const shadow = host.attachShadow({ mode: "open" });
  const live = element("div", { ...hide, "aria-live": "polite" });
  const root = element("div", {
    class: "explorer",
    role: "group",
    "aria-label": title,
    // Jupyter and the book both act on keys that reach the document.
    onkeydown: (event) => {
      const leaves = event.ctrlKey || event.metaKey ||
        event.key === "Tab" || event.key === "Escape";
      if (!leaves) event.stopPropagation();
    },
  });
  shadow.append(element("style", { text: shared + style }), root);
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

// A labelled native range input. `text` writes the value beside it; arrow
// and page keys go from position p to nudge(p, 1), nudge(p, -1), nudge(p, 5).
export function slider({
  label, min, max, step = "any", text, oninput, bare,
  nudge = (position, steps) => position + (steps * (max - min)) / 100,
}) {
  const value = element("span", { class: "number", "aria-hidden": "true" });
  let now; // ahead of the picture, which waits for the next frame
  const move = (position) => {
    now = clamp(position, min, max);
    oninput(now);
  };
  const input = element("input", {
    type: "range",
    min,
    max,
    step,
    "aria-label": bare ? label : null,
    oninput: () => move(Number(input.value)),
    onkeydown: (event) => {
      const steps = KEYS[event.key];
      if (!steps) return;
      event.preventDefault();
      move(nudge(now, steps));
    },
  });
  const node = bare
    ? input
    : element("label", { class: "slider" }, label, input, value);
  const show = (position) => {
    now = position;
    input.value = position;
    const part = (position - min) / (max - min || 1);
    set(input, { "aria-valuetext": text(position), "--part": part });
    set(value, { text: text(position) });
  };
  return { node, input, value, show };
}

const KEYS = {
  ArrowRight: 1,
  ArrowUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageUp: 5,
  PageDown: -5,
};

// Choices side by side: native radio buttons. An option is
// [value, text, disabled].
export function choice({ label, options, oninput }) {
  const inputs = options.map(([value, text, disabled]) => {
    const input = element("input", {
      type: "radio", name: label, value, disabled,
      onchange: () => oninput(value),
    });
    return [input, element("label", {}, input, text)];
  });
  const node = element(
    "div", { class: "choice", role: "radiogroup", "aria-label": label },
    element("span", { "aria-hidden": "true", text: label }),
    element("div", {}, ...inputs.map(([, each]) => each)),
  );
  const show = (value) => {
    for (const [input] of inputs) input.checked = input.value === value;
  };
  return { node, show };
}

export function toggle({ label, disabled, oninput }) {
  const input = element("input", {
    type: "checkbox", disabled, onchange: () => oninput(input.checked),
  });
  const node = element("label", { class: "toggle" }, input, label);
  return { node, show: (on) => (input.checked = on) };
}

// One of a list of texts, by its place.
export function picker({ label, options, oninput }) {
  const select = element(
    "select", { onchange: () => oninput(Number(select.value)) },
    ...options.map((text, value) => element("option", { value, text })),
  );
  const node = element("label", { class: "pick" }, label, select);
  return { node, show: (place) => (select.value = place) };
}

// A list of the model's sentences, and below it what `draw(sentence)` makes of
// the chosen one, { node, show }; `reset` is set along with another sentence.
// Returns the function that shows the model's state and says it.
export function bySentence({ root, get, change, say }, draw, reset = {}) {
  const sentences = get("sentences");
  const pick = picker({
    label: "Sentence", options: sentences.map(({ label }) => label),
    oninput: (sentence) => change({ sentence, ...reset }),
  });
  const place = element("div");
  root.append(pick.node, place);
  let shown;
  let view;
  return () => {
    const chosen = get("sentence");
    if (shown !== chosen) {
      shown = chosen;
      view = draw(sentences[chosen]);
      place.replaceChildren(view.node);
      pick.show(chosen);
    }
    say(view.show());
  };
}

// A slider over whole numbers from 0 to count - 1.
export const stepper = (rest) =>
  slider({ ...rest, min: 0, step: 1, nudge: (at, steps) => at + steps });

export const TEMPERATURES = [0.05, 20];

export function temperatureSlider({ get, change }) {
  const [low, high] = TEMPERATURES;
  const { node, show } = slider({
    label: "Temperature",
    min: toLog(low),
    max: toLog(high),
    text: (position) => number(fromLog(position), position >= 1 ? 1 : 2),
    nudge: (position, steps) => position + steps * Math.log10(1.15),
    oninput: (position) =>
      change({ temperature: clamp(fromLog(position), low, high) }),
  });
  return { node, show: () => show(toLog(get("temperature"))) };
}
