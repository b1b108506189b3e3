/* timeline.js - the steps of a trial side by side: up what they emitted, down what was rejected. */
const fillOf = s => s.source >= 0 ? `var(--s${[0, 1, 2, 3][s.source % 4]})` : s.source === -2 ? "var(--s6)" : s.source === -3 ? "var(--s4)" : "var(--s5)";

function writeTimeline(at, steps, view, timed, select, toggle) {
  const up = d3.max(steps, s => s.emitted), down = d3.max(steps, s => s.drafted - s.accepted);
  const unit = Math.max(1, Math.min(9, 120 / (up + down + 1))), height = (up + down) * unit + 30, zero = up * unit + 8;
  const spans = steps.map(s => s.draft_ns + s.verify_ns), all = d3.sum(spans.slice(1)) || 1, room = Math.max(280, at.clientWidth - 70);
  const widths = steps.map((s, i) => view.byTime ? (i === 0 ? 10 : Math.max(1.5, spans[i] / all * room)) : Math.max(3, Math.min(22, room / steps.length)));
  const width = d3.sum(widths) + 50;
  const svg = d3.create("svg:svg").attr("width", width).attr("height", height).attr("viewBox", `0 0 ${width} ${height}`).attr("aria-hidden", "true");
  svg.append("text").attr("x", 2).attr("y", Math.max(11, zero - 4)).text("emitted").style("font-size", "10px");
  if (down) svg.append("text").attr("x", 2).attr("y", zero + 11).text("rejected").style("font-size", "10px");
  let x = 46;
  steps.forEach((s, i) => {
    const g = svg.append("g").attr("data-step", i).style("cursor", "pointer"), w = Math.max(1, widths[i] - (widths[i] > 4 ? 1 : 0));
    const bar = (y, h, fill, dash) => g.append("rect").attr("x", x).attr("y", y).attr("width", w).attr("height", h).attr("fill", fill).attr("stroke", dash || null).attr("stroke-dasharray", dash ? "2 2" : null);
    if (s.accepted) bar(zero - s.emitted * unit, s.accepted * unit, fillOf(s));
    bar(zero - unit, unit, "var(--text)");
    if (s.drafted > s.accepted) bar(zero + 1, (s.drafted - s.accepted) * unit, "var(--grid)", "var(--quiet)");
    g.append("rect").attr("x", x).attr("y", 0).attr("width", widths[i]).attr("height", height - 16).attr("fill", "transparent");
    g.on("click", () => select(i)).on("pointermove", () => showTip(stepText(s) + (timed ? `\n${duration(spans[i])}` : ""), d3.event.clientX, d3.event.clientY)).on("pointerleave", hideTip);
    x += widths[i];
  });
  for (const i of d3.ticks(0, steps.length - 1, Math.max(2, Math.min(10, Math.floor(width / 90)))).filter(Number.isInteger))
    svg.append("text").attr("x", 46 + d3.sum(widths.slice(0, i)) + widths[i] / 2).attr("y", height - 3).attr("text-anchor", "middle").text(i).style("font-size", "10px");
  at.append(el("h3", null, "Time line of the steps"),
    el("p", {class: "small quiet"}, view.byTime ? "A step is as wide as the time it took; the prompt's pass is cut." : "Each step is as wide as any other.", " Up: copied tokens by their source, below them the target's own; down: rejected draft tokens."),
    timed ? el("button", {type: "button", "aria-pressed": String(view.byTime), click: toggle}, "Width by time") : "", el("div", {class: "timeline"}, svg.node()));
}

/* Frames the step at hand, and brings it into view. */
function ringStep(at, i) {
  const g = at.querySelector(`[data-step="${i}"]`);
  if (!g) return;
  const hit = g.lastChild, ring = hit.cloneNode();
  ring.setAttribute("class", "ring");
  ring.setAttribute("fill", "none");
  ring.setAttribute("stroke", "var(--focus)");
  ring.setAttribute("stroke-width", "2");
  ring.setAttribute("pointer-events", "none");
  g.parentNode.append(ring);
  const box = at.querySelector(".timeline"), x = Number(hit.getAttribute("x"));
  if (x < box.scrollLeft || x > box.scrollLeft + box.clientWidth - 20) box.scrollLeft = Math.max(0, x - box.clientWidth / 2);
}
