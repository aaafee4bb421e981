// What all scripts of the page take: elements, numbers, questions to the server, and what is told to people.

const csrf = document.body.dataset.csrf;

export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const numberIn = (text) => Number.parseFloat(String(text).trim().replace(",", "."));
const language = document.documentElement.lang;
export const shown = (value, digits = 1) => value.toLocaleString(language, { maximumFractionDigits: digits });

// What is told to people

function lost() {
  const place = one("main");
  if (one("[data-lost-notice]")) return;
  const notice = document.createElement("p");
  notice.className = "notice bad";
  notice.dataset.lostNotice = "";
  notice.setAttribute("role", "alert");
  notice.textContent = document.body.dataset.lost;
  place.prepend(notice);
}

export async function ask(address, options = {}) {
  try {
    const answer = await fetch(address, { ...options, headers: { "x-segmake-csrf": csrf, ...options.headers } });
    all("[data-lost-notice]").forEach((each) => each.remove());
    return answer;
  } catch {
    lost();
    return null;
  }
}

function stepsOf(found) {
  const line = Object.assign(document.createElement("p"), { className: "steps", textContent: `${found.steps_lead} ` });
  found.steps.forEach(({ command, address, name }, place) => {
    const here = address === location.pathname;
    const step = here ? found.steps_here : Object.assign(document.createElement("a"), { href: address, textContent: name });
    line.append(place ? " · " : "");
    if (command) line.append(Object.assign(document.createElement("code"), { textContent: command }), " → ");
    line.append(step);
  });
  return line;
}

export function problemOf(found) {
  const box = document.createElement("div");
  box.className = "problem";
  for (const [index, text] of [found.text, found.remedy].entries()) {
    if (!text) continue;
    const line = document.createElement("p");
    const words = index ? line : line.appendChild(document.createElement("strong"));
    text.split("`").forEach((piece, place) => {
      words.append(place % 2 ? Object.assign(document.createElement("code"), { textContent: piece }) : piece);
    });
    box.append(line);
  }
  if (found.steps?.length) box.append(stepsOf(found));
  if (found.terminal) box.append(Object.assign(document.createElement("p"), { className: "steps", textContent: found.terminal }));
  const code = document.createElement("p");
  code.className = "code";
  code.append(Object.assign(document.createElement("a"), { href: `/help/${found.code}`, textContent: found.code }));
  box.append(code);
  return box;
}
