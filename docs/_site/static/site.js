/* Who comes from the search reads on where most of the searched words stand: some pages are long. */
const searched = (localStorage.getItem("sphinx_highlight_terms") ?? "").toLowerCase().split(/\s+/).filter(Boolean);

function scrollToSearched() {
  const wanted = [...new Set(searched)];
  let best = null;
  let most = 0;
  for (const section of document.querySelectorAll("article section:not(:has(section))")) {
    const text = section.textContent.toLowerCase();
    const words = new Set(text.match(/[\p{L}\p{N}]+/gu));
    const found = wanted.filter((word) => words.has(word)).length;
    // Of two that have as many, the shorter one is about them.
    if (found > most || (best && found === most && text.length < best.textContent.length)) {
      best = section;
      most = found;
    }
  }
  best?.scrollIntoView();
}

if (searched.length > 0 && !location.hash) {
  addEventListener("load", scrollToSearched);
}

/* What the theme leaves out for those who use no mouse, or hear the page. */
function makeReachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper")) {
    box.toggleAttribute("tabindex", false);
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
    }
  }
}

function nameParts() {
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Pages");
  const title = document.querySelector(".toc-title")?.textContent.trim();
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", title || "-");
  for (const head of document.querySelectorAll("thead th")) {
    if (!head.textContent.trim()) {
      head.replaceWith(document.createElement("td"));
    }
  }
}

addEventListener("DOMContentLoaded", nameParts);
addEventListener("load", makeReachable);
addEventListener("resize", makeReachable);
