// What is being done and goes on by itself: its part of the page is asked for again until it is over.
import { ask, one } from "./tools.js";

const PAUSE_MS = 700;

// For so long the page that was asked for by a click is waited for; what is saved as a file instead shows none.
const LEAVING_MS = 30000;

let waiting = 0;
let left = -Infinity;

addEventListener("beforeunload", () => { left = performance.now(); });

export function followErrand() {
  const section = one("[data-errand]");
  if (waiting || !section || section.dataset.over === "true") return;
  waiting = setTimeout(async () => {
    const answer = await ask(`/errand/${section.dataset.errand}`);
    if (answer && answer.ok) {
      const now = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-errand]");
      if (now.dataset.over === "true") {
        // Other parts of the page tell what it has changed. Whoever is on the way to another page is not held up.
        if (performance.now() - left > LEAVING_MS) { location.reload(); return; }
      } else if (!section.contains(document.activeElement)) {
        // Whoever is reading or typing in it is left alone.
        section.replaceWith(document.adoptNode(now));
        const said = one(".said", now);
        said.scrollTop = said.scrollHeight;
      }
    }
    waiting = 0;
    followErrand();
  }, PAUSE_MS);
}
