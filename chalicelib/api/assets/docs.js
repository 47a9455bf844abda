"use strict";

// The pages read well without this script. It adds copying, a remembered language, and the search.

for (const code of document.querySelectorAll(".code")) {
  if (!code.querySelector("pre")) continue;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
  button.addEventListener("click", async () => {
    const shown = [...code.querySelectorAll("pre")].find((pre) => pre.offsetParent !== null);
    await navigator.clipboard.writeText(shown.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  code.append(button);
}

const LANGUAGE = "meetlink-docs-language";

function chooseLanguage(language) {
  for (const radio of document.querySelectorAll("input[data-language]")) {
    if (radio.dataset.language === language) radio.checked = true;
  }
}
for (const radio of document.querySelectorAll("input[data-language]")) {
  radio.addEventListener("change", () => {
    const before = radio.getBoundingClientRect().top;
    chooseLanguage(radio.dataset.language);
    window.scrollBy(0, radio.getBoundingClientRect().top - before); // Other tabs above may have changed their height.
    localStorage.setItem(LANGUAGE, radio.dataset.language);
  });
}
chooseLanguage(localStorage.getItem(LANGUAGE));

if (matchMedia("(max-width: 48rem)").matches) document.querySelector(".pages details").open = false;

// The navigation scrolls on its own: show where the reader is.
const pages = document.querySelector(".pages");
const current = pages.querySelector("[aria-current]");
if (current.offsetTop > pages.clientHeight / 2) pages.scrollTop = current.offsetTop - pages.clientHeight / 3;

const box = document.querySelector("#search");
const root = document.body.dataset.docs;
const input = Object.assign(document.createElement("input"), { type: "search", placeholder: "Search   /" });
input.setAttribute("aria-label", "Search the docs");
const results = Object.assign(document.createElement("ul"), { className: "results" });
results.setAttribute("aria-label", "Results");
box.append(input, results);

let entries;
async function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  entries ??= fetch(`${root}/search.json`).then((response) => response.json());
  const scored = (await entries).map((entry) => {
    const title = entry.t.toLowerCase();
    const text = `${title} ${entry.p.toLowerCase()} ${entry.x.toLowerCase()}`;
    const found = words.every((word) => text.includes(word));
    return { entry, score: found ? 1 + words.filter((word) => title.includes(word)).length : 0 };
  });
  const best = scored.filter(({ score }) => words.length && score).sort((a, b) => b.score - a.score);
  results.replaceChildren(...best.slice(0, 12).map(({ entry }) => {
    const link = Object.assign(document.createElement("a"), { href: root + entry.a, textContent: entry.t });
    link.append(Object.assign(document.createElement("small"), { textContent: entry.p }));
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  if (words.length && !best.length) {
    results.replaceChildren(Object.assign(document.createElement("li"), { textContent: "Nothing found." }));
  }
}
input.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    input.focus();
  }
  const links = [...results.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "Escape") { input.value = ""; results.replaceChildren(); }
  if (!links.length || !box.contains(event.target)) return;
  if (event.key === "ArrowDown") { event.preventDefault(); links[Math.min(at + 1, links.length - 1)].focus(); }
  if (event.key === "ArrowUp") { event.preventDefault(); (at > 0 ? links[at - 1] : input).focus(); }
  if (event.key === "Enter" && event.target === input) location.href = links[0].href;
});
document.addEventListener("click", (event) => {
  if (!box.contains(event.target) || event.target.closest(".results a")) results.replaceChildren();
});
