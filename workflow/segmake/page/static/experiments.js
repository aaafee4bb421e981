// What other computers say of the experiments is shown as soon as it is there.
import { all, ask, one } from "./tools.js";

const PAUSE_MS = 1500;

export function experiments() {
  const page = one("[data-experiments]");

  async function look() {
    const answer = await ask("/experiments/now");
    const text = answer && answer.ok && await answer.text();
    const now = text && one("[data-experiments]", new DOMParser().parseFromString(text, "text/html"));
    if (now) {
      const parts = new Map(all("[data-part]", now).map((each) => [each.dataset.part, each]));
      let left = false;
      for (const part of all("[data-part]", page)) {
        const fresh = parts.get(part.dataset.part);
        if (!fresh || fresh.innerHTML === part.innerHTML) continue;
        // Whoever stands in it with the keyboard stays there, and is shown it afterwards.
        if (part.contains(document.activeElement)) left = true;
        else part.innerHTML = fresh.innerHTML;
      }
      page.dataset.hearing = left ? "true" : now.dataset.hearing;
    }
    again();
  }

  function again() {
    if (page.dataset.hearing === "true") setTimeout(look, PAUSE_MS);
  }

  again();
}
