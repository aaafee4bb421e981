import { all, numberIn, one, shown } from "./tools.js";

const LARGEST_ZOOM = 16;

// The picture: its circle, its lines, its size

export class Picture {
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
    this.zoom = before ? before.zoom : 0;
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
    const none = this.splits ? legend.dataset.noneThreshold : legend.dataset.none;
    const word = diameter.trim() === "estimate" ? legend.dataset.estimate : "–";
    legend.textContent = pixels > 0 ? this.length(pixels) : diameter.trim() ? word : none;
    const um = one('[data-um="segmentation.diameter"]');
    if (um) um.textContent = pixels > 0 && this.um ? `= ${shown(pixels * this.um, 3)} µm` : "";
    this.place();
  }

  // Another engine takes the diameter for something else.

  chosen() {
    this.draw();
    this.result();
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

  // Without a network it is how far apart two cells are split: their width.
  get splits() { return one("[data-cells]").dataset.engine === "threshold"; }

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
    if (this.splits) return breadth;
    return 2 * Math.sqrt((breadth * (along - breadth) + (Math.PI * breadth ** 2) / 4) / Math.PI);
  }

  result() {
    const diameter = this.diameter();
    const output = one("[data-measured]");
    const there = diameter > 0;
    const words = this.splits ? output.dataset.wordsThreshold : output.dataset.words;
    output.textContent = there ? `${words}${this.length(diameter)}` : "";
    one("[data-take]").hidden = !there;
  }

  take(diameter) {
    const field = this.form.field("segmentation.diameter");
    field.value = String(Math.round(diameter * 10) / 10);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus({ preventScroll: true });
  }
}
