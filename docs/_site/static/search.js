/* A code of a message leads to what is said of it, whatever else was typed. */
function openMessage() {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  const code = query.match(/\bSM-[A-Z]{3}-\d{3}\b/i)?.[0].toUpperCase();
  const page = Object.keys(sections).find((name) => name.startsWith("reference/messages"));
  const entry = sections[page].find((section) => section.heading === code);
  if (entry) {
    // No search: it would have each "SM" of that page marked.
    Search.setIndex = () => {};
    localStorage.removeItem("sphinx_highlight_terms");
    location.replace(`${page}.html${entry.anchor}`);
  }
}

/* Sphinx shows the line of text of a result in brackets behind its title. */
function freeLines() {
  const results = document.getElementById("search-results");
  new MutationObserver((changes) => {
    for (const item of changes.flatMap((change) => [...change.addedNodes])) {
      if (item.matches?.("li") && item.lastChild.matches("span")) {
        const line = item.lastChild;
        line.firstChild.data = line.firstChild.data.replace(/^ \(/, "");
        line.lastChild.data = line.lastChild.data.replace(/\)$/, "");
      }
    }
  }).observe(results, { childList: true, subtree: true });
}

openMessage();
freeLines();
