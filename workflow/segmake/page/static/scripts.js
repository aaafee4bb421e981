// The steps Scripts and Environments: another file of a script has other options.
import { followErrand } from "./errand.js";
import { picking } from "./picking.js";
import { all } from "./tools.js";

export function scripts(form, list) {
  if (!picking(form, [list, "selected"], /^(open|add|bring|drop|select):?/)) return;
  all("[data-show]", form.element).forEach((field) => field.addEventListener("change", () => { form.forget(); form.send(null); }));
  // The one that is shown is shown again when the page is loaded again.
  history.replaceState(null, "", `${location.pathname}?${new URLSearchParams({ [list.slice(0, -1)]: form.valueOf("selected") })}`);
  followErrand();
}
