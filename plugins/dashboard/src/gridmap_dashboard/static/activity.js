// What happened lately, in words.

import { get, runPath } from "./api.js";
import { card, h, put } from "./dom.js";
import { events } from "./overview.js";

export function activity(main, { run }) {
  const list = h("div");
  main.replaceChildren(h("h1", { tabindex: -1 }, "Activity"), card("Latest first", "time since the run began", list));
  return {
    title: "Activity",
    update() {},
    async refresh() {
      put(list, events((await get(runPath(run, "/notices"))).notices));
    },
  };
}
