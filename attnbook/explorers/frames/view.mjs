// Frames that Python drew when the page was built, scrubbed by a slider. In
// the book each is a file, fetched when the figure comes near the window.

import { element as make, explore, set, stepper } from "../kit/explorer.mjs";
import style from "./style.css";

function render(context) {
  const title = `Figure by ${context.model.get("label")}`;
  return explore(context, title, style, (tools) => {
    const { root, get, change, say } = tools;
    const missing = make("p", {
      hidden: true, role: "note",
      text: "This frame could not be loaded. Its words:",
    });
    const image = make("img", {
      class: "frame-image", width: get("width"), height: get("height"),
      loading: "lazy", "--width": `${get("width")}px`,
      onload: () => (missing.hidden = true),
      onerror: () => (missing.hidden = false),
    });
    const near = new IntersectionObserver(([{ isIntersecting }]) => {
      if (!isIntersecting) return;
      near.disconnect();
      for (const src of get("images")) make("img", { src });
    }, { rootMargin: "100%" });
    near.observe(image);
    const position = stepper({
      label: get("label"), max: get("images").length - 1,
      text: (index) => get("values")[index],
      oninput: (index) => change({ index }),
    });
    root.append(missing, image,
      make("div", { class: "controls" }, position.node));
    return () => {
      const index = get("index");
      set(image, { src: get("images")[index], alt: get("alts")[index] });
      position.show(index);
      say(get("alts")[index]);
    };
  });
}

export default { render };
