/* table.js - what the file says at once, and one row for each cell: sorted by any column, filtered by words and choices.
 * A ticked cell is in the pictures below. */

/* ---- the head of the page ---- */
function writeHead() {
  document.title = `${data.sweep}: report of a sweep`;
  document.getElementById("title").textContent = `Sweep ${data.sweep}`;
  const machines = [...new Set(data.cells.map(c => [c.cpu, c.isa].filter(Boolean).join(", ")))].filter(Boolean);
  const programs = [...new Set(data.cells.map(c => c.program))].filter(Boolean);
  document.getElementById("about").textContent = [
    data.file, data.created && `finished ${data.created}`,
    `${plural(data.cells.length, "cell")}, ${plural(data.n_trials, "trial")}, ${plural(data.n_steps, "step")}`,
    machines.length && `on ${machines.length > 2 ? machines.length + " machines" : machines.join("; ")}`,
    programs.length && `harness ${programs.join(", ")}`].filter(Boolean).join(" · ");
}

const sum = (cells, f) => d3.sum(cells, f);

/* Whether outputs are plain decoding's, in one sentence. */
function equality(cells) {
  const others = cells.filter(c => !c.plain), n = sum(others, c => c.trials), equal = sum(others, c => c.equal);
  const logits = sum(others, c => c.trials - c.logits_none), same = sum(others, c => c.logits_equal);
  if (n === 0) return "Only plain decoding.";
  const all = equal === n ? `All ${plural(n, "output")} have plain decoding's tokens` : `${count(equal)} of ${plural(n, "output")} have plain decoding's tokens`;
  if (logits === 0) return all + ".";
  return `${all}; the logits of ${same === logits ? "all " + count(same) : count(same) + " of " + count(logits)} are the same bit for bit.`;
}

const card = (...children) => el("div", {class: "card"}, children);

/* The cell with the highest value of a metric. */
function bestCard(g, metric) {
  const m = metrics[metric], order = best(g.cells, metric), top = order[0];
  if (!top) return card(el("p", null, `No policy of ${g.name} has a ${m.title}.`));
  const bound = g.cells.filter(c => c.policy === "oracle" && known(m.value(c))).sort((a, b) => m.value(b) - m.value(a))[0];
  return card(groups.length > 1 ? el("p", {class: "small"}, g.name) : null,
    el("p", {class: "quiet small"}, `highest ${m.title} of ${plural(order.length, "cell")}`), el("p", {class: "big num"}, m.text(m.value(top))),
    el("p", null, el("strong", null, top.name), known(m.lo?.(top)) ? `, 95% interval ${range(m.lo(top), m.hi(top), 2)}` : ""),
    el("p", {class: "small"}, [metric !== "tps" && `${fixed(metrics.tps.value(top), 2)} tokens per step`, mainMetric !== metric && `${metrics[mainMetric].title} ${withRange(mainMetric, top)}`,
      `coverage ${metrics.coverage.text(metrics.coverage.value(top))}`, `acceptance ${metrics.acceptance.text(metrics.acceptance.value(top))}`].filter(Boolean).join(" · ")),
    order.length > 1 ? el("p", {class: "small quiet"}, `Which others are as good, no interval of a single cell tells: harness compare ${data.file} pairs them by record.`) : null,
    bound ? el("p", {class: "small quiet"}, `The control that knows the output, ${bound.name}: ${withRange(metric, bound)}.`) : null);
}

function equalCard(cells) {
  const others = cells.filter(c => !c.plain), n = sum(others, c => c.trials);
  return card(el("p", {class: "quiet small"}, "outputs equal to plain decoding's"), el("p", {class: "big num"}, share(sum(others, c => c.equal), n)), el("p", null, equality(cells)));
}

/* One group: what is best, by time and by steps, and what is equal. Several: a card each. The best by time is that of
 * totals, as in harness compare. */
function cards() {
  const by = {speedup: "total", modeled: "modeled_total"}[mainMetric] || mainMetric;
  if (groups.length > 1) return groups.slice(0, 12).map(g => { const c = bestCard(g, by); c.append(el("p", {class: "small"}, equality(g.cells))); return c; });
  const g = groups[0];
  return [bestCard(g, by), mainMetric !== "tps" && metricNames.includes("tps") ? bestCard(g, "tps") : null, equalCard(g.cells)];
}

function constants() {
  const fixedKeys = data.keys.filter((k, i) => !k.varies && k.role !== "digest" && data.cells.some(c => c.settings[i] !== null));
  const text = k => `${k.owner && k.parameter ? k.owner + "." : ""}${k.name} = ${data.cells.map(c => setting(c, k.column)).find(v => v !== null)}`;
  return el("details", null, el("summary", null, `The same in every cell: ${plural(fixedKeys.length, "setting")}`),
    el("p", {class: "small"}, fixedKeys.map(text).join(", ")));
}

/* ---- the table ---- */
const COLUMNS_MOST = 5; /* of settings besides policy, n and k: more of them share one column */
const columnsOf = () => {
  const varying = data.keys.filter(k => k.varies || k.column === "policy");
  const folds = k => k.parameter && varying.filter(x => x.parameter).length > COLUMNS_MOST;
  const columns = varying.filter(k => !folds(k)).map(k => ({id: k.column, title: k.column === "dataset" ? "data" : k.name, text: !k.number,
    value: c => { const v = setting(c, k.column); return v === null ? null : k.number ? Number(v) : v; },
    write: c => (v => v === null ? missing : k.role === "digest" ? v.slice(0, 8) : v)(setting(c, k.column))}));
  const settings = c => keysOfPolicy(c.policy).filter(folds).filter(k => setting(c, k.column) !== null).map(k => `${k.name}=${setting(c, k.column)}`).join(" ");
  if (varying.some(folds)) columns.push({id: "settings", title: "settings", text: true, wraps: true, value: settings, write: settings});
  const metric = id => ({id, title: metrics[id].title, metric: id, value: metrics[id].value, about: metrics[id].about});
  columns.push(...["speedup", "total", "modeled", "modeled_total"].filter(m => metricNames.includes(m)).map(metric), metric("tps"), metric("coverage"), metric("acceptance"));
  if (data.cells.some(c => c.trials !== data.cells[0].trials))
    columns.push({id: "trials", title: "trials", value: c => c.trials, write: c => c.trials < c.wanted ? `${count(c.trials)} of ${count(c.wanted)}` : count(c.trials)});
  columns.push({id: "equal", title: "equal", value: c => c.trials ? c.equal / c.trials : null, write: c => `${count(c.equal)}/${count(c.trials)}`,
    about: "trials whose tokens are plain decoding's"});
  if (data.cells.some(c => c.logits_none < c.trials && c.logits_equal !== c.equal))
    columns.push({id: "logits", title: "logits equal", value: c => c.logits_equal, write: c => c.trials > c.logits_none ? `${count(c.logits_equal)}/${count(c.trials - c.logits_none)}` : missing});
  return columns;
};

function spreadCell(c, id) {
  const s = c[id];
  if (s && s.n < s.of) return el("td", null, `${count(s.n)} of ${count(s.of)}`);
  const m = metrics[id], text = m.text(m.value(c)), r = m.lo ? range(m.lo(c), m.hi(c), 2) : "";
  const cell = el("td", {class: "num"}, text, r ? el("span", {class: "range"}, " " + r) : null);
  if (s) withTip(cell, () => `median ${text}${r ? ", 95% interval " + r : ", no interval: too few records"}\nquartiles ${range(s.q1, s.q3, 2)}\n${plural(s.n, "trial")}` +
    (id === "speedup" && known(c.speedup_geometric) ? `\ngeometric mean over records ${times(c.speedup_geometric)}` : ""));
  if (id === "tps") withTip(cell, () => `${text}${r ? ", 95% interval " + r : ", no interval: too few records"}\nmean of the records' own ${fixed(c.tokens_per_step_macro, 2)}`);
  return cell;
}

/* Value and interval on one scale for all rows. */
function whiskers(c, scale) {
  const m = metrics[mainMetric], v = m.value(c);
  const svg = d3.create("svg:svg").attr("viewBox", "0 0 120 16").attr("aria-hidden", "true").style("width", "7.5rem").style("height", "1rem");
  if (known(m.baseline)) svg.append("line").attr("x1", scale(m.baseline)).attr("x2", scale(m.baseline)).attr("y1", 0).attr("y2", 16)
    .attr("stroke", "var(--quiet)").attr("stroke-dasharray", "2 2");
  if (finite(m.lo?.(c))) svg.append("line").attr("x1", scale(m.lo(c))).attr("x2", scale(m.hi(c))).attr("y1", 8).attr("y2", 8)
    .attr("stroke", "var(--s0)").attr("stroke-width", 2);
  if (finite(v)) svg.append("circle").attr("cx", scale(v)).attr("cy", 8).attr("r", 4).attr("fill", "var(--s0)");
  return svg.node();
}

const ROWS_AT_FIRST = 200;

function writeTable(at) {
  const columns = columnsOf(), state = {by: null, down: true, words: "", picks: {}, all: false};
  const m = metrics[mainMetric];
  const ends = d3.extent([m.baseline, ...data.cells.filter(c => !c.control).flatMap(c => [m.value(c), m.lo?.(c), m.hi?.(c)])].filter(finite));
  const scale = d3.scaleLinear().domain(ends).range([6, 114]).clamp(true); /* controls may lie at its edge */
  const status = el("p", {class: "small quiet", "aria-live": "polite"});
  const body = el("tbody");
  const heads = columns.map(c => {
    const button = el("button", {type: "button", title: c.about || null, click: () => {
      if (state.by === c) state.down = !state.down; else { state.by = c; state.down = !c.text; }
      fill();
    }}, c.title, el("span", {"aria-hidden": "true"}));
    return el("th", {scope: "col", class: c.text ? "text" : null}, button);
  });
  const table = el("table", {class: "summary"},
    el("thead", null, el("tr", null, el("th", {scope: "col", class: "plain"}, "show"), heads, el("th", {scope: "col", class: "plain"}, `${m.title} [95%]`))), body);
  const more = el("button", {type: "button", click: () => { state.all = true; fill(); }}, "Show all rows");

  function row(c) {
    const box = el("input", {type: "checkbox", "aria-label": `show ${c.name} in the pictures`, change: () => {
      if (box.checked) shown.add(c); else shown.delete(c);
      redrawAll();
    }});
    box.checked = shown.has(c);
    return el("tr", null, el("td", null, box),
      columns.map(k => k.metric ? spreadCell(c, k.metric) : el("td", {class: k.text ? k.wraps ? "text wraps" : "text" : "num"}, k.write(c))), el("td", null, whiskers(c, scale)));
  }

  function fill() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    let rows = data.cells.filter(c => words.every(w => `${c.name} ${groups[c.group].name}`.toLowerCase().includes(w)) &&
      Object.entries(state.picks).every(([k, v]) => v === "" || setting(c, k) === v));
    if (state.by) {
      const v = state.by.value, by = state.down ? d3.descending : d3.ascending;
      rows = [...rows].sort((a, b) => !known(v(a)) - !known(v(b)) || by(v(a), v(b)) || a.index - b.index);
    }
    const visible = state.all ? rows : rows.slice(0, ROWS_AT_FIRST);
    clear(body).append(...visible.map(row));
    more.hidden = visible.length === rows.length;
    status.textContent = `${plural(rows.length, "cell")}${rows.length < data.cells.length ? " of " + count(data.cells.length) : ""}` +
      (state.by ? `, by ${state.by.title}, ${state.down ? "highest" : "lowest"} first` : ", in the file's order") +
      (visible.length < rows.length ? `; the first ${visible.length} are shown` : "");
    heads.forEach((h, i) => {
      const is = state.by === columns[i];
      if (is) h.setAttribute("aria-sort", state.down ? "descending" : "ascending"); else h.removeAttribute("aria-sort");
      h.querySelector("span").textContent = is ? (state.down ? " ↓" : " ↑") : "";
    });
  }

  const picks = data.keys.filter(k => k.varies && !k.number && new Set(data.cells.map(c => setting(c, k.column))).size <= 40)
    .map(k => choice(k.name, [["", "all"], ...[...new Set(data.cells.map(c => setting(c, k.column)))].filter(v => v !== null).map(v => [v, v])], "",
      v => { state.picks[k.column] = v; fill(); }));
  at.append(el("div", {class: "controls"},
    el("label", null, "Filter", el("input", {type: "search", placeholder: "words, all must match", input: e => { state.words = e.target.value; fill(); }})),
    picks.slice(0, 4),
    el("button", {type: "button", click: () => { shown.clear(); redrawAll(); fill(); }}, "Untick all")),
  el("p", {class: "small quiet"}, `In brackets: 95% intervals${data.drawn_by ? ", which draw records together by " + data.drawn_by : ""}. Ticked cells are in the pictures below. The head of a column sorts by it.`), status,
  el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Summary of cells"}, table), more);
  fill();
}

function writeSummary() {
  const at = section("summary", "Summary");
  for (const note of data.notes) at.append(el("p", {class: "note"}, note));
  if (!data.cells.length) {
    at.append(el("p", null, "The file has no cells: nothing was run."));
    return;
  }
  if (groups.length === 1) at.append(el("p", null, groups[0].name));
  at.append(el("div", {class: "cards"}, cards()));
  if (groups.length > 12) at.append(el("p", {class: "quiet"}, `The first 12 of ${groups.length} groups of comparable cells; the table has all.`));
  at.append(constants());
  writeTable(at);
}
