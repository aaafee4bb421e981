// What is being done and goes on by itself: its part of the page is asked for again until it is over.
import { ask, one } from "./tools.js";

const PAUSE_MS = 700;

let waiting = 0;

export function followErrand() {
  const section = one("[data-errand]");
  if (waiting || !section || section.dataset.over === "true") return;
  waiting = setTimeout(async () => {
    const answer = await ask(`/errand/${section.dataset.errand}`);
    if (answer && answer.ok) {
      const now = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-errand]");
      // Other parts of the page tell what it has changed.
      if (now.dataset.over === "true") { location.reload(); return; }
      // Whoever is reading or typing in it is left alone.
      if (!section.contains(document.activeElement)) {
        section.replaceWith(document.adoptNode(now));
        const said = one(".said", now);
        said.scrollTop = said.scrollHeight;
      }
    }
    waiting = 0;
    followErrand();
  }, PAUSE_MS);
}
