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
