/* curves.js - against k: what was measured, what the pass times let expect, and the pass times themselves; and acceptance
 * by position in the draft. */

/* The cells of a group as series: each is a policy with all its settings but the one on the x axis. */
function seriesOf(cells, column) {
  const series = d3.nest().key(c => policyName(c, [column])).entries(cells.filter(c => setting(c, column) !== null));
  return series.map(s => ({name: s.key, cells: s.values.sort((a, b) => setting(a, column) - setting(b, column))}));
}

const numericKeys = () => keysOf("policy").filter(k => k.number &&
  groups.some(g => seriesOf(g.cells, k.column).some(s => s.cells.length > 1)));

/* The series with a ticked cell, and how many there are. */
function shownSeries(g, column) {
  const all = seriesOf(g.cells, column);
  return {series: all.filter(s => s.cells.some(c => shown.has(c))).slice(0, SHOWN_MOST), all: all.length};
}

/* How drafts of d tokens are called on the axis: as this policy counts k (LLMA counts the pending token, too). */
const offsetOf = cell => Number(setting(cell, "k")) - cell.positions.length / 3 === 1 ? 1 : 0;

function expectedSeries(s, g, style) {
  const longest = s.cells[s.cells.length - 1], offset = offsetOf(longest), times = timesOf(g);
  const points = expected(longest, times).map(p => ({x: p.d + offset, y: p.value, tip: `expected ${fixed(p.value, 2)}×\nfrom ${longest.name} and ${times.name}`}));
  return {name: `${s.name}, expected`, style: {...style, dash: "2 3"}, points, marks: false, thin: true};
}

function writeAgainst() {
  const keys = numericKeys();
  if (!keys.length) return;
  const k = keys.find(x => x.column === "k") || keys[0];
  const at = section("against", `Against ${k.name}`, "Points are cells, whiskers 95% intervals. Dotted lines are expectations: the copies of the series' cell with the longest drafts, cut shorter and gone on with in the next step, at the times of passes; drafting takes no time in them.");
  const state = {metric: mainMetric, key: k};
  const box = el("div", {class: "facets"});
  const draw = () => eachGroup(box, g => [place => drawAgainst(place, g, state), ...(state.key.column === "k" ? drawPasses(g) : [])]);
  at.append(el("div", {class: "controls"}, choice("Value", metricNames.map(m => [m, metrics[m].title]), state.metric, v => { state.metric = v; draw(); }),
    keys.length > 1 ? choice("Axis", keys.map(x => [x.column, x.name]), k.column, v => { state.key = keys.find(x => x.column === v); draw(); }) : null), box);
  onChange(draw);
}

function drawAgainst(place, g, state) {
  const m = metrics[state.metric], {series, all} = shownSeries(g, state.key.column);
  const lines = series.map((s, i) => ({name: s.name, style: styleOf(i), points: s.cells.map(c => ({x: Number(setting(c, state.key.column)), y: m.value(c),
    lo: m.lo?.(c), hi: m.hi?.(c), tip: `${m.title} ${withRange(state.metric, c)}\ntokens/step ${withRange("tps", c)}`}))}));
  const speed = ["speedup", "total", "modeled", "modeled_total"].includes(state.metric), onK = state.key.column === "k";
  if (speed && onK) series.forEach((s, i) => { if (s.cells.length > 1) lines.push(expectedSeries(s, g, styleOf(i))); });
  lineChart(place, {title: `${m.title} against ${state.key.name}`, about: g.name + (series.length < all ? ` · ${series.length} of ${all} series; tick others in the summary` : ""),
    x: {label: state.key.name}, y: {label: m.title, text: m.text, baseline: m.baseline}, series: lines, empty: "No cell that is ticked in the summary has this setting."});
}

/* T(k): the cost file's, for up to three contexts, and what this file's own passes took. A list of one picture or none. */
function drawPasses(g) {
  const lines = [], passes = passesOf(g).filter(p => p[1] >= 5);
  for (const c of costs.slice(0, 2))
    c.contexts.forEach((context, i) => {
      if (i > 2) return;
      lines.push({name: `${c.name}, context ${count(context)}`, style: styleOf(lines.length), points: c.k.map((k, j) => ({x: k, y: c.ns[i][j] / c.ns[i][0],
        lo: c.q1[i][j] / c.ns[i][0], hi: c.q3[i][j] / c.ns[i][0], tip: `${duration(c.ns[i][j])}, ${fixed(c.ns[i][j] / c.ns[i][0], 2)} of T(1)`}))});
    });
  const one = passes.find(p => p[0] === 1);
  if (one) lines.push({name: "passes in this file", style: {...styleOf(6), symbol: d3.symbolCircle}, hollow: true, line: false, points: passes.map(p => ({x: p[0], y: p[3] / one[3], lo: p[2] / one[3], hi: p[4] / one[3],
    tip: `median ${duration(p[3])} of ${plural(p[1], "pass").replace("passs", "passes")}, quartiles ${duration(p[2])} to ${duration(p[4])}`}))});
  if (!lines.length) return [];
  return [place => lineChart(place, {title: "Time of a pass over k tokens, T(k) / T(1)", about: `${g.name} · whiskers: quartiles`,
    x: {label: "tokens in the pass"}, y: {label: "T(k) / T(1)", text: x => fixed(x, 2), tick: d3.format("~r"), baseline: 1}, series: lines})];
}

/* ---- acceptance by position ---- */
function writePositions() {
  if (!data.cells.some(c => c.positions.length)) return;
  const at = section("positions", "Acceptance by position in the draft");
  const state = {conditional: true};
  const box = el("div", {class: "facets"}), about = el("p", {class: "quiet"});
  const draw = () => {
    about.textContent = state.conditional ? "Of the drafts whose earlier tokens were all accepted, the share whose token here was accepted, too."
      : "Of the drafts that are this long, the share whose token here was accepted: what one more copied token brings.";
    eachGroup(box, g => [place => {
      const cells = shownOf(g).filter(c => c.positions.length);
      lineChart(place, {title: "Acceptance by position", about: g.name + (tooMany(g) ? " · " + tooMany(g) : ""), x: {label: "position in the draft", log: false},
        y: {label: "acceptance", text: x => share(x, 1), tick: d3.format(".0%"), domain: [0, 1]}, empty: "No ticked cell drafted anything.",
        series: cells.map((c, i) => ({name: c.name, style: styleOf(i), points: positionsOf(c).map((p, j) => {
          const whole = state.conditional ? p.tested : p.reached;
          return {x: j + 1, y: whole >= 5 ? p.accepted / whole : null, tip: `${count(p.accepted)} of ${count(whole)}: ${share(p.accepted, whole)}`};
        })}))});
    }]);
  };
  at.append(about, el("div", {class: "controls"}, choice("Share of", [["tested", "drafts accepted up to here"], ["reached", "all drafts this long"]], "tested",
    v => { state.conditional = v === "tested"; draw(); })),
  data.positions_cut ? el("p", {class: "quiet"}, `Positions beyond ${data.position_limit} are left out (in ${plural(data.positions_cut, "cell")}).`) : "", box,
  el("p", {class: "small quiet"}, "Positions with fewer than 5 drafts are not drawn."));
  onChange(draw);
}
