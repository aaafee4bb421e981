import { all, ask, one, problemOf } from "./tools.js";

const LONG_MS = 450;

// A form: checked while it is filled in, kept while it is left, sent without loading the page anew

export class Form {
  constructor(element, again) {
    this.element = element;
    // What begins the page that the server answers.
    this.again = again;
    this.timer = 0;
    // Of several that are under way, the answer to the last alone is shown.
    this.sent = 0;
    this.key = `segmake ${element.getAttribute("action")} ${one("[name=version]", element).value}`;
    element.addEventListener("input", () => this.changed());
    element.addEventListener("change", () => this.changed());
    element.addEventListener("submit", (event) => this.submit(event));
    const before = this.values();
    this.first();
    this.restore();
    // Somebody was quicker than this script, or a browser has put in what stood there.
    if (before === this.values() && [...this.began].some(([name, sent]) => this.valueOf(name) !== sent)) this.changed();
  }

  // What the file says, by which changes are known.
  first() {
    this.began = new Map(all("[data-setting]", this.element).map(({ dataset }) => [dataset.setting, sentValue(this.field(dataset.setting))]));
    all("[data-reset]", this.element).forEach((button) => {
      button.addEventListener("click", () => {
        const field = this.field(button.dataset.reset);
        field.value = "";
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.focus();
      });
    });
    this.mark();
  }

  field(name) { return this.element.elements.namedItem(name); }

  valueOf(name) {
    const field = this.field(name);
    return field ? field.value : "";
  }

  // Whether a field can be put back: a setting, a package that can be ticked, the card that is chosen.
  canBeKept(name) { return this.began.has(name) || name === "card" || name.startsWith("package."); }

  values() { return new URLSearchParams(new FormData(this.element)).toString(); }

  mark() {
    for (const [name, before] of this.began) {
      const setting = one(`[data-setting="${CSS.escape(name)}"]`, this.element);
      setting.classList.toggle("changed", this.valueOf(name) !== before);
    }
    all("[data-reset]", this.element).forEach((button) => { button.hidden = ["", button.dataset.default].includes(this.valueOf(button.dataset.reset)); });
  }

  changed() {
    this.mark();
    if (this.oninput) this.oninput();
    this.keep();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), LONG_MS);
  }

  // A page that is left and come back to has what stood in it.
  keep() {
    try { sessionStorage.setItem(this.key, this.values()); } catch { /* a browser that keeps nothing */ }
  }

  forget() { try { sessionStorage.removeItem(this.key); } catch { /* as above */ } }

  restore() {
    let kept = null;
    try { kept = sessionStorage.getItem(this.key); } catch { return; }
    if (!kept || kept === this.values() || one(".notice", one("main"))) return;
    const before = this.values();
    const values = new URLSearchParams(kept);
    for (const [name, value] of values) {
      if (this.field(name) && this.canBeKept(name)) this.field(name).value = value;
    }
    // What is not ticked is not sent: its name alone says whether it was.
    for (const box of all("input[type=checkbox]", this.element)) {
      if (!this.canBeKept(box.name)) continue;
      box.checked = values.has(box.name);
      if (box.checked && box.closest("details")) box.closest("details").open = true;
    }
    if (before !== this.values()) this.changed();
  }

  async check() {
    const sent = this.values();
    const answer = await ask(this.element.dataset.check, { method: "POST", body: new URLSearchParams(sent) });
    const found = answer && answer.ok && await answer.json();
    // Somebody has typed on, or another page is shown.
    if (!found || sent !== this.values() || !document.contains(this.element)) return;
    all("[data-problems]", this.element).forEach((place) => {
      const problems = found.problems[place.dataset.problems] || [];
      place.replaceChildren(...problems.map(problemOf));
      place.hidden = !problems.length;
      const field = this.field(place.dataset.problems);
      if (field && field.setAttribute) problems.length ? field.setAttribute("aria-invalid", "true") : field.removeAttribute("aria-invalid");
      const setting = place.closest("[data-setting]");
      if (setting) setting.classList.toggle("wrong", problems.length > 0);
    });
    if (!found.changes) this.forget();
    const before = one("#changes", this.element);
    const open = Boolean(one("details[open]", before));
    const after = new DOMParser().parseFromString(found.difference, "text/html").querySelector("#changes");
    if (open && one("details", after)) one("details", after).open = true;
    before.replaceWith(document.adoptNode(after));
    const stale = one("[data-stale]", this.element);
    if (stale) stale.hidden = !found.outdated;
    if (this.onchecked) this.onchecked(found);
  }

  async submit(event) {
    const button = event.submitter;
    // It keeps the focus while it can't be pressed: whoever uses the keyboard would begin again at the top.
    if (button?.ariaDisabled === "true") { event.preventDefault(); return; }
    const saves = button && button.value === "save";
    if (saves) this.forget();
    if (!("swap" in this.element.dataset)) return;
    event.preventDefault();
    await this.send(button);
  }

  // Ask for the page anew after a while, where it says so. Whoever waits for what was pressed, or writes what would be
  // lost, is not disturbed.
  sendLater(disturbs = () => true) {
    const wait = Number(this.element.dataset.again);
    if (!wait) return;
    setTimeout(() => {
      if (!document.contains(this.element)) return;
      const writes = document.activeElement?.matches("#form :is(input, textarea, select, .handle)") && disturbs();
      if (writes || this.element.hasAttribute("aria-busy")) this.sendLater(disturbs);
      else this.send(null);
    }, wait);
  }

  async send(button) {
    const values = new FormData(this.element);
    if (button && button.name) values.set(button.name, button.value);
    const body = new URLSearchParams(values);
    const turn = ++this.sent;
    this.element.setAttribute("aria-busy", "true");
    const answer = await ask(this.element.getAttribute("action"), { method: "POST", body });
    const text = answer && await answer.text();
    if (turn !== this.sent) return;
    this.element.removeAttribute("aria-busy");
    if (answer) swap(text, button, this.again);
  }
}

// Where something was typed that is not saved: a run would not take it.
export function tellUnsaved() {
  const place = one("[data-unsaved]");
  if (!place) return;
  const kept = (link) => {
    try { return sessionStorage.getItem(`segmake ${link.pathname} ${place.dataset.unsaved}`); } catch { return null; }
  };
  for (const link of all("a", place)) link.hidden = link.pathname === location.pathname || !kept(link);
  place.hidden = all("a:not([hidden])", place).length === 0;
}

// What the server put into a field, whatever stands in it now.
function sentValue(field) {
  if (!field) return "";
  if (field instanceof RadioNodeList) return [...field].find((each) => each.defaultChecked)?.value ?? "";
  if (field instanceof HTMLSelectElement) return ([...field.options].find((each) => each.defaultSelected) ?? field.options[0])?.value ?? "";
  return field.defaultValue;
}

// The image that was chosen is shown again when people come back from another page, or choose their language.
export function keepPlace() {
  const key = "segmake /cells place";
  try {
    // It may be gone.
    if (one("[data-refused]")) sessionStorage.removeItem(key);
    else if (location.pathname === "/cells" && location.search) sessionStorage.setItem(key, location.search);
    const kept = sessionStorage.getItem(key) || "";
    all('a[href^="/cells"]').forEach((link) => { link.href = `/cells${kept}`; });
  } catch { /* a browser that keeps nothing */ }
  const back = one(".languages [name=back]");
  if (back && location.pathname === "/cells") back.value = `/cells${location.search}`;
}

// How an element is found again in what the server answers.
function findable(element) {
  if (!element || !one("main").contains(element)) return "";
  const [tag, name, value] = [element.localName, element.getAttribute("name"), element.getAttribute("value")];
  if (element.id) return `#${CSS.escape(element.id)}`;
  const chosen = ["submit", "radio"].includes(element.type) && value !== null ? `[value="${CSS.escape(value)}"]` : "";
  if (name) return `${tag}[name="${CSS.escape(name)}"]${chosen}`;
  if (tag === "a") return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  const details = tag === "summary" && detailsOf(element.parentElement);
  return details ? `${details} > summary` : "";
}

function detailsOf(details) {
  if (details.id) return `#${CSS.escape(details.id)}`;
  const setting = details.closest("[data-setting]");
  return setting ? `[data-setting="${CSS.escape(setting.dataset.setting)}"] details` : "";
}

// Put what the server answered in place of what is shown; whoever uses the keyboard stays where they are.
function swap(text, button, again) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const key = findable(document.activeElement);
  const kept = { left: one(".strip")?.scrollLeft, open: all("main details[open]").map(detailsOf) };
  const position = one("#viewer") ? [one("#viewer").scrollLeft, one("#viewer").scrollTop] : null;
  const same = one("#picture")?.getAttribute("src");
  one("main").replaceWith(document.adoptNode(one("main", page)));
  document.title = page.title;
  // An experiment without images has fewer pages.
  const [nav, shown] = [one("header nav", page), one("header nav")];
  if (nav.children.length !== shown.children.length) shown.replaceWith(document.adoptNode(nav));
  if (kept.left && one(".strip")) one(".strip").scrollLeft = kept.left;
  kept.open.forEach((selector) => { const details = selector && one(selector); if (details) details.open = true; });
  again();
  if (same && one("#picture")?.getAttribute("src") === same) one("#viewer").scrollTo(...position);
  const image = one("[name=image]");
  if (image && image.value) {
    const place = new URLSearchParams({ image: image.value });
    for (const name of ["position", "time"]) { const field = one(`[name=${name}]`); if (field && field.value !== "1") place.set(name, field.value); }
    history.replaceState(null, "", `${location.pathname}?${place}`);
  }
  keepPlace();
  const target = one("[data-focus]") || (key && one(key, one("main")));
  if (target) target.focus({ preventScroll: !target.matches("[data-focus]") });
  if (button && button.value === "save") one("main").scrollIntoView();
}
