// The step Images: shown anew when something was chosen, and counted while somebody types.
import { picking } from "./picking.js";
import { all, ask, one } from "./tools.js";

export function images(form) {
  const element = form.element;
  if (!picking(form, ["images.folder"], /^(open|take|add|drop):/)) return;
  all("[data-show]", element).forEach((field) => field.addEventListener("change", () => { form.forget(); form.send(null); }));
  all("[data-plain]", element).forEach((each) => { each.hidden = true; });
  form.onchecked = async () => {
    const [sent, place] = [form.values(), one("[data-count]", element)];
    const answer = await ask("/images/count", { method: "POST", body: new URLSearchParams(sent) });
    const found = answer && answer.ok && await answer.json();
    if (found && place && sent === form.values()) place.textContent = found.words;
  };
  form.sendLater();
}
