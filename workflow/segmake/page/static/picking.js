// Forms with folders to pick from: what is picked is in fields that nobody sees.
import { one } from "./tools.js";

// A button that was pressed while another one was being answered: its turn comes after that.
let waiting = "";

// Whether the form is as the page shows it. If not, it is shown anew.
export function picking(form, hidden, picks) {
  const element = form.element;
  // A page that is left and come back to has what was picked.
  if (hidden.some((name) => form.began.get(name) !== form.valueOf(name))) { form.forget(); form.send(null); return false; }
  let pressed = false;
  element.addEventListener("submit", (event) => {
    // What is shown of a folder is that of the one before, until the answer comes.
    const own = picks.test(event.submitter?.value);
    if (pressed && element.hasAttribute("aria-busy")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (!own) waiting = event.submitter?.value ?? "";
      return;
    }
    pressed = own;
    form.forget();
  }, { capture: true });
  // What is typed until the answer is shown is of what was there before: kept, it would undo what was pressed. A field
  // tells of its change even as it is taken out of the page.
  for (const kind of ["input", "change"]) element.addEventListener(kind, () => { if (pressed) form.forget(); });
  if (Number(one("#changes").dataset.changes)) form.keep();
  const next = waiting && one(`button[name=do][value="${CSS.escape(waiting)}"]`, element);
  waiting = "";
  if (next) next.click();
  return !next;
}
