/* model.js - what the page is about: cells with names, groups of comparable cells, metrics, pass times, and which cells
 * the pictures show. */
const keyIndex = Object.fromEntries(data.keys.map((k, i) => [k.column, i]));
const setting = (cell, column) => column in keyIndex ? cell.settings[keyIndex[column]] : null;
const keysOf = (...roles) => data.keys.filter(k => roles.includes(k.role));

/* The settings that tell the cells of a policy apart: those that vary among them, and n and k where these vary at all. */
const ownKeys = new Map();
function keysOfPolicy(policy) {
  if (!ownKeys.has(policy)) {
    const cells = data.cells.filter(c => setting(c, "policy") === policy);
    ownKeys.set(policy, keysOf("policy", "digest").filter(k => k.varies && k.column !== "policy" &&
      (k.column === "n" || k.column === "k" || new Set(cells.map(c => setting(c, k.column))).size > 1)));
  }
  return ownKeys.get(policy);
}

/* "llma n=1 k=4" */
function policyName(cell, without = []) {
  const parts = keysOfPolicy(setting(cell, "policy")).filter(k => !without.includes(k.column))
    .map(k => [k, setting(cell, k.column)]).filter(([, v]) => v !== null)
    .map(([k, v]) => `${k.name}=${k.role === "digest" ? v.slice(0, 8) : v}`);
  return [setting(cell, "policy"), ...parts].join(" ");
}

/* Model, data, rule and temperature stand in every picture's title, and whatever else tells groups apart. */
function groupName(cell) {
  const always = ["model", "dataset", "rule", "temperature"];
  const names = {model: "model", dataset: "data", rule: "rule", temperature: "temperature"};
  const more = keysOf("setup", "rule").filter(k => k.varies && !always.includes(k.column));
  return [...always.map(c => [names[c], setting(cell, c)]), ...more.map(k => [k.name, setting(cell, k.column)])]
    .filter(([, v]) => v !== null).map(([n, v]) => `${n} ${v}`).join(" · ");
}

/* Policies that know the output: what they reach is a bound, not a choice. */
const controls = ["oracle", "random", "wrong", "hedge"];

data.cells.forEach((c, i) => {
  c.index = i;
  c.policy = setting(c, "policy");
  c.name = policyName(c);
  c.plain = c.policy === "none";
  c.control = controls.includes(c.policy);
});
const groups = d3.range(data.groups).map(g => {
  const cells = data.cells.filter(c => c.group === g);
  return {index: g, cells, name: groupName(cells[0])};
});

/* ---- metrics: value, interval, how it is written ---- */
const ofSpread = name => ({
  value: c => c[name] && c[name].n === c[name].of ? c[name].median : null,
  lo: c => c[name]?.lo, hi: c => c[name]?.hi, text: times, baseline: 1,
});
const ofEstimate = name => ({value: c => c[name][0], lo: c => c[name][1], hi: c => c[name][2], text: times, baseline: 1});
const metrics = {
  speedup: {title: "speed-up", about: "median over trials of plain decoding's time per token over the trial's; intervals 95%", ...ofSpread("speedup")},
  total: {title: "speed-up of totals", about: "plain decoding's time over all trials, over the cell's: what a service pays for; intervals 95%", ...ofEstimate("speedup_total")},
  modeled: {title: "modeled speed-up", about: "median over trials with the passes' times from the cost file, without the time of drafting; intervals 95%", ...ofSpread("modeled")},
  modeled_total: {title: "modeled speed-up of totals", about: "the same of the sums over all trials; intervals 95%", ...ofEstimate("modeled_total")},
  tps: {title: "tokens per step", about: "emitted tokens over all steps; intervals 95%", value: c => c.steps ? c.tokens / c.steps : null,
    lo: c => c.tokens_per_step[1], hi: c => c.tokens_per_step[2], text: x => fixed(x, 2), baseline: 1},
  coverage: {title: "coverage", about: "steps with a draft over all steps", value: c => c.steps ? c.drafting_steps / c.steps : null,
    text: x => known(x) ? share(x, 1) : missing},
  acceptance: {title: "acceptance", about: "accepted draft tokens over those that could be accepted", value: c => c.testable ? c.accepted / c.testable : null,
    text: x => known(x) ? share(x, 1) : missing},
};
const metricNames = Object.keys(metrics).filter(m => data.cells.some(c => !c.plain && known(metrics[m].value(c))));
const mainMetric = metricNames.includes("speedup") ? "speedup" : metricNames.includes("modeled") ? "modeled"
  : metricNames.includes("tps") ? "tps" : "coverage";
const withRange = (m, c) => {
  const r = metrics[m].lo ? range(metrics[m].lo(c), metrics[m].hi(c), 2) : "";
  return metrics[m].text(metrics[m].value(c)) + (r ? " " + r : "");
};
const best = (cells, m) => cells.filter(c => !c.plain && !c.control && known(metrics[m].value(c)))
  .sort((a, b) => metrics[m].value(b) - metrics[m].value(a));

/* ---- the cells that pictures show: at first the best of each policy ---- */
const SHOWN_MOST = 8;
const shown = new Set();
for (const g of groups) {
  const policies = new Set();
  for (const c of best(g.cells, mainMetric)) {
    if (policies.size === 6 || policies.has(c.policy)) continue;
    policies.add(c.policy);
    shown.add(c);
  }
}
const shownOf = g => g.cells.filter(c => shown.has(c)).slice(0, SHOWN_MOST);
const tooMany = g => {
  const n = g.cells.filter(c => shown.has(c)).length;
  return n > SHOWN_MOST ? `The first ${SHOWN_MOST} of ${n} chosen cells.` : null;
};

/* ---- pass times ---- */
/* A cost file's T(k, context): {contexts, k, ns[context][k]}; the lines were checked when the sweep read them. */
function parseCost(cost) {
  const out = {name: cost.name, contexts: [], k: [], ns: [], q1: [], q3: []};
  let at = -1;
  for (const raw of cost.text.split("\n")) {
    const line = raw.replace(/(^|\s)[;#].*$/, "").trim();
    const head = /^\[T\s*(\d*)\]$/.exec(line);
    if (head) {
      at++;
      out.contexts.push(Number(head[1] || 0));
      out.ns.push([]); out.q1.push([]); out.q3.push([]);
    } else if (/^\[/.test(line)) {
      continue;
    } else if (at >= 0 && /^\d+\s*[=:]/.test(line)) {
      const [k, values] = line.split(/[=:]/);
      const v = values.trim().split(/\s+/).map(Number);
      if (at === 0) out.k.push(Number(k));
      out.ns[at].push(v[0]); out.q1[at].push(v[1] ?? v[0]); out.q3[at].push(v[2] ?? v[0]);
    }
  }
  return out.k.length ? out : null;
}
const costs = data.costs.map(parseCost).filter(known);

/* What passes took in this file: [tokens, n, q1, median, q3]. */
const passesOf = g => data.passes.filter(p => p[0] === g.index).map(p => p.slice(1));

/* T(k) between measured widths; null outside them. */
function interpolate(k, ns, at) {
  if (at < k[0] || at > k[k.length - 1]) return null;
  const i = d3.bisectLeft(k, at);
  if (k[i] === at) return ns[i];
  return ns[i - 1] + (ns[i] - ns[i - 1]) * (at - k[i - 1]) / (k[i] - k[i - 1]);
}

const NOISE_MOST = .3; /* typical distance of the quartiles over the median: own passes with more are no measure */

/* The pass times that a group's expected speed-ups are computed with. */
function timesOf(g) {
  if (costs.length) {
    const c = costs[0];
    const at = c.contexts.length >> 1;
    return {name: `the medians of ${c.name}, ${count(c.contexts[at])} tokens in the cache`, k: c.k, ns: c.ns[at]};
  }
  const p = passesOf(g).filter(x => x[1] >= 5), spread = d3.median(p, x => (x[4] - x[2]) / x[3]);
  return p.length > 1 && p[0][0] === 1 && spread <= NOISE_MOST ? {name: "this file's own passes", k: p.map(x => x[0]), ns: p.map(x => x[3])} : null;
}

/* Acceptance by position of the cell: {reached, tested, accepted}. */
const positionsOf = c => d3.range(c.positions.length / 3)
  .map(i => ({reached: c.positions[3 * i], tested: c.positions[3 * i + 1], accepted: c.positions[3 * i + 2]}));

/* What a cell would give if its drafts were cut to d tokens: a copy of L tokens that is cut goes on in the next step, so it
 * takes floor(L / (d + 1)) steps more, and gives the same tokens. Drafting takes no time here: an expectation, not a
 * measurement. */
function expected(cell, times) {
  const p = positionsOf(cell), out = [];
  if (!times || p.length < 2 || data.position_limit < p.length || cell.steps === 0) return out;
  const plain = interpolate(times.k, times.ns, 1);
  for (let d = 1; d <= p.length; d++) {
    let ns = (cell.steps - p[0].reached) * plain;
    for (let w = 1; w <= d; w++) {
      const t = interpolate(times.k, times.ns, 1 + w);
      if (t === null) return out;
      ns += (w === d ? p[d - 1].reached : p[w - 1].reached - p[w].reached) * t;
    }
    const more = d3.sum(d3.range(d, p.length, d + 1), i => p[i].accepted);
    out.push({d, value: cell.tokens * plain / (ns + more * interpolate(times.k, times.ns, 1 + d))});
  }
  return out;
}
