"""Every number, table and figure of the paper, from the results that inputs.py names.

    python3 generate.py FOLDER
"""
import pathlib
import sys

import inputs
import layout
from layout import count, exponent, fixed, percent, share, tabular

sys.path.insert(0, str(inputs.ROOT / "analysis"))
import plots  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402

FIXED = {"n": 1, "k": 16}  # the long copy that the table of real models shows beside the best one


def cell(rows, **wanted):
    """The one row that has these values."""
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    if len(found) != 1:
        raise SystemExit(f"generate.py: {len(found)} rows with {wanted}")
    return found[0]


# ---- LLMA's experiment --------------------------------------------------------------------------------------


def llma_grid(rows, value, digits):
    ks = sorted({row["k"] for row in rows})
    body = [[f"{n:.0f}", *(fixed(cell(rows, n=n, k=k)[value], digits) for k in ks)] for n in sorted({row["n"] for row in rows})]
    return tabular("r" + "r" * len(ks), ["$n$", *(f"$k={k:.0f}$" for k in ks)], [body])


def llma_numbers(rows, summary):
    best = max(rows, key=lambda row: row["tokens_per_step"])
    named = cell(rows, n=1, k=20)
    full = cell(summary, policy="llma", n=1, k=20)
    yield "LlmaSamples", count(named["samples"])
    yield "LlmaTokens", count(named["tokens"])
    yield "LlmaCells", count(len(summary))
    yield "LlmaN", fixed(named["n"], 0)
    yield "LlmaK", fixed(named["k"], 0)
    yield "LlmaSteps", count(named["steps"])
    yield "LlmaPooled", fixed(named["tokens_per_step"], 4)
    yield "LlmaMean", fixed(named["tokens_per_step_of_samples"], 4)
    yield "LlmaCoverage", percent(full["coverage"]) + r"\,\%"
    yield "LlmaAcceptance", percent(full["acceptance"]) + r"\,\%"
    yield "LlmaLow", fixed(full["tokens_per_step_lo"])
    yield "LlmaHigh", fixed(full["tokens_per_step_hi"])
    yield "LlmaBestK", fixed(best["k"], 0)
    yield "LlmaBestPooled", fixed(best["tokens_per_step"], 2)


# ---- real models --------------------------------------------------------------------------------------------


def real_table(summary):
    groups = []
    for model in ("smollm2", "smollm2-f16", "gemma3"):
        rows = []
        for dataset in ("rag", "mt-bench", "edits"):
            of = [row for row in summary if row["model"] == model and row["dataset"] == dataset]
            plain = cell(of, policy="none")
            pld = cell(of, policy="pld")
            best = max((row for row in of if row["policy"] == "llma"), key=lambda row: row["speedup_total"])
            fixed_k = cell(of, policy="llma", **FIXED)
            rows.append([layout.model(model), dataset, count(plain["tokens"]), f"{best['n']:.0f}, {best['k']:.0f}",
                         *(fixed(row[key]) for row in (best, fixed_k, pld) for key in ("tokens_per_step", "speedup_total"))])
        groups.append(rows)
    two = r"\multicolumn{2}{c}"
    head = ["model", "records", "tokens", "$n$, $k$", f"{two}{{best \\texttt{{llma}}}}",
            f"{two}{{\\texttt{{llma}} $n={FIXED['n']}$, $k={FIXED['k']}$}}",
            f"{two}{{\\texttt{{pld}} $n={pld['n']:.0f}$, $k={pld['k']:.0f}$}} \\\\\n & & &",
            *(["tokens/step", "speed-up"] * 3)]
    return tabular("llrrrrrrrr", head, groups)


def real_numbers(summary):
    drafting = [row for row in summary if row["policy"] != "none"]
    fastest = max(drafting, key=lambda row: row["speedup_total"])
    slowest = min(drafting, key=lambda row: row["speedup_total"])
    yield "RealTrials", count(sum(row["trials"] for row in summary))
    yield "RealRecords", count(sum(row["trials"] for row in summary if row["policy"] == "none" and row["model"] == "smollm2"))
    yield "RealFastest", fixed(fastest["speedup_total"])
    yield "RealFastestModel", layout.model(fastest["model"])
    yield "RealFastestSet", fastest["dataset"]
    yield "RealFastestPolicy", r"\texttt{" + layout.escape(fastest["policy"]) + "}"
    yield "RealSlowest", fixed(slowest["speedup_total"])
    yield "RealSlowestModel", layout.model(slowest["model"])
    yield "RealSlowestSet", slowest["dataset"]
    yield "RealLosing", share(sum(row["speedup_total"] < 1 for row in drafting), len(drafting))
    yield "LlmaLongK", fixed(FIXED["k"], 0)


# ---- equality -----------------------------------------------------------------------------------------------


def equality_of(rows):
    """Counts over all drafting cells."""
    of = [row for row in rows if row["policy"] != "none"]
    sums = {key: sum(row[key] for row in of) for key in ("trials", "equal", "logits_equal")}
    return {**sums, "cells": len(of), "policies": len({row["policy"] for row in of}),
            "largest": max(row["max_abs_logit_diff"] for row in of)}


def equality_groups(tables):
    divergence = tables["equality", "divergence"]
    exact = [("exact", "embedded, all policies and lossless rules", tables["equality", "lossless"]),
             ("exact", "embedded, four scenarios", tables["equality", "quick"]),
             ("exact", "SmolLM2, all policies", tables["equality", "policies_timed"])]
    for model in ("smollm2", "smollm2-f16", "gemma3"):
        of = [row for row in tables["equality", "instruct"] if row["model"] == model]
        exact.append(("exact", f"{layout.model(model)}, three sets", of))
    exact.append(("exact", "embedded, F32 weights", [row for row in divergence if row["gemm"] == "exact"]))
    return [exact, [("BLAS", "embedded, F32 weights", [row for row in divergence if row["gemm"] == "blas"])]]


def equality_table(groups):
    body = []
    for group in groups:
        rows = []
        for gemm, what, of in group:
            sums = equality_of(of)
            rows.append([gemm, what, *(count(sums[key]) for key in ("cells", "trials", "equal", "logits_equal")),
                         exponent(sums["largest"])])
        body.append(rows)
    return tabular("llrrrrr", ["products", "sweep", "cells", "trials", "same ids", "same logits", "largest difference"], body)


def equality_numbers(groups, tables):
    exact = [equality_of(of) for _, _, of in groups[0]]
    blas = equality_of(groups[1][0][2])
    for key, name in (("trials", "Trials"), ("equal", "Equal"), ("logits_equal", "LogitsEqual")):
        yield f"Exact{name}", count(sum(sums[key] for sums in exact))
    yield "ExactPolicies", count(equality_of(tables["equality", "lossless"])["policies"])
    yield "BlasTrials", count(blas["trials"])
    yield "BlasEqual", count(blas["equal"])
    yield "BlasLogitsEqual", count(blas["logits_equal"])
    yield "BlasLargest", exponent(blas["largest"])
    yield "BlasMargin", fixed(min(row["min_margin"] for row in tables["equality", "divergence"] if row["gemm"] == "blas"), 3)


# ---- another engine's outputs -------------------------------------------------------------------------------

EXPLAINED = ("tie", "rounding", "length")  # kinds of harness audit


def parted(row):
    return row["records"] - row["same"]


def explained(row):
    return sum(row[kind] for kind in EXPLAINED)


def audit_table(rows):
    body = [[rf"\texttt{{{layout.escape(row['drafter'])}}}", *(count(row[key]) for key in ("records", "drafted", "accepted")),
             count(parted(row)), count(explained(row)), fixed(row["gap_least"], 4), fixed(row["gap_most"], 4), fixed(row["tolerance"], 3),
             count(row["speculative_beyond"])] for row in rows]
    return tabular("lrrrrrrrrr", ["drafter", "outputs", "drafted", "accepted", "part", "explained", "least gap", "largest gap",
                                  "tolerance", "beyond it"], [body])


def audit_numbers(rows):
    plain = rows[0]  # all have the same plain outputs
    yield "AuditDrafters", count(len(rows))
    yield "AuditPassed", count(sum(row["explained"] for row in rows))
    yield "AuditRecords", count(plain["records"])
    yield "AuditOutputs", count(sum(row["records"] for row in rows))
    yield "AuditParted", count(sum(map(parted, rows)))
    yield "AuditExplained", count(sum(map(explained, rows)))
    yield "AuditTokens", count(plain["plain_tokens"])
    yield "AuditDepartures", count(plain["plain_departures"])
    yield "AuditFarthest", fixed(plain["plain_farthest"], 4)
    yield "AuditTolerance", fixed(min(row["tolerance"] for row in rows), 3)
    gaps = [row[key] for row in rows for key in ("gap_least", "gap_most") if row[key] != ""]
    yield "AuditGapLeast", fixed(min(gaps, default=""), 4)
    yield "AuditGapMost", fixed(max(gaps, default=""), 4)


def rules_table(rows):
    body = [[rf"\texttt{{{layout.escape(row['rule'])}}}", fixed(row["temperature"], 0), count(row["trials"]),
             percent(row["equal_share"]), percent(row["agreeing_share"]), percent(row["acceptance"]),
             fixed(row["tokens_per_step"]), fixed(row["log_likelihood_per_token"], 3),
             fixed(row["plain_log_likelihood_per_token"], 3)] for row in rows]
    return tabular("lrrrrrrrr", ["rule", "temp.", "trials", r"equal \%", r"agree \%", r"accepted \%", "tokens/step",
                                 "log p", "plain's"], [body])


# ---- times of passes, policies, predictions -----------------------------------------------------------------


def cost_numbers(name, label):
    times, doubts = inputs.cost(name)
    empty = times[0]
    for k, word in ((2, "Two"), (4, "Four"), (8, "Eight"), (16, "Sixteen")):
        yield f"{label}Pass{word}", fixed(empty[k][0] / empty[1][0])
    yield f"{label}Doubtful", "doubtful" if doubts else "sound"


def policies_table(drafting, timed):
    body = []
    for row in sorted(drafting, key=lambda row: -row["tokens_per_step"]):
        if row["policy"] == "none":
            continue
        what = ["policy", "n", "k", "policy_form", "policy_memory", "policy_tie", "policy_key"]
        same = [t for t in timed if all(t.get(key, "") == row.get(key, "") or (key == "policy_tie" and row[key] == "first")
                                        for key in what)]
        speed = same[0]["speedup_total"] if len(same) == 1 else ""
        notes = [row["policy_form"] if row["policy_form"] in ("path", "tree") and row["policy"] == "suffix_tree" else "",
                 "memory" if row["policy_memory"] == "cell" else "",
                 "history" if row["policy_key"] == "history" else "",
                 "frequent" if row["policy_tie"] == "most_frequent" else ""]
        body.append([rf"\texttt{{{layout.escape(row['policy'])}}}", ", ".join(filter(None, notes)),
                     *(fixed(row[key], 0) for key in ("n", "k")), fixed(row["tokens_per_step"]), percent(row["share_of_bound"]),
                     percent(row["coverage"]), percent(row["acceptance"]), fixed(row["wasted_per_token"]),
                     fixed(row["draft_ns_p50"] / 1000, 1), fixed(row["draft_ns_p99"] / 1000, 1), fixed(speed)])
    head = ["policy", "", "$n$", "$k$", "tokens/step", r"of bound \%", r"drafts \%", r"accepted \%", "wasted",
            r"$\mu$s", r"p99", "speed-up"]
    return tabular("llrrrrrrrrrr", head, [body])


def policies_numbers(drafting, timed):
    real = [row for row in drafting if row["policy"] not in ("none", "oracle")]
    most = max(real, key=lambda row: row["tokens_per_step"])
    tried = [row for row in timed if row["policy"] not in ("none", "oracle")]
    fastest = max(tried, key=lambda row: row["speedup_total"])
    oracle = max((row for row in timed if row["policy"] == "oracle"), key=lambda row: row["speedup_total"])
    yield "PolicyCells", count(len(real))
    yield "PolicyCount", count(len({row["policy"] for row in real}))
    yield "PolicyMost", rf"\texttt{{{layout.escape(most['policy'])}}}"
    yield "PolicyMostTokens", fixed(most["tokens_per_step"])
    yield "PolicyMostShare", percent(most["share_of_bound"]) + r"\,\%"
    yield "PolicyMostMicroseconds", fixed(most["draft_ns_p50"] / 1000, 1)
    yield "PolicyBound", fixed(cell(drafting, policy="oracle")["tokens_per_step"])
    yield "TimedRecords", count(cell(timed, policy="none")["trials"])
    yield "TimedFastest", rf"\texttt{{{layout.escape(fastest['policy'])}}}"
    yield "TimedFastestSpeed", fixed(fastest["speedup_total"])
    yield "TimedOracle", fixed(oracle["speedup_total"])
    yield "TimedAdaptive", fixed(max(row["speedup_total"] for row in tried if row["policy"] == "adaptive"))
    yield "TimedLosing", count(sum(row["speedup_total"] < 1 for row in tried))
    yield "TimedCells", count(len(tried))


def predictions_table(checks):
    groups = []
    for label, rows in checks:
        groups.append([[label, rf"\texttt{{{layout.escape(row['policy'])}}}", fixed(row["k"], 0), row["policy_memory"] or "--",
                        fixed(row["predicted"]), fixed(row["measured"]), fixed(row["error_percent"], 1), fixed(row["plain_passes"]),
                        fixed(row["passes"]), percent(row["drafting"]), percent(row["rest"])]
                       for row in rows if row["policy"] != "none"])
    head = ["model", "policy", "$k$", "memory", "predicted", "measured", r"error \%", "plain", "passes", r"drafting \%", r"rest \%"]
    return tabular("lllrrrrrrrr", head, groups)


def errors(rows):
    return sorted(abs(row["error_percent"]) for row in rows if row["policy"] != "none" and row["error_percent"] != "")


def predictions_numbers(checks, timed):
    for label, rows in checks:
        yield f"Error{label.replace('SmolLM2', 'Smol').replace('embedded', 'Embedded')}", fixed(errors(rows)[-1], 1)
    yield "DraftingMost", percent(max(row["drafting"] for _, rows in checks for row in rows if row["policy"] != "none")) + r"\,\%"
    told = [row for row in timed if row["policy"] != "none" and row["error_percent"] != ""]
    yield "ErrorCareful", share(sum(row["predicted"] <= row["measured"] for row in told), len(told))
    of = errors(timed)
    yield "ErrorMedian", fixed(of[len(of) // 2], 1)
    yield "ErrorLargest", fixed(of[-1], 1)
    yield "ErrorCells", count(len(of))


# ---- figures ------------------------------------------------------------------------------------------------


def passes_figure():
    """T(k) over T(1) for each model and context, with quartiles."""
    with plt.rc_context(plots.STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(6.3, 2.3), layout="constrained", sharey=True)
        for axis, name, title in zip(axes, ("cost_smollm2", "cost_gemma3"), ("SmolLM2", "Gemma 3")):
            for i, (context, times) in enumerate(sorted(inputs.cost(name)[0].items())):
                ks = [k for k in sorted(times) if k <= 32]
                middle, low, high = ([times[k][j] / times[1][0] for k in ks] for j in range(3))
                axis.plot(ks, middle, color=plots.COLOURS[i], marker=plots.MARKERS[i], label=f"{context} tokens before")
                axis.fill_between(ks, low, high, color=plots.COLOURS[i], alpha=0.2, linewidth=0)
            axis.plot([1, 32], [1, 32], color="0.5", linestyle=":", linewidth=0.8, label="one by one")
            axis.set_xlabel("tokens in the pass, $k$")
            axis.set_title(title, loc="left")
            axis.grid(linewidth=0.3, color="0.85")
        axes[0].set_ylabel("$T(k)\\,/\\,T(1)$")
        axes[0].legend()
    return figure


def speed_figure(summary):
    """Speed-up of totals against k, one panel for each model."""
    with plt.rc_context(plots.STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(6.3, 2.4), layout="constrained", sharey=True)
        for axis, model in zip(axes, ("smollm2", "smollm2-f16", "gemma3")):
            for i, dataset in enumerate(("rag", "mt-bench", "edits")):
                for n, style in ((1, "-"), (2, "--")):
                    of = sorted((row["k"], row["speedup_total"]) for row in summary if row["model"] == model and
                                row["dataset"] == dataset and row["policy"] == "llma" and row["n"] == n)
                    axis.plot(*zip(*of), color=plots.COLOURS[i], marker=plots.MARKERS[i], linestyle=style,
                              label=f"{dataset}, $n={n}$")
            axis.axhline(1, color="0.5", linewidth=0.8)
            axis.set_xscale("log", base=2)
            axis.set_xticks([2, 4, 8, 16], ["2", "4", "8", "16"])
            axis.set_title(layout.NAMES[model], loc="left")
            axis.set_xlabel("copy length $k$")
            axis.grid(linewidth=0.3, color="0.85")
        axes[0].set_ylabel("speed-up of totals")
        axes[2].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1.05))
    return figure


def predicted_figure(rows):
    with plt.rc_context(plots.STYLE):
        figure, axis = plt.subplots(figsize=(3.2, 2.2), layout="constrained")
        of = [row for row in rows if row["policy"] != "none" and row["predicted"] != ""]
        high = 1.05 * max(max(row["predicted"], row["measured"]) for row in of)
        axis.plot([0, high], [0, high], color="0.5", linewidth=0.8)
        for i, (label, wanted) in enumerate((("copying policies", False), ("oracle", True))):
            shown = [row for row in of if (row["policy"] == "oracle") == wanted]
            axis.plot([row["predicted"] for row in shown], [row["measured"] for row in shown], plots.MARKERS[i],
                      color=plots.COLOURS[i], label=label)
        axis.set_xlabel("predicted speed-up")
        axis.set_ylabel("measured speed-up")
        axis.legend()
        axis.grid(linewidth=0.3, color="0.85")
    return figure


# ---- all ----------------------------------------------------------------------------------------------------


def about(cells):
    def all_of(column):
        return ", ".join(dict.fromkeys(cells[column]))
    yield "Commit", layout.escape(all_of("git_commit")[:12])
    yield "Version", layout.escape(all_of("harness_version"))
    yield "Cpu", layout.escape(all_of("cpu"))
    yield "Isa", layout.escape(all_of("isa"))
    yield "Compiler", layout.escape(all_of("compiler"))
    yield "Confidence", r"95\,\%"
    yield "GridBits", "64"


def read():
    wanted = [("llma", "llma_rag"), ("summary", "llma_rag"), ("summary", "instruct"), ("drafting", "policies"),
              ("summary", "policies_timed"), ("predictions", "policies_timed"), ("predictions", "check_smollm2"),
              ("predictions", "check_copier"), ("rules", "rules"),
              *(("equality", name) for name in ("lossless", "quick", "policies_timed", "instruct", "divergence"))]
    return {**{key: inputs.table(*key) for key in wanted}, ("audit", "audit"): inputs.file("audit")}


def numbers(tables, groups, checks):
    yield from about(plots.load(inputs.path_of("quick"))["cells"])
    yield from llma_numbers(tables["llma", "llma_rag"], tables["summary", "llma_rag"])
    yield from real_numbers(tables["summary", "instruct"])
    yield from equality_numbers(groups, tables)
    yield from audit_numbers(tables["audit", "audit"])
    yield from cost_numbers("cost_smollm2", "Smol")
    yield from cost_numbers("cost_gemma3", "Gemma")
    empty = inputs.cost("cost_smollm2")[0][0]
    yield "SmolBreakEvenOne", fixed(empty[2][0] / empty[1][0] - 1)
    yield "EmbeddedPass", fixed(inputs.cost("cost_copier")[0][0][1][0] / 1e6)
    yield "SmolBreakEvenSeven", fixed(empty[8][0] / empty[1][0] - 1)
    yield from policies_numbers(tables["drafting", "policies"], tables["summary", "policies_timed"])
    yield from predictions_numbers(checks, tables["predictions", "policies_timed"])


def write(folder):
    tables = read()
    groups = equality_groups(tables)
    checks = [("SmolLM2", tables["predictions", "check_smollm2"]), ("embedded", tables["predictions", "check_copier"])]
    texts = {"numbers": "".join(f"\\newcommand{{\\{name}}}{{{text}}}\n" for name, text in numbers(tables, groups, checks)),
             "pooled": llma_grid(tables["llma", "llma_rag"], "tokens_per_step", 4),
             "means": llma_grid(tables["llma", "llma_rag"], "tokens_per_step_of_samples", 4),
             "real": real_table(tables["summary", "instruct"]), "equality": equality_table(groups),
             "audit": audit_table(tables["audit", "audit"]), "rules": rules_table(tables["rules", "rules"]),
             "policies": policies_table(tables["drafting", "policies"], tables["summary", "policies_timed"]),
             "predictions": predictions_table(checks)}
    for name, text in texts.items():
        (folder / f"{name}.tex").write_text(text)
    llma = plots.load(inputs.path_of("llma_rag"))
    figures = {"acceptance": plots.acceptance_by_position(llma), "passes": passes_figure(),
               "speed": speed_figure(tables["summary", "instruct"]),
               "predicted": predicted_figure(tables["predictions", "policies_timed"])}
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})  # the same results give the same bytes


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: generate.py FOLDER")
    inputs.require()
    pathlib.Path(sys.argv[1]).mkdir(exist_ok=True)
    write(pathlib.Path(sys.argv[1]))
