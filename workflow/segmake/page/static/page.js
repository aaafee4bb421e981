// What a page can do besides its forms. Without this script everything can be done by fields and buttons.
"use strict";

const csrf = document.body.dataset.csrf;
const LONG_MS = 450;
const POLL_MS = 700;
const LARGEST_ZOOM = 16;

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const numberIn = (text) => Number.parseFloat(String(text).trim().replace(",", "."));
const language = document.documentElement.lang;
const shown = (value, digits = 1) => value.toLocaleString(language, { maximumFractionDigits: digits });

// What is told to people

function lost() {
  const place = one("#outcome") || one("main");
  if (one("[data-lost-notice]")) return;
  const notice = document.createElement("p");
  notice.className = "notice bad";
  notice.dataset.lostNotice = "";
  notice.setAttribute("role", "alert");
  notice.textContent = document.body.dataset.lost;
  place.prepend(notice);
}

async function ask(address, options = {}) {
  try {
    const answer = await fetch(address, { ...options, headers: { "x-segmake-csrf": csrf, ...options.headers } });
    all("[data-lost-notice]").forEach((each) => each.remove());
    return answer;
  } catch {
    lost();
    return null;
  }
}

function problemOf(found) {
  const box = document.createElement("div");
  box.className = "problem";
  for (const [index, text] of [found.text, found.remedy].entries()) {
    if (!text) continue;
    const line = document.createElement("p");
    const words = index ? line : line.appendChild(document.createElement("strong"));
    text.split("`").forEach((piece, place) => {
      words.append(place % 2 ? Object.assign(document.createElement("code"), { textContent: piece }) : piece);
    });
    box.append(line);
  }
  const code = document.createElement("p");
  code.className = "code";
  code.append(Object.assign(document.createElement("a"), { href: `/help/${found.code}`, textContent: found.code }));
  box.append(code);
  return box;
}

// A form: checked while it is filled in, kept while it is left, sent without loading the page anew

class Form {
  constructor(element) {
    this.element = element;
    this.timer = 0;
    this.key = `segmake ${element.getAttribute("action")} ${one("[name=version]", element).value}`;
    element.addEventListener("input", () => this.changed());
    element.addEventListener("change", () => this.changed());
    element.addEventListener("submit", (event) => this.submit(event));
    this.initial = this.values();
    this.first();
    this.restore();
  }

  // What the file says, by which changes are known.
  first() {
    this.began = new Map(all("[data-setting]", this.element).map((setting) => [setting.dataset.setting, this.valueOf(setting.dataset.setting)]));
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
    if (!kept || kept === this.initial || one(".notice", one("main"))) return;
    let differs = false;
    for (const [name, value] of new URLSearchParams(kept)) {
      const field = this.field(name);
      const known = this.began.has(name) || name === "card";
      if (!field || !known || field.value === value) continue;
      field.value = value;
      differs = true;
    }
    if (differs) this.changed();
  }

  async check() {
    const sent = this.values();
    const answer = await ask(this.element.dataset.check, { method: "POST", body: new URLSearchParams(sent) });
    if (!answer || !answer.ok || sent !== this.values()) return;
    const found = await answer.json();
    all("[data-problems]", this.element).forEach((place) => {
      const problems = found.problems[place.dataset.problems] || [];
      place.replaceChildren(...problems.map(problemOf));
      place.hidden = !problems.length;
      const field = this.field(place.dataset.problems);
      if (field && field.setAttribute) problems.length ? field.setAttribute("aria-invalid", "true") : field.removeAttribute("aria-invalid");
      const setting = place.closest("[data-setting]");
      if (setting) setting.classList.toggle("wrong", problems.length > 0);
    });
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
    const saves = button && button.value === "save";
    if (saves) this.forget();
    if (!("swap" in this.element.dataset)) return;
    event.preventDefault();
    await this.send(button);
  }

  async send(button) {
    const values = new FormData(this.element);
    if (button && button.name) values.set(button.name, button.value);
    const body = new URLSearchParams(values);
    this.element.setAttribute("aria-busy", "true");
    const answer = await ask(this.element.getAttribute("action"), { method: "POST", body });
    this.element.removeAttribute("aria-busy");
    if (!answer) return;
    swap(await answer.text(), button);
  }
}

// The image that was chosen is shown again when people come back from another page, or choose their language.
function keepPlace() {
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

// Put what the server answered in place of what is shown; whoever uses the keyboard stays where they are.
function swap(text, button) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const focused = document.activeElement;
  const key = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.name && focused.value !== undefined && focused.tagName === "BUTTON"
    ? `button[name="${CSS.escape(focused.name)}"][value="${CSS.escape(focused.value)}"]` : "");
  const old = one("#form");
  const kept = { left: one(".strip")?.scrollLeft, open: all("details[open]").map((each) => each.closest("[data-setting]")?.dataset.setting) };
  const zoom = one("#canvas")?.style.width;
  const position = one("#viewer") ? [one("#viewer").scrollLeft, one("#viewer").scrollTop] : null;
  const same = one("#picture")?.getAttribute("src");
  one("main").replaceWith(document.adoptNode(one("main", page)));
  document.title = page.title;
  if (kept.left && one(".strip")) one(".strip").scrollLeft = kept.left;
  kept.open.forEach((name) => { const details = name && one(`[data-setting="${CSS.escape(name)}"] details`); if (details) details.open = true; });
  begin();
  if (same && one("#picture")?.getAttribute("src") === same && zoom) {
    one("#canvas").style.width = zoom;
    if (position) one("#viewer").scrollTo(...position);
  }
  const image = one("[name=image]");
  if (image && image.value) {
    const place = new URLSearchParams({ image: image.value });
    for (const name of ["position", "time"]) { const field = one(`[name=${name}]`); if (field && field.value !== "1") place.set(name, field.value); }
    history.replaceState(null, "", `${location.pathname}?${place}`);
    keepPlace();
  }
  const target = one("[data-focus]") || (key && one(key));
  if (target) target.focus({ preventScroll: !target.matches("[data-focus]") });
  if (button && button.value === "save") one("main").scrollIntoView();
  return old;
}

// The picture: its circle, its lines, its size

class Picture {
  constructor(form) {
    this.form = form;
    this.canvas = one("#canvas");
    this.viewer = one("#viewer");
    this.width = Number(this.canvas.dataset.width);
    this.height = Number(this.canvas.dataset.height);
    this.um = Number(this.canvas.dataset.um) || 0;
    this.source = one("#picture").getAttribute("src");
    // What was laid over the same picture before the server answered stays.
    const before = Picture.last && Picture.last.source === this.source ? Picture.last : null;
    Picture.last = this;
    this.centre = before ? before.centre : { x: this.width / 2, y: this.height / 2 };
    this.lines = [];
    this.zoom = 0;
    all("[data-script-only], [data-tools], [data-measure]").forEach((each) => { each.hidden = false; });
    this.canvas.classList.add("ready");
    this.words = one("[data-handle-words]")?.dataset || {};
    this.knob = this.handle("of-circle", this.words.circleWords, (x, y) => { this.centre = { x, y }; this.draw(); }, () => this.centre);
    this.tools();
    this.pointer();
    this.measuring();
    if (before) this.relay(before);
    new ResizeObserver(() => this.size()).observe(this.viewer);
    this.size();
    this.draw();
  }

  // The size on the screen: the whole picture, or so many times its pixels.

  fitted() {
    const highest = Number.parseFloat(getComputedStyle(this.viewer).maxHeight) || window.innerHeight;
    return Math.min(this.viewer.clientWidth / this.width, highest / this.height);
  }

  get scale() { return this.zoom || this.fitted(); }

  size() {
    const scale = this.scale;
    this.canvas.style.width = `${Math.round(this.width * scale)}px`;
    this.canvas.classList.toggle("fine", scale * (window.devicePixelRatio || 1) >= 3);
    const zoomed = one("[data-zoomed]");
    if (zoomed) zoomed.textContent = `${shown(scale * 100, 0)} %`;
    this.place();
  }

  zoomBy(factor) {
    const middle = { x: (this.viewer.scrollLeft + this.viewer.clientWidth / 2) / this.scale, y: (this.viewer.scrollTop + this.viewer.clientHeight / 2) / this.scale };
    this.zoom = Math.min(LARGEST_ZOOM, Math.max(this.fitted(), this.scale * factor));
    if (this.zoom <= this.fitted() * 1.01) this.zoom = 0;
    this.size();
    this.viewer.scrollTo(middle.x * this.scale - this.viewer.clientWidth / 2, middle.y * this.scale - this.viewer.clientHeight / 2);
  }

  tools() {
    all("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
      if (button.dataset.zoom === "fit") { this.zoom = 0; this.size(); } else this.zoomBy(button.dataset.zoom === "in" ? 1.5 : 1 / 1.5);
    }));
    all("[data-toggle]").forEach((box) => box.addEventListener("change", () => {
      const what = box.dataset.toggle === "circle" ? [one("#circles"), this.knob] : [one("#outlines")];
      what.forEach((each) => each.toggleAttribute("hidden", !box.checked));
    }));
    this.viewer.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    }, { passive: false });
  }

  // The circles: as large as the fields say.

  draw() {
    const diameter = this.form.valueOf("segmentation.diameter");
    const pixels = numberIn(diameter);
    const least = numberIn(this.form.valueOf("segmentation.min_size") || one("#segmentation\\.min_size").placeholder);
    one("#circles").setAttribute("transform", `translate(${this.centre.x} ${this.centre.y})`);
    const radii = { diameter: pixels > 0 ? pixels / 2 : 0, smallest: least > 0 ? Math.sqrt(least / Math.PI) : 0 };
    all("[data-circle]").forEach((circle) => circle.setAttribute("r", radii[circle.dataset.circle]));
    const legend = one("[data-legend=diameter]");
    legend.textContent = pixels > 0 ? this.length(pixels) : diameter.trim() ? "–" : legend.dataset.none;
    const um = one('[data-um="segmentation.diameter"]');
    if (um) um.textContent = pixels > 0 && this.um ? `= ${shown(pixels * this.um, 3)} µm` : "";
    this.place();
  }

  length(pixels) { return `${shown(pixels)} px${this.um ? ` = ${shown(pixels * this.um, 3)} µm` : ""}`; }

  place() {
    all(".handle", this.canvas).forEach((handle) => {
      const at = handle.at();
      handle.style.left = `${(at.x / this.width) * 100}%`;
      handle.style.top = `${(at.y / this.height) * 100}%`;
    });
  }

  // A point that can be moved: with the pointer, or with the arrow keys.

  handle(kind, words, move, at) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `handle ${kind}`;
    button.at = at;
    const named = () => button.setAttribute("aria-label", `${words} (x ${Math.round(at().x)}, y ${Math.round(at().y)})`);
    const go = (x, y) => { move(Math.min(this.width, Math.max(0, x)), Math.min(this.height, Math.max(0, y))); named(); };
    named();
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    button.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      go(at().x + step[0] * far, at().y + step[1] * far);
    });
    button.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      button.setPointerCapture(event.pointerId);
      button.onpointermove = (moved) => { const point = this.point(moved); go(point.x, point.y); };
      button.onpointerup = button.onpointercancel = () => { button.onpointermove = null; };
    });
    this.canvas.append(button);
    return button;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * this.width, y: ((event.clientY - box.top) / box.height) * this.height };
  }

  // A click lays the circle down; a drag measures.

  pointer() {
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button || event.target.closest(".handle")) return;
      const start = this.point(event);
      const far = (now) => Math.hypot(now.x - start.x, now.y - start.y) * this.scale > 5;
      // A finger scrolls the picture; it moves the ends of a line that was laid down.
      const drags = event.pointerType !== "touch";
      let line = null;
      const moved = (next) => {
        const now = this.point(next);
        if (!drags || (!line && !far(now))) return;
        line ??= this.begin(start, now);
        line.b = now;
        this.drawLines();
      };
      const ended = (last) => {
        window.removeEventListener("pointermove", moved);
        window.removeEventListener("pointerup", ended);
        if (line) this.endLine();
        else if (!far(this.point(last))) { this.centre = start; this.draw(); }
      };
      if (drags) event.preventDefault();
      window.addEventListener("pointermove", moved);
      window.addEventListener("pointerup", ended);
    });
  }

  // Measuring: one line across a round cell; for a rod one along it and one across.

  measuring() {
    const part = one("[data-measure]");
    this.fields = { length: one("[data-length]", part), breadth: one("[data-breadth]", part) };
    all("[data-shape]", part).forEach((radio) => radio.addEventListener("change", () => this.shapeChanged()));
    Object.values(this.fields).forEach((field) => field.addEventListener("input", (event) => { event.stopPropagation(); this.result(); }));
    one("[data-begin-line]", part).addEventListener("click", () => {
      const seen = { x: (this.viewer.scrollLeft + this.viewer.clientWidth / 2) / this.scale, y: (this.viewer.scrollTop + this.viewer.clientHeight / 2) / this.scale };
      const half = Math.min(this.width, this.viewer.clientWidth / this.scale) / 8;
      const line = this.begin({ x: seen.x - half, y: seen.y }, { x: seen.x + half, y: seen.y });
      this.endLine();
      line.handles[0].focus({ preventScroll: true });
    });
    one("[data-clear-lines]", part).addEventListener("click", () => { this.clear(); one("[data-begin-line]", part).focus(); });
    one("[data-take]", part).addEventListener("click", () => this.take(this.diameter()));
    one("[data-take-median]")?.addEventListener("click", (event) => this.take(Number(event.currentTarget.dataset.takeMedian)));
  }

  relay(before) {
    if (before.wasRod) {
      one("[data-shape][value=rod]").checked = true;
      this.shapeChanged();
    }
    before.lines.forEach((line) => this.begin(line.a, line.b));
    if (this.lines.length) this.endLine();
  }

  get rod() { return one("[data-shape]:checked").value === "rod"; }

  shapeChanged() {
    this.wasRod = this.rod;
    const label = one("[data-length-label]");
    label.textContent = this.rod ? label.dataset.rod : label.dataset.round;
    one("[data-rod-only]").hidden = !this.rod;
    while (!this.rod && this.lines.length > 1) this.remove(this.lines.pop());
    this.drawLines();
    this.result();
  }

  begin(a, b) {
    const most = this.rod ? 2 : 1;
    if (this.lines.length >= most) this.clear();
    const line = { a, b };
    line.handles = ["a", "b"].map((end) => this.handle("of-line", end === "a" ? this.words.start : this.words.end,
      (x, y) => { line[end] = { x, y }; this.drawLines(); this.endLine(); }, () => line[end]));
    this.lines.push(line);
    return line;
  }

  remove(line) { line.handles.forEach((each) => each.remove()); }

  clear() {
    this.lines.forEach((line) => this.remove(line));
    this.lines = [];
    Object.values(this.fields).forEach((field) => { field.value = ""; });
    this.drawLines();
    this.result();
  }

  drawLines() {
    const svg = "http://www.w3.org/2000/svg";
    one("#lines").replaceChildren(...this.lines.flatMap((line) => ["under", "measure"].map((kind) => {
      const drawn = document.createElementNS(svg, "line");
      drawn.setAttribute("class", kind);
      for (const [end, number] of [["a", 1], ["b", 2]]) for (const axis of ["x", "y"]) drawn.setAttribute(`${axis}${number}`, line[end][axis]);
      return drawn;
    })));
    one("[data-clear-lines]").hidden = !this.lines.length;
    this.place();
  }

  endLine() {
    const measured = this.lines.map((line) => Math.hypot(line.b.x - line.a.x, line.b.y - line.a.y));
    this.fields.length.value = measured.length ? shown(Math.max(...measured)) : "";
    this.fields.breadth.value = measured.length > 1 ? shown(Math.min(...measured)) : "";
    this.drawLines();
    this.result();
  }

  // Of a rod: a rectangle between two half discs.
  diameter() {
    const length = numberIn(this.fields.length.value);
    if (!this.rod) return length;
    const [breadth, along] = [numberIn(this.fields.breadth.value), length].sort((one_, other) => one_ - other);
    return 2 * Math.sqrt((breadth * (along - breadth) + (Math.PI * breadth ** 2) / 4) / Math.PI);
  }

  result() {
    const diameter = this.diameter();
    const output = one("[data-measured]");
    const there = diameter > 0;
    output.textContent = there ? `${output.dataset.words}${this.length(diameter)}` : "";
    one("[data-take]").hidden = !there;
  }

  take(diameter) {
    const field = this.form.field("segmentation.diameter");
    field.value = String(Math.round(diameter * 10) / 10);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus({ preventScroll: true });
  }
}

// Sliders beside the numbers

function sliders(form) {
  all("[data-slider]").forEach((place) => {
    const field = form.field(place.dataset.slider);
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: place.dataset.least, max: place.dataset.most, step: place.dataset.step });
    slider.setAttribute("aria-label", place.dataset.label);
    const follow = () => {
      const number = numberIn(field.value);
      if (number > Number(slider.max) && number < 1e5) slider.max = Math.ceil(number * 1.5);
      slider.value = Number.isNaN(number) ? place.dataset.rest : number;
    };
    follow();
    slider.addEventListener("input", (event) => {
      event.stopPropagation();
      field.value = slider.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    field.addEventListener("input", follow);
    place.replaceChildren(slider);
  });
}

// The engine: only what it takes is asked for

function engines(form) {
  const chosen = () => {
    const card = one("[name=card]:checked");
    return card && card.dataset.engine ? card.dataset.engine : form.valueOf("segmentation.engine");
  };
  const follow = () => {
    const engine = chosen();
    all("[data-engines]").forEach((each) => { each.hidden = !each.dataset.engines.split(" ").includes(engine); });
    one("[data-of-other]").hidden = !one("[data-other]").checked;
  };
  all("[name=card]").forEach((card) => card.addEventListener("change", follow));
  form.field("segmentation.engine").addEventListener("change", follow);
  follow();
}

// A trial: asked about until it is over

class Trial {
  constructor(form) {
    this.place = one("[data-trial]");
    this.form = form;
    this.key = this.place.dataset.trial;
    this.state = this.place.dataset.trialState;
    this.median(Number(one("[data-take-median]").dataset.takeMedian));
    if (this.key && !["none", "done", "failed"].includes(this.state)) setTimeout(() => this.poll(), POLL_MS);
  }

  median(pixels) {
    const button = one("[data-take-median]");
    button.dataset.takeMedian = pixels || "";
    button.hidden = !pixels;
  }

  async poll() {
    if (!document.contains(this.place)) return;
    const answer = await ask(`/trial/${this.key}`);
    if (!answer || !answer.ok) { setTimeout(() => this.poll(), 5 * POLL_MS); return; }
    this.show(await answer.json());
  }

  show(found) {
    const words = one("[data-trial-words]");
    if (words.dataset.said !== found.words) {
      words.dataset.said = found.words;
      words.textContent = found.state === "failed" ? "" : found.words;
    }
    all("[data-when-working]").forEach((each) => { each.hidden = found.over; });
    one("button[value=try]").disabled = !found.over;
    if (!found.over) { setTimeout(() => this.poll(), POLL_MS); return; }
    one("[data-trial-problems]").replaceChildren(...found.problems.map(problemOf));
    if (found.state !== "done") return;
    one("[data-trial-stale]").hidden = !found.stale;
    words.replaceChildren(Object.assign(document.createElement("strong"), { textContent: found.words }), ` ${found.size || ""}`);
    one("[data-trial-details]").textContent = found.details;
    const outlines = one("#outlines");
    outlines.src = found.outlines;
    outlines.hidden = false;
    one("[data-with-outlines]").hidden = false;
    one("[data-toggle=outlines]").checked = true;
    this.median(found.diameter);
  }

  stale(now) {
    const shows = !one("#outlines").hidden && this.key && one("[data-toggle=outlines]").checked;
    one("[data-trial-stale]").hidden = !shows || now === this.key;
  }
}

function cells(form) {
  sliders(form);
  engines(form);
  const picture = one("#canvas") ? new Picture(form) : null;
  const trial = one("[data-trial]") ? new Trial(form) : null;
  form.oninput = () => picture?.draw();
  form.onchecked = (found) => trial?.stale(found.trial);
  all("[data-show]").forEach((field) => field.addEventListener("change", () => form.send(null)));
  all("[data-plain]").forEach((each) => { each.hidden = true; });
  const wait = Number(form.element.dataset.again);
  // Whoever writes meanwhile is not disturbed.
  if (wait) setTimeout(function again() {
    if (!document.contains(form.element)) return;
    if (document.activeElement?.matches("#form input, #form textarea, #form select") && one("#canvas")) { setTimeout(again, wait); return; }
    form.send(null);
  }, wait);
}

function begin() {
  const element = one("#form");
  if (!element) return;
  const form = new Form(element);
  if ("cells" in element.dataset) cells(form);
}

begin();
keepPlace();
// A link to a setting leads into what is folded up.
const wanted = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (wanted) { const folded = wanted.closest("details"); if (folded) folded.open = true; wanted.scrollIntoView(); }
