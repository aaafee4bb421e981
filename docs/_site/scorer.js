/* Which of the pages that Sphinx' search finds come first, where in them the reader is led to, and what is shown. */

/* Pages for those who work with images, then those for the few who look after a cluster or the program. */
const kinds = [
  [/^(administrators|developers)\/|^reference\/(changes|messages)/, -10],
  [/(^|\/)index|^(workshop|reference)\//, -4],
  [/^(tutorial|how-to|faq)\//, 6],
];

/* As it is typed: without accents, with straight apostrophes and common spaces. */
const plain = (text) =>
  text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[’‘]/g, "'").replace(/\s/g, " ").toLowerCase();

function searchedWords() {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  const stemmer = new Stemmer();
  const words = splitQuery(query.toLowerCase()).filter((word) => !stopwords.has(word));
  return {
    phrase: plain(query).trim(),
    // Beginnings of words: "copy" and "copies" have "cop".
    beginnings: words.map((word) => new RegExp(`(?<![\\p{L}\\p{N}])${plain(stemmer.stemWord(word)).replace(/[iy]$/, "")}`, "u")),
  };
}

let searched;

function judged(section) {
  const heading = plain(section.heading);
  const all = `${heading} ${plain(section.text)}`;
  const count = (text) => searched.beginnings.filter((beginning) => beginning.test(text)).length;
  const [inHeading, inAll] = [count(heading), count(all)];
  const has = (number) => (number === searched.beginnings.length ? 1 : 0);
  const isWhole = all.includes(searched.phrase) ? searched.beginnings.length : 0;
  return 40 * has(inHeading) + 10 * has(inAll) + 4 * (inHeading + inAll + isWhole);
}

/* The line around the first of the words; where there is none, the first line. */
function line(text) {
  const places = searched.beginnings.map((beginning) => plain(text).search(beginning)).filter((place) => place >= 0);
  const first = places.length > 0 ? Math.min(...places) : 0;
  // Between words.
  const from = text.lastIndexOf(" ", Math.max(first - 60, 0)) + 1;
  const end = text.length > from + 160 ? text.lastIndexOf(" ", from + 160) : text.length;
  return `${from > 0 ? "… " : ""}${text.slice(from, end)}${end < text.length ? " …" : ""}`;
}

var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  /* Sphinx shows what the result says after this: which section, and a line of it. */
  score(result) {
    const [page, , anchor, , score, , kind] = result;
    const weight = kinds.find(([names]) => names.test(page))?.[1] ?? 0;
    if (kind === "object") {
      return score + weight;
    }
    searched ??= searchedWords();
    let best = null;
    let most = -1;
    for (const section of sections[page]) {
      const points = judged(section);
      // Of two that are as good, the shorter one is about the words.
      const isBetter = points > most || (points === most && section.text.length < best.text.length);
      if (kind === "text" ? isBetter : section.anchor === anchor) {
        [best, most] = [section, points];
      }
    }
    if (!best) {
      return score + weight;
    }
    const title = sections[page][0].heading;
    result[1] = best.anchor ? `${title} > ${best.heading}` : title;
    result[2] = best.anchor;
    result[3] = line(best.text);
    return most + weight;
  },
};
