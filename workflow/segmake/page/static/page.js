// What a page can do besides its forms. Without these scripts everything can be done by fields and buttons.
import { cells } from "./cells.js";
import { connect } from "./connect.js";
import { followErrand } from "./errand.js";
import { follow } from "./follow.js";
import { experiments } from "./experiments.js";
import { Form, keepPlace, tellUnsaved } from "./form.js";
import { images } from "./images.js";
import { scripts } from "./scripts.js";
import { watchQuestions } from "./question.js";
import { all, one } from "./tools.js";

function begin() {
  const element = one("#form");
  if (!element) return;
  const form = new Form(element, begin);
  if ("cells" in element.dataset) cells(form);
  if ("images" in element.dataset) images(form);
  if ("scripts" in element.dataset) scripts(form, element.dataset.scripts);
}

begin();
keepPlace();
followErrand();
tellUnsaved();
if (one("[data-follow]")) follow();
// On a narrow screen the steps are a row that is drawn along.
const step = one(".top nav [aria-current]");
if (step) {
  const [row, at] = [step.parentElement, step.getBoundingClientRect()];
  row.scrollLeft += at.left + at.width / 2 - row.getBoundingClientRect().left - row.clientWidth / 2;
}
// A plan is of one place: for another one it is to be seen first.
const profile = one("select[name=profile]");
if (profile) {
  // A browser may have put in what was chosen before.
  const planned = ([...profile.options].find((each) => each.defaultSelected) ?? profile.options[0]).value;
  const ofPlan = () => all("[data-of-plan]").forEach((each) => { each.hidden = profile.value !== planned; });
  profile.addEventListener("change", ofPlan);
  ofPlan();
}
if (one("[data-connect]")) connect();
if (one("[data-experiments]")) experiments();
if (one("[data-question]")) watchQuestions();
// A link to a setting leads into what is folded up.
const wanted = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (wanted) { const folded = wanted.closest("details"); if (folded) folded.open = true; wanted.scrollIntoView(); }
