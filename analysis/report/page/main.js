/* main.js - the page from top to bottom: what is at once in view first, the rest when the browser has painted it. */
function writeWords() {
  const at = section("words", "How to read this");
  at.append(el("p", null, "A step is one forward pass of the target while it generates, the prompt's included. It submits drafted tokens, of which those before the output's end could be accepted (testable), and emits the accepted ones and one of the target's own. A trial is one record in one cell, one repeat; a cell is one point of the sweep's grid."),
    el("p", null, "Speed-ups are times per token against plain decoding by the same process or beside the trial. Replay has no times: its steps are exact, and a modeled speed-up says so. Intervals are 95% bootstrap intervals that draw records, never trials; they are about other records of the same kind, not about other machines."),
    el("p", null, "analysis/README.md of the harness defines every number; harness tables prints them; harness compare pairs cells by record."));
}

startTheme();
writeHead();
writeSummary();
performance.mark("summary");
requestAnimationFrame(() => setTimeout(() => {
  for (const write of [writeHeat, writeAgainst, writePositions, writeTime, writeSources, writeScenarios, writeTrials, writeWords]) write();
  performance.mark("pictures");
  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(redrawAll, 150);
  });
  document.documentElement.dataset.ready = "yes";
}, 0));
