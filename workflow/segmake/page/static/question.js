// What a login asks: looked for while the page is open, and answered without leaving it.
import { all, ask, one } from "./tools.js";

const PAUSE_MS = 1500;
const SOON_MS = 300;

let waits = null;
// Counts what was answered: a question that was looked for before is not shown again.
let answered = 0;

const place = () => one("[data-question]");

export function watchQuestions() {
  take(place());
  again(PAUSE_MS);
}

function again(pause) {
  clearTimeout(waits);
  if (place().dataset.mayAsk === "true") waits = setTimeout(look, pause);
}

// After something was begun that may ask.
export function lookSoon() { place().dataset.mayAsk = "true"; again(SOON_MS); }

async function look() {
  // Of a page that nobody sees, nothing is asked.
  if (!document.hidden) {
    const before = answered;
    const answer = await ask("/question");
    const text = answer && answer.ok && await answer.text();
    if (text && before === answered) put(text);
  }
  again(PAUSE_MS);
}

function put(text) {
  const now = new DOMParser().parseFromString(text, "text/html").querySelector("[data-question]");
  const before = place();
  if (now.dataset.question === before.dataset.question) return;
  const back = now.querySelector("[name=back]");
  if (back) back.value = location.pathname;
  before.replaceChildren(...now.childNodes);
  before.dataset.question = now.dataset.question;
  take(before);
}

function take(section) {
  const form = one("form", section);
  if (!form) return;
  // Whoever is typing elsewhere goes on there.
  if (document.activeElement === document.body) (one("#answer", form) || form).focus({ preventScroll: false });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = new URLSearchParams(new FormData(form));
    if (event.submitter && event.submitter.name) values.set(event.submitter.name, event.submitter.value);
    all("input, button", form).forEach((each) => { each.disabled = true; });
    const answer = await ask("/answer", { method: "POST", body: values, redirect: "manual" });
    if (!answer) { all("input, button", form).forEach((each) => { each.disabled = false; }); return; }
    answered += 1;
    section.replaceChildren();
    section.dataset.question = "";
    again(SOON_MS);
  });
}
