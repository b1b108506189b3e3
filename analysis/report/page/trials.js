/* trials.js - a trial's output, each token by where it was copied from, its steps in time, and the step at hand. */
const samples = new Map(data.samples.map(s => [s.sample, s]));

function choiceText() {
  const c = data.choice;
  if (c.shown === c.of) return `All ${plural(c.of, "trial")} of the file.`;
  const parts = [`${plural(c.records, "record")} of each group's ${c.records < c.of_records ? `up to ${count(c.of_records)}, spread evenly over its order` : count(c.of_records)}, repeat 0, in ` +
    (c.stride > 1 ? `plain decoding and one of every ${c.stride} other cells` : "every cell")];
  if (c.diverge) parts.push(`the first ${count(c.diverging)} of ${plural(c.diverge, "trial")} that differ from plain decoding, with plain decoding of the same records`);
  return `${count(c.shown)} of ${plural(c.of, "trial")}: ${parts.join("; ")}. Everything above counts all trials.`;
}

function writeTrials() {
  if (!data.cells.length) return;
  const at = section("trials", "Trials, token by token", choiceText());
  if (!data.trials.length) return;
  if (data.no_texts) at.append(el("p", {class: "note"}, `Ids in place of texts${data.vocabularies.length ? " in some cells" : ""}: ${data.no_texts}.`));
  if (data.sources_left_out) at.append(el("p", {class: "note"}, `The prompts and references of ${plural(data.sources_left_out, "record")} are too long for this page.`));
  const start = data.trials.find(t => shown.has(data.cells[t.cell])) || data.trials[0];
  const view = {trial: start, step: 0, byTime: false, rejected: false};
  const controls = el("div", {class: "controls"}), body = el("div");
  at.append(controls, body);

  const recordsOf = g => [...new Set(data.trials.filter(t => data.cells[t.cell].group === g).map(t => t.sample))].sort(d3.ascending);
  const cellsOf = (g, sample) => data.trials.filter(t => data.cells[t.cell].group === g && t.sample === sample);
  const group = () => data.cells[view.trial.cell].group;
  function go(trial, focus) {
    if (!trial) return;
    view.trial = trial;
    view.step = 0;
    write(focus);
  }
  /* Another record in the same cell, or, where that is not among those shown, in any. */
  function record(sample, focus) {
    const there = cellsOf(group(), sample);
    go(there.find(t => t.cell === view.trial.cell) || there[0], focus);
  }
  function moveRecord(by, focus) {
    const all = recordsOf(group()), to = all[all.indexOf(view.trial.sample) + by];
    if (to !== undefined) record(to, focus);
  }
  function moveCell(by, focus) {
    const all = cellsOf(group(), view.trial.sample);
    go(all[all.indexOf(view.trial) + by], focus);
  }

  function writeControls() {
    const g = group(), records = recordsOf(g), trials = cellsOf(g, view.trial.sample);
    const name = s => { const x = samples.get(s); return `${x.id}${x.scenario ? ` (${x.scenario})` : ""}`; };
    clear(controls).append(...[
      groups.length > 1 ? choice("Group", groups.filter(x => recordsOf(x.index).length).map(x => [x.index, x.name]), g, v => go(data.trials.find(t => data.cells[t.cell].group === Number(v)))) : null,
      choice("Record", records.map(s => [s, name(s)]), view.trial.sample, v => record(Number(v))),
      choice("Policy", trials.map(t => [t.trial, data.cells[t.cell].name + (t.repeat ? `, repeat ${t.repeat}` : "")]), view.trial.trial, v => go(data.trials.find(t => t.trial === Number(v)))),
      el("button", {type: "button", disabled: records[0] === view.trial.sample, click: () => moveRecord(-1)}, "← record"),
      el("button", {type: "button", disabled: records[records.length - 1] === view.trial.sample, click: () => moveRecord(1)}, "record →"),
      view.trial.rejected ? el("button", {type: "button", id: "rejected", "aria-pressed": String(view.rejected), click: () => { view.rejected = !view.rejected; write(); }}, "Rejected drafts") : null].filter(Boolean));
  }

  function write(focus) {
    const had = controls.contains(document.activeElement) ? [...controls.querySelectorAll("select,button")].indexOf(document.activeElement) : -1;
    writeControls();
    const trial = view.trial, sample = samples.get(trial.sample), cell = data.cells[trial.cell], steps = stepsOf(trial);
    const output = writeOutput(trial, steps, view), detail = el("div", {class: "detail"}), line = el("div");
    clear(body).append(el("p", {class: "small"}, groups[cell.group].name), trialFacts(trial, cell, sample, steps), sourceLegend(steps),
      el("div", {class: "trial"}, el("div", null, output, el("p", {class: "small quiet"}, "Keys: ← → steps, ↑ ↓ records, Page Up and Page Down policies, Home and End."), divergence(trial)), detail), line);
    if (!trial.rejected && cell.drafted) body.append(el("p", {class: "small quiet"}, `Rejected drafts: ${trial.no_drafts || (data.vocabularies.length ? "none" : "results hold how many, not which; they are drafted again where the data are at hand")}.`));
    const select = (i, andFocus) => {
      view.step = Math.max(0, Math.min(steps.length - 1, i));
      const spans = output.querySelectorAll(".step");
      spans.forEach((s, k) => { s.setAttribute("aria-selected", String(k === view.step)); s.tabIndex = k === view.step ? 0 : -1; });
      writeDetail(clear(detail), trial, sample, steps[view.step], steps.length);
      line.querySelectorAll("[data-step]").forEach(r => r.classList.toggle("at", Number(r.dataset.step) === view.step));
      line.querySelector(".ring")?.remove();
      ringStep(line, view.step);
      if (andFocus) spans[view.step].focus({preventScroll: false});
    };
    output.addEventListener("click", e => { const s = e.target.closest(".step"); if (s) select(Number(s.dataset.index), true); });
    output.addEventListener("keydown", e => {
      const act = {ArrowLeft: () => select(view.step - 1, true), ArrowRight: () => select(view.step + 1, true), Home: () => select(0, true), End: () => select(steps.length - 1, true),
        ArrowUp: () => moveRecord(-1, true), ArrowDown: () => moveRecord(1, true), PageUp: () => moveCell(-1, true), PageDown: () => moveCell(1, true)}[e.key];
      if (!act) return;
      e.preventDefault();
      act();
    });
    writeTimeline(line, steps, view, cell.timed > 0, i => select(i, true), () => { view.byTime = !view.byTime; write(); });
    select(view.step, focus);
    if (had >= 0) controls.querySelectorAll("select,button")[had]?.focus();
  }
  write();
}

function trialFacts(trial, cell, sample, steps) {
  const accepted = d3.sum(steps, s => s.accepted), drafted = d3.sum(steps, s => s.drafted);
  const facts = [`${plural(trial.ids.length, "token")} in ${plural(steps.length, "step")}, ${fixed(trial.ids.length / steps.length, 2)} per step`,
    drafted ? `${count(accepted)} of ${plural(drafted, "drafted token")} accepted` : "nothing drafted",
    known(trial.speedup) ? `speed-up ${times(trial.speedup)}` : known(trial.modeled) ? `modeled speed-up ${times(trial.modeled)}` : null,
    trial.equal ? (trial.logits_equal === 1 ? "tokens and logits equal plain decoding's" : "tokens equal plain decoding's") : `differs from plain decoding from token ${count(trial.first_divergence)} on${marginAt(steps, trial.first_divergence)}`,
    known(trial.min_margin) ? `smallest margin ${d3.format(".3~g")(trial.min_margin)}` : null,
    trial.truncated ? "cut at the length limit" : null,
    `prompt ${plural(sample.prompt_tokens, "token")}, ${plural(sample.n_references, "reference")} of ${plural(sample.reference_tokens, "token")}`];
  return el("p", null, el("strong", null, cell.name), ": ", facts.filter(Boolean).join(" · "));
}

/* The margin of the step where the output leaves plain decoding's: small where rounding may have decided. */
function marginAt(steps, token) {
  const s = steps.find(x => token >= x.position && token < x.position + x.emitted);
  return s && known(s.margin) ? `, where the step's margin is ${d3.format(".3~g")(s.margin)}` : "";
}

function sourceLegend(steps) {
  const sources = [...new Set(steps.filter(s => s.accepted).map(s => s.source))].sort((a, b) => Math.abs(a) - Math.abs(b));
  return el("ul", {class: "legend"}, sources.slice(0, 12).map(s => { const x = sourceOf(s); return el("li", null, el("span", {class: `copied ${x.css}`}, el("span", {class: "tag"}, x.tag), " copied "), `from ${x.name}`); }),
    el("li", null, "no mark: the target's own"));
}

/* One span for each step: what was copied, what was rejected, the target's own token. */
function writeOutput(trial, steps, view) {
  const texts = textsOf(trial.ids, trial.vocabulary);
  const spans = steps.map(s => {
    const from = sourceOf(s.source), nodes = i => tokenNodes(texts[i]);
    const marked = i => i === trial.first_divergence ? [el("span", {class: "diverges"}, "≠ plain decoding from here")] : [];
    const copied = s.accepted ? el("span", {class: `copied ${from.css}`}, el("span", {class: "tag", "aria-hidden": "true"}, from.tag), d3.range(s.position, s.position + s.accepted).flatMap(i => [...marked(i), ...nodes(i)])) : null;
    const rest = s.rejected?.length ? plainText(s.rejected, trial.vocabulary) : s.tree ? `[tree of ${s.tree.ids.length}]` : "";
    const own = s.position + s.accepted;
    const label = `Step ${s.index}: ${s.accepted ? `${plural(s.accepted, "token")} from ${from.name}, then ` : ""}one of the target's own`;
    const span = el("span", {class: "step", role: "option", "aria-selected": "false", tabindex: -1, "data-index": s.index, "aria-description": label}, copied,
      rest && (!s.tree || s.tree.ids.length > s.accepted) ? el("span", {class: "rejected"}, rest) : null, own < texts.length ? [...marked(own), ...nodes(own)] : null);
    span.addEventListener("pointermove", e => showTip(stepText(s), e.clientX, e.clientY));
    span.addEventListener("pointerleave", hideTip);
    return span;
  });
  return el("div", {class: `output${view.rejected ? " show-rejected" : ""}`, role: "listbox", "aria-label": "The output, step by step", "aria-orientation": "horizontal"}, spans);
}

function matchText(s) {
  if (s.source === -1 && s.match === 0) return "nothing matched";
  const where = s.source === -1 ? "" : ` in ${sourceOf(s.source).name}`;
  return `${s.match ? plural(s.match, "token") + " matched" : "no trigger"}${where}${s.at >= 0 ? `, copying from token ${count(s.at)}` : ""}`;
}
const draftText = s => s.drafted ? `${count(s.drafted)} drafted${s.testable < s.drafted ? `, ${count(s.testable)} before the output's end` : ""}, ${count(s.accepted)} accepted` : "no draft";
const stepText = s => `step ${s.index}${s.index === 0 ? " (the prompt's pass)" : ""}\n${matchText(s)}\n${draftText(s)}`;

/* What plain decoding says where this trial leaves it, when the page has that trial. */
function divergence(trial) {
  if (trial.first_divergence < 0) return null;
  const group = data.cells[trial.cell].group;
  const plain = data.trials.find(t => t.sample === trial.sample && data.cells[t.cell].plain && data.cells[t.cell].group === group);
  if (!plain || plain === trial) return null;
  const from = trial.first_divergence, rest = ids => plainText(ids.slice(from, from + 120), trial.vocabulary) || "(the output ends)";
  return el("details", {open: true}, el("summary", null, `From token ${count(from)} on`),
    el("p", {class: "small"}, "plain decoding: ", el("q", null, rest(plain.ids))), el("p", {class: "small"}, "this trial: ", el("q", null, rest(trial.ids))));
}

/* ---- the step at hand ---- */
function writeDetail(at, trial, sample, s, of) {
  const quote = ids => JSON.stringify(plainText(ids, trial.vocabulary));
  const emitted = trial.ids.slice(s.position, s.position + s.emitted);
  const items = [["Step", `${count(s.index)} of 0 to ${count(of - 1)}${s.index === 0 ? ", the prompt's pass" : ""}`],
    ["Output", s.emitted > 1 ? `tokens ${count(s.position)} to ${count(s.position + s.emitted - 1)}` : `token ${count(s.position)}`],
    ["Match", matchText(s)], ["Draft", draftText(s)]];
  if (s.accepted) items.push(["Accepted", quote(emitted.slice(0, s.accepted))]);
  items.push(["Own", quote(emitted.slice(s.accepted))]);
  if (s.rejected?.length) items.push(["Rejected", quote(s.rejected)]);
  else if (!s.tree && s.drafted > s.accepted) items.push(["Rejected", `${plural(s.drafted - s.accepted, "token")}, not recorded which`]);
  if (s.draft_ns || s.verify_ns) items.push(["Time", `drafting ${duration(s.draft_ns)}` + (data.cells[trial.cell].timed ? `, pass ${duration(s.verify_ns)}` : "")]);
  if (s.plain_ns && s.index > 0) items.push(["Plain", `${duration(s.plain_ns)} for the same tokens: ${times(s.plain_ns / (s.draft_ns + s.verify_ns))}`]);
  if (known(s.margin)) items.push(["Margin", `${d3.format(".3~g")(s.margin)} between the two best logits, at the least`]);
  at.append(el("h3", {style: "margin-top:0"}, `Step ${s.index}`), el("dl", {"aria-live": "polite"}, items.flatMap(([k, v]) => [el("dt", null, k), el("dd", null, v)])));
  if (s.tree) at.append(el("p", {class: "small quiet"}, "The draft, a tree: + accepted, − not"), el("pre", {class: "source"}, treeText(s.tree, s.accepted, emitted, trial.vocabulary)));
  writeSource(at, trial, sample, s);
}

/* The place in the source, with what was matched before it and what was copied. */
function writeSource(at, trial, sample, s) {
  if (s.source === -1 || s.at < 0) return;
  const ids = sourceIds(trial, sample, s.source), from = sourceOf(s.source);
  if (!ids) {
    if (s.source > -4) at.append(el("p", {class: "small quiet"}, sample.too_long ? "The source is too long for this page." : `The text of ${from.name} is not at hand.`));
    return;
  }
  const around = 70, matched = Math.max(0, s.at - s.match), end = s.at + copiedLength(trial, s, ids);
  const first = Math.max(0, matched - around), last = Math.min(ids.length, end + around), texts = textsOf(ids.slice(first, last), trial.vocabulary);
  const part = (a, b) => texts.slice(a - first, b - first).flatMap(tokenNodes);
  const box = el("div", {class: "source", tabindex: 0, role: "region", "aria-label": `Place in ${from.name}`}, first > 0 ? "… " : "", part(first, matched), el("mark", {class: "matched"}, part(matched, s.at)),
    el("mark", null, part(s.at, end)), part(end, last), last < ids.length ? " …" : "");
  at.append(el("p", {class: "small quiet"}, `${from.name[0].toUpperCase()}${from.name.slice(1)}, tokens ${count(first)} to ${count(last - 1)} of ${count(ids.length)}: the match underlined, the copy marked`), box);
  const mark = box.querySelector("mark:not(.matched)");
  box.scrollTop = Math.max(0, mark.offsetTop - box.offsetTop - 60);
}
