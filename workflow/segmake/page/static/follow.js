// The run is looked at again by itself; each part of the page that says something else now is replaced.
import { all, ask, one } from "./tools.js";

const SOON_MS = 3000, LATER_MS = 15000;

export function follow() {
  const page = one("[data-follow]");
  const wait = () => (page.dataset.atWork === "true" ? SOON_MS : LATER_MS);
  let looking = null;
  // Of several answers that are under way, the last alone is shown.
  let turn = 0;

  async function look() {
    clearTimeout(looking);
    const own = ++turn;
    try {
      // A window that nobody sees asks nothing, and looks as soon as it is seen again.
      if (document.hidden) return;
      const answer = await ask("/follow/now");
      const text = answer && answer.ok && await answer.text();
      if (own === turn && text) take(new DOMParser().parseFromString(text, "text/html"));
    } finally {
      // Whatever goes wrong once, it goes on looking; of two looks at a time one is enough.
      clearTimeout(looking);
      looking = setTimeout(look, wait());
    }
  }

  function take(now) {
    const other = one("[data-follow]", now);
    if (!other) return;
    page.dataset.atWork = other.dataset.atWork;
    // What is told aloud is the state alone, when it becomes another one.
    const state = one("#h-state", other).textContent;
    if (state !== one("#h-state", page).textContent) one("[data-news]", page).textContent = state;
    for (const part of all("[data-part]", page)) {
      const fresh = one(`[data-part="${part.dataset.part}"]`, other);
      // Another window may have begun what has no such part.
      if (!fresh) continue;
      // Whoever stands in it with the keyboard stays there until it means something else.
      const stays = part.contains(document.activeElement) && part.dataset.part !== "state" && same(one("button, a", part), one("button, a", fresh));
      if (stays || part.innerHTML === fresh.innerHTML) continue;
      const here = part.contains(document.activeElement);
      part.className = fresh.className;
      part.replaceChildren(...[...fresh.childNodes].map((each) => document.adoptNode(each)));
      if (here) one("button, a", part)?.focus();
    }
  }

  const same = (before, after) => Boolean(before && after) && before.textContent === after.textContent;

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  looking = setTimeout(look, wait());
}
