/* tokens.js - ids as text: a token's own text, characters that are split between tokens, and where text was copied from. */

/* One text for each id, as the ids follow each other: a character's bytes count where it becomes complete. */
function textsOf(ids, vocabulary) {
  const words = vocabulary >= 0 ? data.vocabularies[vocabulary] : null;
  if (!words) return ids.map(id => ({text: `${id} `}));
  const encoder = new TextEncoder(), decoder = new TextDecoder();
  const texts = ids.map(id => {
    const w = words[id];
    if (w === undefined) return {text: `⟨${id}⟩`};
    if (!Array.isArray(w) && typeof w === "object") return {text: "", control: w.c || String(id)};
    return {text: decoder.decode(Array.isArray(w) ? Uint8Array.from(w) : encoder.encode(w), {stream: true})};
  });
  const rest = decoder.decode();
  if (rest && texts.length) texts[texts.length - 1].text += rest;
  return texts;
}

const plainText = (ids, vocabulary) => textsOf(ids, vocabulary).map(t => t.control ? `⟨${t.control}⟩` : t.text).join("");

/* A token's nodes: line ends are visible, control tokens have their names. */
function tokenNodes(t) {
  if (t.control) return [el("span", {class: "control"}, t.control)];
  return t.text.split(/(\n)/).filter(Boolean).map(part => part === "\n" ? [el("span", {class: "eol", "aria-hidden": "true"}, "↵"), "\n"] : part).flat();
}

/* The class, the tag and the name of a source. */
function sourceOf(source) {
  if (source >= 0) return {css: `r${source % 4}`, tag: `r${source + 1}`, name: `reference ${source + 1}`};
  if (source === -2) return {css: "prompt", tag: "p", name: "the prompt"};
  if (source === -3) return {css: "output", tag: "o", name: "the output itself"};
  return {css: "elsewhere", tag: "x", name: "elsewhere (a datastore or a model)"};
}

/* The ids of a source, as far as the page has them. */
function sourceIds(trial, sample, source) {
  if (source === -3) return trial.ids;
  if (source === -2) return sample.prompt || null;
  return source >= 0 && sample.references ? sample.references[source] || null : null;
}

/* The steps of a trial as objects. */
function stepsOf(trial) {
  const s = trial.steps;
  let position = 0;
  return s.drafted.map((drafted, i) => {
    const accepted = s.accepted[i], rejected = trial.rejected ? trial.rejected[i] : null;
    const step = {index: i, position, match: s.match_length[i], source: s.source[i], at: s.source_position[i], drafted, testable: s.testable[i], accepted,
      emitted: accepted + 1, draft_ns: s.draft_ns[i], verify_ns: s.verify_ns[i], plain_ns: s.plain_ns?.[i] || 0, margin: s.margin[i] ?? null, rejected: Array.isArray(rejected) ? rejected : null, tree: rejected && !Array.isArray(rejected) ? rejected : null};
    position += step.emitted;
    return step;
  });
}

/* How many tokens from the step's place in its source are the draft's, one after the other: what is not known to be a
 * copy is not marked as one. */
function copiedLength(trial, step, ids) {
  const draft = [...trial.ids.slice(step.position, step.position + step.accepted), ...(step.rejected || [])];
  let n = 0;
  while (n < draft.length && step.at >= 0 && ids[step.at + n] === draft[n]) n++;
  return n;
}

/* A draft that branches, a line for each run without a branch: + accepted, - not. */
function treeText(tree, accepted, emitted, vocabulary) {
  const text = id => JSON.stringify(plainText([id], vocabulary));
  const children = tree.ids.map(() => []), roots = [];
  tree.parents.forEach((p, i) => (p < 0 ? roots : children[p]).push(i));
  const stands = new Set();
  let level = roots;
  for (let i = 0; i < accepted; i++) {
    const found = level.find(n => tree.ids[n] === emitted[i]);
    if (found === undefined) break;
    stands.add(found);
    level = children[found];
  }
  const lines = [];
  const walk = (node, depth) => {
    let line = "  ".repeat(depth), next = [node];
    while (next.length === 1) {
      line += ` ${stands.has(next[0]) ? "+" : "−"}${text(tree.ids[next[0]])}`;
      next = children[next[0]];
    }
    lines.push(line);
    next.forEach(n => walk(n, depth + 1));
  };
  roots.forEach(r => walk(r, 0));
  return lines.join("\n");
}
