// The step Images: shown anew when something was chosen, and counted while somebody types.
import { picking } from "./picking.js";
import { all, ask, one } from "./tools.js";

export function images(form) {
  const element = form.element;
  if (!picking(form, ["images.folder"], /^(open|take|add|drop):/)) return;
  all("[data-show]", element).forEach((field) => field.addEventListener("change", () => { form.forget(); form.send(null); }));
  all("[data-plain]", element).forEach((each) => { each.hidden = true; });
  form.onchecked = async () => {
    const answer = await ask("/images/count", { method: "POST", body: new URLSearchParams(form.values()) });
    const place = one("[data-count]");
    if (answer && answer.ok && place) place.textContent = (await answer.json()).words;
  };
  form.sendLater();
}
