/* chart.js - one kind of picture for all that is drawn over an axis: points with intervals, joined by lines. Every series
 * has a colour, a dash and a mark of its own; arrow keys move over the points, and the numbers stand below as a table. */
const dashes = ["", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 4", "6 2 1 2 1 2"];
const symbols = [d3.symbolCircle, d3.symbolSquare, d3.symbolTriangle, d3.symbolDiamond, d3.symbolCross, d3.symbolStar, d3.symbolWye, d3.symbolCircle];
const styleOf = i => ({color: `var(--s${i % 8})`, dash: dashes[i % 8], symbol: symbols[i % 8]});

function mark(style, hollow, size = 52) {
  return d3.create("svg:path").attr("d", d3.symbol().type(style.symbol).size(size)())
    .attr("fill", hollow ? "var(--page)" : style.color).attr("stroke", style.color).attr("stroke-width", 1.6);
}

function legend(series) {
  return el("ul", {class: "legend"}, series.map(s => {
    const svg = d3.create("svg:svg").attr("viewBox", "0 0 36 14").attr("aria-hidden", "true");
    if (s.line !== false)
      svg.append("line").attr("x1", 0).attr("x2", 36).attr("y1", 7).attr("y2", 7).attr("stroke", s.style.color)
        .attr("stroke-width", s.thin ? 1.4 : 2).attr("stroke-dasharray", s.style.dash);
    if (s.marks !== false) svg.append(() => mark(s.style, s.hollow).attr("transform", "translate(18,7)").node());
    return el("li", null, svg.node(), s.name);
  }));
}

function numbers(head, rows) {
  return el("details", null, el("summary", null, "Numbers"),
    el("div", {class: "scroll", tabindex: 0}, el("table", null,
      el("thead", null, el("tr", null, head.map(h => el("th", {class: "text", scope: "col"}, h)))),
      el("tbody", null, rows.map(r => el("tr", null, r.map(c => el("td", {class: "text"}, c))))))));
}

const finite = x => known(x) && Number.isFinite(x);

/* All points, and intervals as far as they do not dwarf the points: longer ones go off the picture, as the tip tells. */
function domainOf(series, baseline) {
  const points = series.flatMap(s => s.points.map(p => p.y)).filter(finite), most = 1.4 * d3.max(points);
  const y = series.flatMap(s => s.points.flatMap(p => [p.y, p.lo, known(p.hi) ? Math.min(p.hi, Math.max(p.y, most)) : null])).filter(finite);
  if (known(baseline)) y.push(baseline);
  return y.length ? d3.extent(y) : [0, 1];
}

/* Whole numbers on the x axis: on a logarithmic one where they span much. */
function xScale(spec, from, to) {
  const xs = [...new Set(spec.series.flatMap(s => s.points.map(p => p.x)))].sort(d3.ascending);
  const [lo, hi] = spec.x.domain || d3.extent(xs);
  const log = spec.x.log !== false && lo > 0 && hi / lo > 8;
  const scale = log ? d3.scaleLog().base(2).domain([lo, hi]) : d3.scaleLinear().domain(lo === hi ? [lo - 1, hi + 1] : [lo, hi]);
  scale.range([from, to]);
  let ticks = spec.x.ticks || xs;
  const room = Math.max(2, Math.floor((to - from) / 34));
  if (ticks.length > room) ticks = log ? d3.range(0, 16).map(i => 2 ** i).filter(t => t >= lo && t <= hi) : scale.ticks(room).filter(Number.isInteger);
  return {scale, ticks};
}

/* spec: title, about, x {label, domain, ticks, log}, y {label, text, baseline, domain}, height, series [{name, style, line,
 * marks, hollow, thin, points [{x, y, lo, hi, tip}]}], band [{x, lo, hi}]. */
function lineChart(at, spec) {
  const series = spec.series.map(s => ({...s, points: s.points.filter(p => finite(p.y))})).filter(s => s.points.length);
  const figure = el("figure", null, el("figcaption", null, spec.title, el("span", {class: "quiet"}, spec.about || "")));
  at.append(figure);
  if (!series.length) {
    figure.append(el("p", {class: "quiet"}, spec.empty || "Nothing to show."));
    return;
  }
  figure.append(legend(series));
  const width = Math.max(260, Math.min(figure.clientWidth || 360, 760)), height = spec.height || 280;
  const m = {top: 28, right: 14, bottom: 38, left: 50};
  const svg = d3.create("svg:svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img").attr("tabindex", 0)
    .style("max-width", width + "px")
    .attr("aria-label", `${spec.title}. ${spec.y.label} against ${spec.x.label}. Arrow keys move over the points; the numbers stand below.`);
  const {scale: x, ticks} = xScale({...spec, series}, m.left + 8, width - m.right - 8);
  const y = d3.scaleLinear().domain(spec.y.domain || domainOf(series, spec.y.baseline)).range([height - m.bottom, m.top]).clamp(true);
  if (!spec.y.domain) y.nice(5);
  const yTicks = y.ticks(5);
  svg.append("g").attr("class", "grid").attr("transform", `translate(${m.left},0)`)
    .call(d3.axisLeft(y).tickValues(yTicks).tickSize(-(width - m.left - m.right)).tickFormat(""));
  svg.append("g").attr("class", "axis").attr("transform", `translate(0,${height - m.bottom})`)
    .call(d3.axisBottom(x).tickValues(ticks).tickFormat(d3.format("~s")).tickSizeOuter(0));
  svg.append("g").attr("class", "axis").attr("transform", `translate(${m.left},0)`)
    .call(d3.axisLeft(y).tickValues(yTicks).tickFormat(spec.y.tick || spec.y.text).tickSizeOuter(0));
  svg.append("text").attr("x", width - m.right).attr("y", height - 4).attr("text-anchor", "end").text(spec.x.label);
  svg.append("text").attr("x", 2).attr("y", 12).text(spec.y.label).style("font-weight", 600);
  if (known(spec.y.baseline))
    svg.append("line").attr("x1", m.left).attr("x2", width - m.right).attr("y1", y(spec.y.baseline)).attr("y2", y(spec.y.baseline))
      .attr("stroke", "var(--text)").attr("stroke-width", 1.2).attr("stroke-dasharray", "1 3");
  for (const s of series) drawSeries(svg, s, x, y);
  figure.append(svg.node(), numbers(["series", spec.x.label, spec.y.label, "interval"],
    series.flatMap(s => s.points.map(p => [s.name, String(p.x), spec.y.text(p.y), known(p.lo) ? `${spec.y.text(p.lo)} – ${spec.y.text(p.hi)}` : ""]))));
  pointKeys(svg, series, x, y, spec);
}

function drawSeries(svg, s, x, y) {
  const line = d3.line().x(p => x(p.x)).y(p => y(p.y));
  if (s.line !== false && s.points.length > 1)
    svg.append("path").attr("d", line(s.points)).attr("fill", "none").attr("stroke", s.style.color)
      .attr("stroke-width", s.thin ? 1.4 : 2).attr("stroke-dasharray", s.style.dash);
  for (const p of s.points) {
    if (finite(p.lo) && finite(p.hi))
      svg.append("line").attr("x1", x(p.x)).attr("x2", x(p.x)).attr("y1", y(p.lo)).attr("y2", y(p.hi))
        .attr("stroke", s.style.color).attr("stroke-width", 1.4);
    if (s.marks !== false)
      svg.append(() => mark(s.style, s.hollow, s.points.length > 24 ? 18 : 52).attr("transform", `translate(${x(p.x)},${y(p.y)})`).node());
  }
}

/* The point nearest to the pointer, or the one that the keys have reached, has a ring and a tip. */
function pointKeys(svg, series, x, y, spec) {
  const ring = svg.append("circle").attr("r", 9).attr("fill", "none").attr("stroke", "var(--focus)").attr("stroke-width", 2.5)
    .attr("visibility", "hidden");
  let at = [0, -1];
  const show = (s, i) => {
    at = [s, i];
    const p = series[s].points[i];
    ring.attr("cx", x(p.x)).attr("cy", y(p.y)).attr("visibility", "visible");
    const matrix = svg.node().getScreenCTM();
    showTip(`${series[s].name}\n${spec.x.label} ${p.x}\n${p.tip || spec.y.text(p.y)}`, matrix.a * x(p.x) + matrix.e, matrix.d * y(p.y) + matrix.f);
  };
  const hide = () => { ring.attr("visibility", "hidden"); hideTip(); };
  svg.on("pointermove", () => {
    const e = d3.event, box = svg.node().getScreenCTM().inverse();
    const px = e.clientX * box.a + box.e, py = e.clientY * box.d + box.f;
    let nearest = null, least = 900;
    series.forEach((s, k) => s.points.forEach((p, i) => {
      const d = (x(p.x) - px) ** 2 + (y(p.y) - py) ** 2;
      if (d < least) { least = d; nearest = [k, i]; }
    }));
    if (nearest) show(...nearest); else hide();
  }).on("pointerleave", hide).on("blur", hide).on("keydown", () => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[d3.event.key], other = {ArrowUp: -1, ArrowDown: 1}[d3.event.key];
    if (!step && !other) return;
    d3.event.preventDefault();
    let [s, i] = at;
    if (other) s = (s + other + series.length) % series.length;
    i = Math.max(0, Math.min(series[s].points.length - 1, step ? i + step : Math.max(0, i)));
    show(s, i);
  });
}

/* ---- heat maps: tables whose cells have viridis behind their number ---- */
const viridis = d3.interpolateRgbBasis(["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"]);
function heatColors(value, lo, hi) {
  const back = d3.rgb(viridis(hi > lo ? Math.max(0, Math.min(1, (value - lo) / (hi - lo))) : .5));
  const linear = c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = .2126 * linear(back.r) + .7152 * linear(back.g) + .0722 * linear(back.b);
  return {background: back.toString(), color: light > .179 ? "#000" : "#fff"};
}

/* rows, columns: texts; get(r, c): {value, text, tip} or null; the scale is over all of `domain` values. */
function heatTable(rowName, columnName, rows, columns, get, domain) {
  const values = (domain || rows.flatMap((_, r) => columns.map((_, c) => get(r, c)?.value))).filter(finite);
  const [lo, hi] = d3.extent(values);
  const body = rows.map((row, r) => el("tr", null, el("th", {scope: "row", class: "text"}, row), columns.map((_, c) => {
    const x = get(r, c);
    if (!x || !known(x.value)) return el("td", {class: "none", tabindex: -1}, x ? x.text : missing);
    const colors = heatColors(x.value, lo, hi);
    const cell = el("td", {tabindex: -1, "aria-label": x.tip.replace(/\n/g, ", ")}, x.text);
    cell.style.background = colors.background;
    cell.style.color = colors.color;
    return withTip(cell, () => x.tip);
  })));
  const table = el("table", {class: "heat"},
    el("thead", null, el("tr", null, el("th", {class: "text", scope: "col"}, `${rowName} ↓  ${columnName} →`), columns.map(c => el("th", {scope: "col"}, c)))),
    el("tbody", null, body));
  roving(table, "td");
  return el("div", {class: "scroll"}, table);
}
