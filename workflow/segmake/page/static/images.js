// The step Images: shown anew when something was chosen, and counted while somebody types.
import { all, ask, one } from "./tools.js";

// A button that was pressed while a folder was being opened or taken: its turn comes after that.
let waiting = "";

export function images(form) {
  const element = form.element;
  const send = () => { form.forget(); form.send(null); };
  // A page that is left and come back to has the folders that were picked.
  if (form.began.get("images.folder") !== form.valueOf("images.folder")) { send(); return; }
  let pressed = false;
  element.addEventListener("submit", (event) => {
    // What is shown of a folder is that of the one before, until the answer comes.
    const picks = /^(open|take|add|drop):/.test(event.submitter?.value);
    if (pressed && element.hasAttribute("aria-busy")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (!picks) waiting = event.submitter?.value ?? "";
      return;
    }
    pressed = picks;
    form.forget();
  }, { capture: true });
  if (Number(one("#changes").dataset.changes)) form.keep();
  const next = waiting && one(`button[name=do][value="${CSS.escape(waiting)}"]`, element);
  waiting = "";
  if (next) { next.click(); return; }
  all("[data-show]", element).forEach((field) => field.addEventListener("change", send));
  all("[data-plain]", element).forEach((each) => { each.hidden = true; });
  form.onchecked = async () => {
    const answer = await ask("/images/count", { method: "POST", body: new URLSearchParams(form.values()) });
    const place = one("[data-count]");
    if (answer && answer.ok && place) place.textContent = (await answer.json()).words;
  };
  const wait = Number(element.dataset.again);
  // Whoever writes meanwhile is not disturbed.
  if (wait) setTimeout(function again() {
    if (!document.contains(element)) return;
    if (document.activeElement?.matches("#form input, #form textarea, #form select")) { setTimeout(again, wait); return; }
    form.send(null);
  }, wait);
}
