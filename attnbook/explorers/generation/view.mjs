// Generation token by token: candidates under rules of the reader's own, the
// attention of the newest token, the cache and what it saves. The model runs
// here, in the page.

import { softmax } from "../kit/arithmetic.mjs";
import { bytePairs, visible } from "../kit/byte_pairs.mjs";
import { emptyCache, readAll, rewind, unpack } from "../kit/decoder.mjs";
import { element as make, explore, number, set, toggle } from
  "../kit/explorer.mjs";
import { bytesHere, fetchBytes } from "../kit/fetched.mjs";
import { heatMap, ramp, style as heatStyle } from "../kit/heat_map.mjs";
import { candidates, drawn, ranked, uniform } from "../kit/sampling.mjs";
import { drawCandidates, drawLot, drawRules } from "./candidates.mjs";
import { drawCost, drawStores } from "./cache.mjs";
import style from "./style.css";

const MORE = 10; // tokens of one press

// What the model makes of `ids`: only what the cache does not hold is read.
function reader(model) {
  let cache;
  let before = [];
  let last;
  return (ids, cached) => {
    let same = cached ? 0 : -1;
    while (same >= 0 && same < ids.length && ids[same] === before[same]) same++;
    if (last && cached && same === ids.length && same === before.length) {
      return { ...last, cache };
    }
    cache = cached && cache ? cache : emptyCache(model.layers);
    rewind(cache, Math.max(0, Math.min(same, ids.length - 1, cache.length)));
    last = readAll(model, cache, ids);
    before = ids;
    return { ...last, cache };
  };
}

function render(context) {
  const sheet = heatStyle + style;
  return explore(context, "Generation, token by token", sheet, (tools) => {
    const { root, get, change, say } = tools;
    const pairs = bytePairs(get("merges"));
    const [longest, layers, heads] = ["longest", "layers", "heads"].map(get);
    const name = (id) => visible(pairs.token(id));
    const most = longest - 1; // tokens of a prompt: one place stays free
    const encoded = (text) => pairs.encode(text).slice(0, most);
    const chosen = () => [...encoded(get("prompt")), ...get("chosen")];
    let read;
    let now; // what stands in the figure
    let shown;

    const look = (ids) => {
      const { logits, attention, cache } = read(ids, get("cached"));
      const { weights, dropped } = candidates(logits, {
        temperature: get("temperature"), k: get("k"), p: get("p"),
        share: get("min_p"),
      });
      const order = ranked(logits);
      const u = uniform(get("seed"), ids.length);
      const next = drawn(weights, order, u);
      return { ids, attention, cache, weights, dropped, order, u, next,
        own: softmax(logits) };
    };
    const append = (id) => {
      if (now && now.ids.length < longest) {
        change({ chosen: [...get("chosen"), id] });
      }
    };
    const forth = (steps) => {
      if (!now) return;
      const added = [];
      let at = look(chosen());
      for (let i = 0; i < steps && at.ids.length < longest; i++) {
        added.push(at.next);
        at = look([...at.ids, at.next]);
      }
      change({ chosen: [...get("chosen"), ...added] });
    };
    const back = () => change({ chosen: get("chosen").slice(0, -1) });

    const button = (text, onclick, hint) =>
      make("button", { type: "button", onclick, "aria-keyshortcuts": hint },
        text);
    const next = button("Next token →", () => forth(1), "ArrowRight");
    const more = button("Ten more", () => forth(MORE));
    const undo = button("← Back", back, "ArrowLeft");
    const buttons = [next, more, undo,
      button("Start again", () => change({ chosen: [] }))];
    root.addEventListener("keydown", ({ key, target }) => {
      if (target.closest("input, [role=grid]")) return;
      if (key === "ArrowRight") forth(1);
      if (key === "ArrowLeft") back();
    });

    const input = make("input", {
      type: "text", spellcheck: "false", autocomplete: "off",
      oninput: () => encoded(input.value).length &&
        change({ prompt: input.value, chosen: [] }),
    });
    const cut = make("p", {
      class: "quiet", text: `Only the first ${most} tokens are read.`,
    });
    const text = make("p", { class: "text" });
    const rules = drawRules(tools, pairs.size);
    const list = drawCandidates(name, append);
    const lot = drawLot(tools, name);
    const map = heatMap({
      label: "Attention of the newest token, by layer and head",
      rows: Array.from({ length: layers * heads }, (_, i) =>
        `L${Math.floor(i / heads) + 1} head ${(i % heads) + 1}`),
      columns: Array.from({ length: longest }, (_, s) => `${s + 1}`),
      corner: "token",
      look: (i, s) => {
        const row = now?.attention[Math.floor(i / heads)][i % heads];
        return {
          weight: row?.[s] ?? 0, kind: s < row?.length ? "" : "none",
        };
      },
      tell: (i, s) => {
        const where =
          `Layer ${Math.floor(i / heads) + 1}, head ${(i % heads) + 1}`;
        const ids = now?.ids ?? [];
        return s < ids.length
          ? `${where}, token ${s + 1}, ${name(ids[s])}: ` +
            number(now.attention[Math.floor(i / heads)][i % heads][s], 3)
          : `${where}, place ${s + 1}: empty`;
      },
    });
    const grid = map.node.firstChild;
    const columns = [...grid.querySelectorAll(".column")];
    const stores = drawStores(tools);
    grid.append(...stores.rows);
    const without = toggle({
      label: "Without cache", oninput: (on) => change({ cached: !on }),
    });
    const cost = drawCost(tools);
    const note = make("p", {
      role: "note", text: "The model is loaded when this figure comes near.",
    });
    const body = make(
      "div", { class: "body" },
      make("label", { class: "pick" }, "Prompt", input),
      cut,
      make("div", { class: "buttons" }, ...buttons),
      text,
      make("div", { class: "panes" }, list.node,
        make("div", {}, rules.node, lot.node)),
      make("div", { class: "beside" },
        make("p", { class: "part", text:
          "Attention of the newest token, and the cache of all" }),
        ramp()),
      map.node, stores.legend, without.node, cost.node,
    );
    root.append(note, body);

    // What follows the tokens, and not the rules.
    const drawContext = (ids, start, full) => {
      for (const each of [next, more]) {
        set(each, { "aria-disabled": `${full}` });
      }
      set(undo, { "aria-disabled": `${ids.length === start}` });
      set(cut, { hidden: pairs.encode(get("prompt")).length <= most });
      text.replaceChildren(...ids.map((id, t) => make("span", {
        class: `${t < start ? "given" : ""} ${t % 2 ? "odd" : ""} ` +
          (t === ids.length - 1 ? "newest" : ""),
        text: name(id).replaceAll("·", " ").replaceAll("↵", "↵\n"),
      })));
      map.show(map.at()[0], ids.length - 1);
      columns.forEach((head, s) => {
        set(head, { text: s < ids.length ? name(ids[s]) : `${s + 1}` });
        head.classList.toggle("free", s >= ids.length);
      });
      const { offsetLeft: left } = map.cells[0][ids.length - 1];
      const place = left - grid.scrollLeft;
      if (place < 120 || place > grid.clientWidth - 30) {
        grid.scrollLeft = left - grid.clientWidth * 0.6;
      }
      stores.show(now);
      without.show(!get("cached"));
      cost.show(start, ids.length);
    };

    const draw = () => {
      set(body, { class: read ? "body" : "body waiting" });
      if (!read) return;
      const ids = chosen();
      now = look(ids);
      const start = ids.length - get("chosen").length;
      if (input !== root.getRootNode().activeElement) {
        input.value = get("prompt");
      }
      const full = ids.length >= longest;
      const state = `${ids} ${start} ${get("cached")}`;
      if (state !== shown) drawContext(ids, start, full);
      shown = state;
      const kept = now.weights.filter((weight) => weight > 0).length;
      rules.show(now, kept);
      list.show(now, full);
      lot.show(now, full);
      say(`${ids.length} tokens, the newest “${name(ids.at(-1))}”. ` + (full
        ? "The figure ends here."
        : `${kept} candidates stay; the number ${number(now.u, 4)} ` +
          `falls on “${name(now.next)}”, weight ` +
          `${number(now.weights[now.next], 3)}.`));
    };

    const begin = (bytes) => {
      const [norm, eps] = ["norm", "eps"].map(get);
      const weights = unpack(bytes, get("parts"));
      read = reader({ weights, heads, layers, norm, eps });
      note.remove();
    };
    const here = bytesHere(get("weights"));
    if (here) begin(here);
    else {
      const near = new IntersectionObserver(async ([{ isIntersecting }]) => {
        if (!isIntersecting) return;
        near.disconnect();
        let bytes;
        try {
          bytes = await fetchBytes(get("weights"));
        } catch {
          return void set(note, { text:
            "The model could not be loaded. Reload the page to try again." });
        }
        begin(bytes);
        draw();
      }, { rootMargin: "100%" });
      near.observe(note);
    }
    return draw;
  });
}

export default { render };
