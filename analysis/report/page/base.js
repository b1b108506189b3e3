/* base.js - the data, numbers as text, elements, the tip beside the pointer, and the theme.
 * All texts enter the page as text nodes: nothing from a file can become markup. */
const data = JSON.parse(document.getElementById("data").textContent);

/* ---- numbers ---- */
const missing = "–";
const known = x => x !== null && x !== undefined && !Number.isNaN(x);
const fixed = (x, digits) => !known(x) ? missing : x === Infinity ? "∞" : x.toFixed(digits);
const times = x => known(x) ? fixed(x, 2) + "×" : missing;
const count = x => known(x) ? x.toLocaleString("en-US") : missing;
/* Cut, not rounded: 100.0% is all of them. */
const share = (part, whole) => whole > 0 ? (Math.floor(1000 * part / whole + 1e-9) / 10).toFixed(1) + "%" : missing;
const range = (lo, hi, digits) => known(lo) && known(hi) ? `[${fixed(lo, digits)}, ${fixed(hi, digits)}]` : "";
const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
function duration(ns) {
  if (!known(ns)) return missing;
  const [unit, digits] = ns >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : ns >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  return `${d3.format(".3r")(ns / unit)} ${digits}`;
}

/* ---- elements ---- */
/* el("p", {class: "quiet"}, "text", node): a value that is a function listens, false and null leave an attribute out. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter(c => c !== null && c !== undefined && c !== false));
  return node;
}
const clear = node => { node.textContent = ""; return node; };

let serial = 0;
const uniqueId = () => `x${++serial}`;

/* A labelled choice; options are [value, text]. */
function choice(label, options, value, change) {
  const select = el("select", {change: () => change(select.value)},
    options.map(([v, text]) => el("option", {value: v, selected: String(v) === String(value)}, text)));
  return el("label", null, label, select);
}

function section(id, title, ...lines) {
  const heading = el("h2", {id}, title);
  const at = el("section", {"aria-labelledby": id}, heading, lines.map(l => el("p", {class: "quiet"}, l)));
  document.getElementById("main").append(at);
  document.getElementById("sections").append(el("li", null, el("a", {href: "#" + id}, title)));
  return at;
}

/* Arrow keys move between the cells of a grid, of which one is in the tab order. `at` gives [row, column]. */
function roving(container, selector) {
  const items = () => [...container.querySelectorAll(selector)];
  const first = items()[0];
  if (first) first.tabIndex = 0;
  container.addEventListener("keydown", event => {
    const row = event.target.closest("tr");
    if (!row || !event.target.matches(selector)) return;
    const column = [...row.cells].indexOf(event.target);
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = [...container.querySelectorAll("tr")];
    const to = rows[rows.indexOf(row) + step[0]]?.cells[column + step[1]];
    if (!to || !to.matches(selector)) return;
    items().forEach(i => { i.tabIndex = -1; });
    to.tabIndex = 0;
    to.focus();
  });
}

/* ---- the tip ---- */
const tip = document.getElementById("tip");
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(8, Math.min(x + 12, innerWidth - box.width - 8)) + "px";
  tip.style.top = (y + box.height + 24 > innerHeight ? Math.max(4, y - box.height - 12) : y + 16) + "px";
}
const hideTip = () => { tip.hidden = true; };
/* Shows text() while the pointer is over the node or the focus on it. */
function withTip(node, text) {
  node.addEventListener("pointermove", e => showTip(text(), e.clientX, e.clientY));
  node.addEventListener("pointerleave", hideTip);
  node.addEventListener("focus", () => {
    const box = node.getBoundingClientRect();
    showTip(text(), box.left, box.bottom);
  });
  node.addEventListener("blur", hideTip);
  return node;
}
addEventListener("keydown", e => { if (e.key === "Escape") hideTip(); });
addEventListener("scroll", hideTip, {passive: true});

/* ---- the theme ---- */
const themes = ["system", "light", "dark"];
function setTheme(name) {
  const root = document.documentElement;
  if (name === "system") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", name);
  document.getElementById("theme").textContent = `Theme: ${name}`;
}
function startTheme() {
  let now = "system";
  try { now = localStorage.getItem("harness-theme") || now; } catch (_) { /* a file of its own may have no storage */ }
  if (!themes.includes(now)) now = "system";
  setTheme(now);
  document.getElementById("theme").addEventListener("click", () => {
    now = themes[(themes.indexOf(now) + 1) % themes.length];
    setTheme(now);
    try { localStorage.setItem("harness-theme", now); } catch (_) { /* as above */ }
    redrawAll();
  });
}

/* Places for pictures in a grid, drawn only when all are there: a picture's width is that of its place. */
function lay(box, draws, of, noun) {
  clear(box);
  draws.map(draw => [box.appendChild(el("div")), draw]).forEach(([at, draw]) => draw(at));
  if (of > GROUPS_MOST) box.append(el("p", {class: "quiet"}, `The first ${GROUPS_MOST} of ${plural(of, noun)}.`));
}
const GROUPS_MOST = 8;
const eachGroup = (box, draw) => lay(box, groups.slice(0, GROUPS_MOST).flatMap(g => draw(g)), groups.length, "group");

/* ---- drawing again: when the width, the theme or the choice of cells changes ---- */
const drawn = [];
function redrawAll() { for (const d of drawn) d(); }
function onChange(draw) { drawn.push(draw); draw(); }
