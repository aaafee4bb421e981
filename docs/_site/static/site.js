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

/* Pictures of screens are wider than a telephone: pressed, each is shown alone, in its own size. */
function openPictures() {
  for (const picture of document.querySelectorAll("article img")) {
    if (!picture.closest("a")) {
      const link = document.createElement("a");
      link.className = "picture";
      link.href = picture.src;
      picture.replaceWith(link);
      link.append(picture);
    }
  }
}

addEventListener("DOMContentLoaded", nameParts);
addEventListener("DOMContentLoaded", openPictures);
addEventListener("load", makeReachable);
addEventListener("resize", makeReachable);
