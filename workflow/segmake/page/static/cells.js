import { Picture } from "./picture.js";
import { all, ask, numberIn, one, problemOf } from "./tools.js";

const POLL_MS = 700;

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

function engines(form, changed) {
  const chosen = () => {
    const card = one("[name=card]:checked");
    return card && card.dataset.engine ? card.dataset.engine : form.valueOf("segmentation.engine");
  };
  const follow = () => {
    const engine = chosen();
    all("[data-engines]").forEach((each) => { each.hidden = !each.dataset.engines.split(" ").includes(engine); });
    one("[data-of-other]").hidden = !one("[data-other]").checked;
    one("[data-cells]").dataset.engine = engine;
    changed();
  };
  all("[name=card]").forEach((card) => card.addEventListener("change", follow));
  form.field("segmentation.engine").addEventListener("change", follow);
  follow();
}

// Whatever becomes of it, it is not waited for any longer.
async function loaded(address) {
  const image = Object.assign(new Image(), { src: address });
  await image.decode().catch(() => {});
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
    const found = await answer.json();
    // The cells that are told are those that are seen.
    if (found.state === "done") await loaded(found.outlines);
    if (document.contains(this.place)) this.show(found);
  }

  show(found) {
    const words = one("[data-trial-words]");
    if (words.dataset.said !== found.words) {
      words.dataset.said = found.words;
      words.textContent = found.state === "failed" ? "" : found.words;
    }
    all("[data-when-working]").forEach((each) => { each.hidden = found.over; });
    one("button[value=try]").ariaDisabled = found.over ? null : "true";
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

export function cells(form) {
  sliders(form);
  let picture = null;
  engines(form, () => picture?.chosen());
  picture = one("#canvas") ? new Picture(form) : null;
  const trial = one("[data-trial]") ? new Trial(form) : null;
  form.oninput = () => picture?.draw();
  form.onchecked = (found) => trial?.stale(found.trial);
  all("[data-show]").forEach((field) => field.addEventListener("change", () => form.send(null)));
  all("[data-plain]").forEach((each) => { each.hidden = true; });
  form.sendLater(() => Boolean(one("#canvas")));
}
