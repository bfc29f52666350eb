// Frames that Python drew when the page was built, scrubbed by a slider.

import { element as make, explore, set, stepper } from "../kit/explorer.mjs";
import style from "./style.css";

function render(context) {
  const title = `Figure by ${context.model.get("label")}`;
  return explore(context, title, style, (tools) => {
    const { root, get, change, say } = tools;
    const image = make("img", {
      class: "frame-image", width: get("width"), height: get("height"),
      "--width": `${get("width")}px`,
    });
    const position = stepper({
      label: get("label"), max: get("images").length - 1,
      text: (index) => get("values")[index],
      oninput: (index) => change({ index }),
    });
    root.append(image, make("div", { class: "controls" }, position.node));
    return () => {
      const index = get("index");
      set(image, { src: get("images")[index], alt: get("alts")[index] });
      position.show(index);
      say(get("alts")[index]);
    };
  });
}

export default { render };
