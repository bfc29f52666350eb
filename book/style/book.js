// A region that scrolls can be reached by keyboard. The theme sees to code
// and tables when the page loads; formulas get their width later.
(() => {
  const regions = () =>
    document.querySelectorAll(
      "article div.math, article mjx-container[display='true'], article pre," +
        " article .cell_output > .output, .pst-scrollable-table-container",
    );
  const update = () => {
    for (const region of regions()) {
      if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
    }
  };
  addEventListener("load", async () => {
    await globalThis.MathJax?.startup?.promise;
    update();
    let waiting;
    addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(update, 200);
    });
    document.addEventListener("toggle", update, true);
  });
})();

// Code that only lays out results is folded. A click opens one cell, the
// button all of them; what the reader chose holds for the whole site.
(() => {
  const folds = [...document.querySelectorAll("article details.code-fold")];
  if (!folds.length) return;
  const KEY = "code-folds";
  const choice = { all: false, others: [] }; // all open, but for the others?
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    if (Array.isArray(kept?.others)) Object.assign(choice, kept);
  } catch {
    // nothing that we wrote: as if nothing had been chosen
  }
  const page = location.pathname.split("/").slice(-2).join("/");
  const name = (fold) => `${page}#${fold.parentElement.id || folds.indexOf(fold)}`;
  const button = document.createElement("button");
  const show = () => {
    for (const fold of folds)
      fold.open = choice.all !== choice.others.includes(name(fold));
    button.textContent = choice.all
      ? "Fold the code that only shows results"
      : "Unfold all code";
  };
  const keep = () => {
    try {
      localStorage.setItem(KEY, JSON.stringify(choice));
    } catch {
      // no storage: the choice holds for this page
    }
    show();
  };
  button.type = "button";
  button.className = "code-fold-all";
  button.addEventListener("click", () => {
    choice.all = !choice.all;
    choice.others = [];
    keep();
  });
  for (const fold of folds) {
    fold.querySelector("summary").addEventListener("click", (event) => {
      event.preventDefault();
      const own = name(fold);
      // The browser may have opened it, to show what was searched for.
      const others = choice.others.filter((other) => other !== own);
      choice.others = !fold.open !== choice.all ? [...others, own] : others;
      keep();
    });
  }
  const lead = document.querySelector("article .lead-line");
  if (lead) lead.after(button);
  show();
})();
