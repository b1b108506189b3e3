/* shares.js - where the time went, where tokens came from, what a longer match is worth, and the scenarios. */

/* Bars of parts, one for each cell, on one scale. parts [{name, color, hatch, value(c), text(c)}], line(c): a mark. */
function bars(at, spec) {
  const cells = spec.cells, figure = el("figure", null, el("figcaption", null, spec.title, el("span", {class: "quiet"}, spec.about)));
  at.append(figure);
  if (!cells.length) {
    figure.append(el("p", {class: "quiet"}, spec.empty));
    return;
  }
  const most = spec.most || d3.max(cells, c => Math.max(d3.sum(spec.parts, p => p.value(c)), spec.line?.value(c) || 0));
  figure.append(el("ul", {class: "legend"}, spec.parts.map(p => el("li", null, el("span", {class: "swatch", style: `background:${p.fill}`}), p.name)),
    spec.line ? el("li", null, el("span", {style: "border-left:3px solid var(--text);height:1rem"}), spec.line.name) : null));
  for (const c of cells) {
    const row = el("div", {style: "position:relative;display:flex;height:1.6rem;background:var(--panel)", tabindex: 0, role: "img", "aria-label":
      `${c.name}: ${spec.parts.map(p => `${p.name} ${p.text(c)}`).join(", ")}${spec.line ? `, ${spec.line.name} ${spec.line.text(c)}` : ""}`});
    for (const p of spec.parts) {
      const v = p.value(c);
      if (!(v > 0)) continue;
      row.append(el("span", {style: `width:${100 * v / most}%;background:${p.fill};border-right:1px solid var(--page);flex:none`}));
    }
    if (spec.line && known(spec.line.value(c)))
      row.append(el("span", {style: `position:absolute;left:calc(${100 * spec.line.value(c) / most}% - 1.5px);top:-2px;bottom:-2px;border-left:3px solid var(--text)`}));
    withTip(row, () => `${c.name}\n` + spec.parts.map(p => `${p.name} ${p.text(c)}`).join("\n") + (spec.line ? `\n${spec.line.name} ${spec.line.text(c)}` : ""));
    figure.append(el("div", {class: "small", style: "margin-top:.4rem;display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem"}, el("span", null, c.name), el("span", {class: "quiet num"}, spec.total(c))), row);
  }
  figure.append(numbers(["cell", ...spec.parts.map(p => p.name), ...(spec.line ? [spec.line.name] : [])],
    cells.map(c => [c.name, ...spec.parts.map(p => p.text(c)), ...(spec.line ? [spec.line.text(c)] : [])])));
}

const hatch = color => `repeating-linear-gradient(45deg,${color} 0 3px,var(--page) 3px 5px)`;

function writeTime() {
  if (!data.cells.some(c => c.time)) return;
  const at = section("time", "Where time goes", "Decoding time per token, from the second token on: drafting (an index's making included), the target's passes after the prompt's, and the rest: accepting, rewinding, observing. The line is plain decoding of the same records.");
  const per = (c, ns) => ns / c.time.tokens, text = (c, ns) => `${duration(per(c, ns))} (${share(ns, c.time.draft_ns + c.time.verify_ns + c.time.other_ns)})`;
  const part = (name, fill, key) => ({name, fill, value: c => per(c, c.time[key]), text: c => text(c, c.time[key])});
  const plain = c => c.time.plain_tokens ? c.time.plain_ns / c.time.plain_tokens : null;
  const box = el("div", {class: "facets"});
  at.append(box);
  onChange(() => eachGroup(box, g => [cell => bars(cell, {title: "Time per token", about: g.name + (tooMany(g) ? " · " + tooMany(g) : ""),
    cells: [...g.cells.filter(c => c.plain && c.time).slice(0, 1), ...shownOf(g).filter(c => c.time && !c.plain)], empty: "No ticked cell was timed.",
    parts: [part("drafting", "var(--draft)", "draft_ns"), part("target's passes", "var(--verify)", "verify_ns"), part("rest", hatch("var(--rest)"), "other_ns")],
    line: {name: "plain decoding", value: plain, text: c => duration(plain(c))}, total: c => duration(per(c, c.time.draft_ns + c.time.verify_ns + c.time.other_ns)) + " per token"})]));
}

/* The sums of steps by source or match, by name: steps, drafted, testable, accepted, emitted, and of the steps whose tokens
 * have a time of plain decoding: their number, nanoseconds, plain decoding's. */
const sumOf = s => ({steps: s[0], drafted: s[1], testable: s[2], accepted: s[3], emitted: s[4], compared: s[5], ns: s[6], plain_ns: s[7]});
const speedOf = s => s.compared && s.ns ? s.plain_ns / s.ns : null;

function writeSources() {
  if (!data.cells.some(c => c.accepted)) return;
  const at = section("sources", "Where tokens came from", "Of all tokens after the prompt's pass: copied and accepted, by source, and the target's own words, one in each step.");
  const emitted = c => d3.sum(c.from, s => s[4]), accepted = (c, from) => c.from[data.from_names.indexOf(from)][3];
  const part = (name, fill, from) => ({name, fill, value: c => accepted(c, from) / emitted(c), text: c => share(accepted(c, from), emitted(c))});
  const copied = c => d3.sum(c.from, s => s[3]), own = c => emitted(c) - copied(c);
  const box = el("div", {class: "facets"});
  at.append(box);
  onChange(() => eachGroup(box, g => [cell => bars(cell, {title: "Sources of tokens", about: g.name + (tooMany(g) ? " · " + tooMany(g) : ""), cells: shownOf(g).filter(emitted), most: 1,
    empty: "No cell is ticked.",
    parts: [part("references", "var(--s0)", "references"), part("the prompt", "var(--s4)", "prompt"), part("the output itself", hatch("var(--s2)"), "output"),
      part("elsewhere (a datastore, a model)", "var(--s3)", "elsewhere"), {name: "the target's own", fill: hatch("var(--rest)"), value: c => own(c) / emitted(c), text: c => share(own(c), emitted(c))}],
    total: c => `${share(copied(c), emitted(c))} copied`})]));
  writeWorth(at, "by source", "source", "from", data.from_names, "What steps are worth, by where their draft came from");
  writeWorth(at, "by matched tokens", "matched tokens", "match", data.match_names, "What a longer match is worth");
}

/* Acceptance, or the speed-up of the steps alone, of each kind of step. */
function writeWorth(at, by, columnName, key, names, title) {
  if (!data.cells.some(c => c[key].some(s => s[2] > 0))) return;
  const timed = data.cells.some(c => c[key].some(s => s[5] > 0));
  const kinds = {acceptance: {title: "acceptance", value: s => s.testable ? s.accepted / s.testable : null, text: s => share(s.accepted, s.testable), domain: [0, 1]},
    speed: {title: "speed-up of these steps", value: speedOf, text: s => times(speedOf(s))}};
  const state = {kind: timed ? "speed" : "acceptance"}, box = el("div", {class: "facets"});
  const draw = () => eachGroup(box, g => [cell => {
    const kind = kinds[state.kind], cells = shownOf(g).filter(c => c[key].some(s => s[1] > 0));
    const columns = d3.range(names.length).filter(b => cells.some(c => c[key][b][0] > 0 && (timed || c[key][b][1] > 0)));
    cell.append(el("figure", null, el("figcaption", null, `${kind.title} ${by}`, el("span", {class: "quiet"}, g.name)),
      cells.length ? heatTable("cell", columnName, cells.map(c => c.name), columns.map(b => names[b]), (r, b) => {
        const s = sumOf(cells[r][key][columns[b]]), v = kind.value(s);
        return s.steps ? {value: finite(v) ? v : null, text: kind.text(s), tip: `${cells[r].name}\n${columnName}: ${names[columns[b]]}\n${plural(s.steps, "step")}, ${fixed(s.emitted / s.steps, 2)} tokens per step\n` +
          `${count(s.accepted)} of ${count(s.testable)} testable draft tokens accepted (${count(s.drafted)} drafted)` + (s.compared ? `\nspeed-up ${times(speedOf(s))} over ${plural(s.compared, "step")}` : "")} : null;
      }, kind.domain) : el("p", {class: "quiet"}, "No ticked cell drafted anything.")));
  }]);
  at.append(el("h3", null, title), el("p", {class: "quiet"}, timed ? "Speed-up: what plain decoding took for the same tokens, over drafting and pass of the steps that gave them." : "Accepted draft tokens over those that could be accepted."),
    timed ? el("div", {class: "controls"}, choice("Value", Object.entries(kinds).map(([k, v]) => [k, v.title]), state.kind, v => { state.kind = v; draw(); })) : "", box);
  onChange(draw);
}

function writeScenarios() {
  if (data.scenario_names.length < 2) return;
  const at = section("scenarios", "By scenario");
  const timed = data.cells.some(c => c.scenarios.some(s => known(s[3]) && !c.plain));
  const state = {metric: timed ? "speedup" : "tps"}, box = el("div", {class: "facets"});
  const names = {speedup: "median speed-up", tps: "tokens per step"};
  const draw = () => eachGroup(box, g => [cell => {
    const cells = shownOf(g), columns = d3.range(data.scenario_names.length).filter(i => cells.some(c => c.scenarios[i][0] > 0));
    const value = s => state.metric === "speedup" ? s[3] : s[2] ? s[1] / s[2] : null;
    cell.append(el("figure", null, el("figcaption", null, `${names[state.metric]} by scenario`, el("span", {class: "quiet"}, g.name)),
      cells.length ? heatTable("cell", "scenario", cells.map(c => c.name), columns.map(i => data.scenario_names[i] || "(none)"), (r, i) => {
        const s = cells[r].scenarios[columns[i]];
        return s[0] ? {value: value(s), text: fixed(value(s), 2), tip: `${cells[r].name}\n${data.scenario_names[columns[i]]}: ${plural(s[0], "trial")}\n${fixed(s[1] / s[2], 2)} tokens per step\nmedian speed-up ${times(s[3])}`} : null;
      }) : el("p", {class: "quiet"}, "No cell is ticked.")));
  }]);
  if (timed) at.append(el("div", {class: "controls"}, choice("Value", Object.entries(names), state.metric, v => { state.metric = v; draw(); })));
  at.append(box);
  onChange(draw);
}
