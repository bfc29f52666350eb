// Runs the book's explorers on a page that has no kernel.
//
// How to include it: copy this one file into the site and put
//   <script defer src="…/host.mjs"></script>
// on each page with widgets. `type="module"` works too, but not on a page
// opened from disk: browsers refuse modules there.
//
// MyST-NB writes the state of all widgets of a page into one script of type
// application/vnd.jupyter.widget-state+json, and in the place of each widget
// a script of type application/vnd.jupyter.widget-view+json. This file
// imports each anywidget's ES module and gives it a small model. Any other
// widget needs Python: a note says so and points to Colab. No request leaves
// the page.
//
// For the style sheet: each widget stands in a div.widget; the notes are
// p.widget-note, and what is left of a progress bar is p.widget-progress.

(() => {
  const TYPE = "application/vnd.jupyter.widget-";
  const scripts = (kind) =>
    document.querySelectorAll(`script[type="${TYPE}${kind}+json"]`);
  const modules = new Map();

  // The ES module of a text, imported once.
  const load = (text) => {
    if (!modules.has(text)) {
      const url = URL.createObjectURL(
        new Blob([text], { type: "text/javascript" }),
      );
      modules.set(text, import(url).then((m) => m.default ?? m));
    }
    return modules.get(text);
  };

  // What an anywidget expects of a model, without a kernel behind it.
  class Model {
    #state;
    #changed = new Set();
    #listeners = new Map();
    constructor(state, askPython) {
      this.#state = { ...state };
      this.send = askPython;
    }
    get(name) {
      return this.#state[name];
    }
    set(name, value) {
      const values = typeof name === "object" ? name : { [name]: value };
      let changed = false;
      for (const [key, next] of Object.entries(values)) {
        const before = this.#state[key];
        if (JSON.stringify(before) === JSON.stringify(next)) continue;
        this.#state[key] = next;
        this.#changed.add(key);
        changed = true;
        this.#emit(`change:${key}`, this, next, {});
      }
      if (changed) this.#emit("change", this, {});
    }
    // Some state means something to Python alone: `_needs_python` lists it.
    save_changes() {
      const needs = this.#state._needs_python ?? [];
      if (needs.some((name) => this.#changed.has(name))) this.send();
      this.#changed.clear();
    }
    on(names, listener) {
      for (const name of names.split(/\s+/)) {
        if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
        this.#listeners.get(name).add(listener);
      }
    }
    off(names, listener) {
      if (names == null) return this.#listeners.clear();
      for (const name of names.split(/\s+/)) {
        if (listener) this.#listeners.get(name)?.delete(listener);
        else this.#listeners.delete(name);
      }
    }
    #emit(name, ...details) {
      for (const listener of [...(this.#listeners.get(name) ?? [])]) {
        listener(...details);
      }
    }
  }

  const paragraph = (kind, text) => {
    const p = document.createElement("p");
    p.className = `widget-${kind}`;
    p.append(text);
    return p;
  };
  const note = (text) => {
    const p = paragraph("note", text);
    p.setAttribute("role", "note");
    const colab = document.querySelector(
      'a[href^="https://colab.research.google.com/"]',
    );
    if (colab) {
      const link = document.createElement("a");
      link.href = colab.href;
      link.textContent = "Open this page in Colab";
      p.append(" ", link, " to use it.");
    }
    return p;
  };

  // A progress bar that has ended is its words.
  const words = (id, models) => {
    const { state } = models[id.replace("IPY_MODEL_", "")] ?? { state: {} };
    const inner = (state.children ?? []).map((child) => words(child, models));
    const html = typeof state.value === "string" ? state.value : "";
    const parsed = new DOMParser().parseFromString(html, "text/html");
    return [parsed.body.textContent, ...inner].join(" ").trim();
  };

  // What all views of one widget share.
  const prepare = async (state, askPython) => {
    let widget = await load(state._esm);
    if (typeof widget === "function") widget = await widget();
    const model = new Model(state, askPython);
    await widget.initialize?.({ model });
    if (state._css) {
      const style = document.createElement("style");
      style.textContent = state._css;
      document.head.append(style);
    }
    return { widget, model };
  };

  const show = async (place, models, made) => {
    const el = document.createElement("div");
    el.className = "widget";
    place.after(el);
    const id = JSON.parse(place.textContent).model_id;
    const known = models[id];
    const state = known?.state;
    if (!state?._esm) {
      const progress = /^H?BoxModel$/.test(known?.model_name)
        ? words(id, models) : "";
      el.append(
        progress
          ? paragraph("progress", progress)
          : note("This control needs Python."),
      );
      return;
    }
    try {
      if (!made.has(id)) {
        made.set(id, prepare(state, () => {
          if (!el.querySelector(".widget-note")) {
            el.append(note("This part of the figure needs Python."));
          }
        }));
      }
      const { widget, model } = await made.get(id);
      await widget.render({ model, el });
    } catch (error) {
      console.error(error);
      el.append(note("This figure could not be drawn."));
    }
  };

  const start = () => {
    const made = new Map();
    const models = {};
    for (const script of scripts("state")) {
      Object.assign(models, JSON.parse(script.textContent).state);
    }
    for (const place of scripts("view")) show(place, models, made);
  };
  if (document.readyState === "loading") {
    addEventListener("DOMContentLoaded", start);
  } else start();
})();
