// The step Connect: only what the chosen computer takes is asked, and the institute's file is picked, not pasted.
import { all, one } from "./tools.js";
import { lookSoon } from "./question.js";

export function connect() {
  const other = one("[data-other-computer]");
  const follow = () => { if (other) one("[data-of-new]").hidden = !other.checked; };
  all("[name=computer]").forEach((each) => each.addEventListener("change", follow));
  follow();
  if (one("[data-errand][data-over=false]")) lookSoon();
  const picker = one("[data-site-file]");
  if (!picker) return;
  const text = one("#site");
  picker.hidden = false;
  if (!text.value.trim()) text.hidden = true;
  picker.addEventListener("change", async () => {
    const file = picker.files[0];
    // A file of settings is small.
    text.value = file && file.size < 500000 ? await file.text() : "";
    text.hidden = !text.value;
  });
  one("[data-focus]")?.focus();
}
