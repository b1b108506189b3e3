/* heat.js - two settings of one policy against each other, a map for each group and for each value of what else varies. */

/* The policies with two settings or more that vary, and those settings. */
function gridsOf() {
  const policies = [...new Set(data.cells.map(c => c.policy))].filter(p => p !== "none");
  return policies.map(policy => {
    const cells = data.cells.filter(c => c.policy === policy);
    const keys = keysOf("policy").filter(k => k.column !== "policy" && new Set(cells.map(c => setting(c, k.column)).filter(v => v !== null)).size > 1);
    return {policy, cells, keys};
  }).filter(g => g.keys.length > 1 && g.cells.length > 3);
}

const valuesOf = (cells, key) => [...new Set(cells.map(c => setting(c, key.column)))].filter(v => v !== null)
  .sort((a, b) => key.number ? a - b : d3.ascending(a, b));

function writeHeat() {
  const grids = gridsOf();
  if (!grids.length) return;
  const at = section("grid", "Two settings against each other", "Each map is one group of cells that differ in nothing but these two settings.");
  const state = {grid: grids.reduce((a, b) => b.cells.length > a.cells.length ? b : a), metric: mainMetric};
  const controls = el("div", {class: "controls"}), maps = el("div");
  at.append(controls, maps);
  const named = (keys, column) => keys.find(k => k.column === column);

  function axes() {
    const {keys} = state.grid;
    state.y = named(keys, "n") || keys.find(k => k.column !== "k") || keys[0];
    state.x = named(keys, "k") && state.y.column !== "k" ? named(keys, "k") : keys.find(k => k !== state.y);
  }

  function writeControls() {
    const options = state.grid.keys.map(k => [k.column, k.name]);
    const swap = (own, other) => column => {
      const old = state[own];
      state[own] = named(state.grid.keys, column);
      if (state[other] === state[own]) state[other] = old;
      writeControls(); fill();
    };
    clear(controls).append(
      choice("Policy", grids.map(g => [g.policy, g.policy]), state.grid.policy, v => { state.grid = grids.find(g => g.policy === v); axes(); writeControls(); fill(); }),
      choice("Value", metricNames.map(m => [m, metrics[m].title]), state.metric, v => { state.metric = v; fill(); }),
      choice("Rows", options, state.y.column, swap("y", "x")), choice("Columns", options, state.x.column, swap("x", "y")));
  }

  function fill() {
    const {grid, x, y} = state, m = metrics[state.metric];
    const others = grid.keys.filter(k => k !== x && k !== y);
    const facets = d3.nest().key(c => [c.group, ...others.map(k => setting(c, k.column))].join("\u0001")).entries(grid.cells).filter(f => f.values.length > 1);
    const domain = grid.cells.map(m.value).filter(finite);
    clear(maps);
    const drawnFacets = facets.slice(0, 24);
    const box = el("div", {class: "facets"});
    for (const facet of drawnFacets) {
      const first = facet.values[0], more = others.map(k => `${k.name}=${setting(first, k.column)}`).join(" ");
      const rows = valuesOf(facet.values, y), columns = valuesOf(facet.values, x);
      const table = heatTable(y.name, x.name, rows, columns, (r, c) => {
        const cell = facet.values.find(f => setting(f, y.column) === rows[r] && setting(f, x.column) === columns[c]);
        if (!cell) return null;
        const v = m.value(cell);
        return {value: finite(v) ? v : null, text: m.text(v), tip: [cell.name, `${m.title} ${withRange(state.metric, cell)}`,
          `tokens/step ${withRange("tps", cell)}`, `coverage ${metrics.coverage.text(metrics.coverage.value(cell))}, acceptance ${metrics.acceptance.text(metrics.acceptance.value(cell))}`,
          `${count(cell.equal)} of ${plural(cell.trials, "trial")} equal`].join("\n")};
      }, domain);
      box.append(el("figure", null, el("figcaption", null, `${m.title}: ${grid.policy}${more ? " " + more : ""}`, el("span", {class: "quiet"}, groups[first.group].name)), table));
    }
    maps.append(scaleBar(m, domain), box);
    if (!facets.length) maps.append(el("p", {class: "quiet"}, "No two cells of this policy differ in these two settings alone."));
    if (facets.length > drawnFacets.length) maps.append(el("p", {class: "quiet"}, `The first ${drawnFacets.length} of ${facets.length} maps.`));
  }
  axes();
  writeControls();
  fill();
}

/* What the colours mean. */
function scaleBar(m, values) {
  const [lo, hi] = d3.extent(values);
  if (!finite(lo)) return el("p", {class: "quiet"}, "No cell has this value.");
  const strip = el("span", {"aria-hidden": "true", style: `display:inline-block;width:8rem;height:.8rem;border:1px solid var(--quiet);background:linear-gradient(to right,${d3.range(0, 1.01, .1).map(viridis).join(",")})`});
  return el("p", {class: "small quiet num", style: "display:flex;gap:.5rem;align-items:center"}, el("span", null, m.text(lo)), strip, el("span", null, m.text(hi)), el("span", null, m.title));
}
