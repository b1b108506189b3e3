"""paper/: no number is typed, no result is missing."""
import subprocess
import sys

import pytest

from sweeps import ROOT

PAPER = ROOT / "paper"
TEXT = r"""\documentclass[11pt]{article}
\newcommand{\Half}{F16}
\begin{document}
% a comment with 17
A step emits $a+1$ tokens, of \Steps{} steps; see Table~\ref{grid2} and~\cite{llama3}, at the 99th percentile.
\includegraphics[width=0.5\linewidth]{generated/figure7.pdf}
\begin{equation*}
  e_1 = a + 1
\end{equation*}
\end{document}
"""
NUMBERS = r"\newcommand{\Steps}{3\,365}" + "\n"


def check(folder, text=TEXT, numbers=NUMBERS):
    (folder / "paper.tex").write_text(text)
    (folder / "numbers.tex").write_text(numbers)
    done = subprocess.run([sys.executable, "-B", PAPER / "check.py", folder / "paper.tex", folder / "numbers.tex"],
                          capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_text_without_numbers_of_its_own(tmp_path):
    assert check(tmp_path) == (0, "")


@pytest.mark.parametrize("typed", ["It is 2.31 times as fast.", "It takes $k=20$ tokens.", "in 1 of the cells", "$1.5$",
                                   "It is 40\\,\\% of them.", "less than one per cent of it", "Three times as large.",
                                   "It is twice as fast", "in a third of the cells"])
def test_typed_numbers_are_named(tmp_path, typed):
    status, error = check(tmp_path, TEXT.replace("% a comment with 17", typed))
    assert status == 1 and f"paper.tex:4: a number that no macro stands for: {typed}" in error


def test_numbers_in_equations_are_named(tmp_path):
    status, error = check(tmp_path, TEXT.replace("a + 1", "a + 4"))
    assert status == 1 and "paper.tex:8:" in error


def test_macros_that_are_not_used_or_empty_are_named(tmp_path):
    status, error = check(tmp_path, numbers=NUMBERS + r"\newcommand{\StepsMore}{7}" + "\n")
    assert status == 1 and "\\StepsMore is not used" in error
    status, error = check(tmp_path, numbers=NUMBERS.replace(r"3\,365", "--"))
    assert status == 1 and "\\Steps has no value" in error


def test_missing_results_end_the_build(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(PAPER))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import inputs
    (tmp_path / "there").write_text("")
    inputs.require(tmp_path, {"a": ("there", "a")})
    with pytest.raises(SystemExit) as exit_:
        inputs.require(tmp_path, {"a": ("there", "a"), "b": ("far", "times of b"), "c": ("results/c.h5", "c")})
    assert str(exit_.value).endswith("    experiments/reproduce.py 'times of b' c")


def test_every_input_is_made_by_a_step():
    listed = subprocess.run([sys.executable, "-B", ROOT / "experiments" / "reproduce.py", "-n"], capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    steps = {line[:22].strip() for line in listed.stdout.splitlines()}
    sys.path.insert(0, str(PAPER))
    import inputs
    assert {step for _, step in inputs.INPUTS.values()} <= steps


def test_the_paper_itself_types_no_number():
    sys.path.insert(0, str(PAPER))
    import check as checker
    assert checker.typed_numbers((PAPER / "paper.tex").read_text(encoding="utf-8")) == []


def audited(drafter, **values):
    return {"drafter": drafter, "drafted": 300.0, "accepted": 90.0, "records": 1200.0, "explained": 1.0, "same": 1200.0, "tie": 0.0,
            "rounding": 0.0, "length": 0.0, "early": 0.0, "bug": 0.0, "unrelated": 0.0, "parted": 0.0, "gap_least": "", "gap_most": "",
            "tolerance": 0.04, "plain_tokens": 16825.0, "plain_departures": 19.0, "plain_farthest": 0.0135, "plain_beyond": 0.0,
            "speculative_beyond": 0.0, **values}


@pytest.fixture
def generate(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(PAPER))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import generate
    return generate


def test_an_audits_numbers(generate):
    rows = [audited("ngram_a", same=1189.0, tie=1.0, rounding=7.0, length=1.0, bug=2.0, explained=0.0, gap_least=0.0002,
                    gap_most=0.5, tolerance=0.0412, speculative_beyond=3.0),
            audited("b", same=1198.0, rounding=2.0, gap_least=0.001, gap_most=0.01)]
    assert dict(generate.audit_numbers(rows)) == {
        "AuditDrafters": "2", "AuditPassed": "1", "AuditRecords": r"1\,200", "AuditOutputs": r"2\,400", "AuditParted": "13",
        "AuditExplained": "11", "AuditTokens": r"16\,825", "AuditDepartures": "19", "AuditFarthest": "0.0135",
        "AuditTolerance": "0.040", "AuditGapLeast": "0.0002", "AuditGapMost": "0.5000"}
    table = generate.audit_table(rows).splitlines()
    assert r"\texttt{ngram\_a} & 1\,200 & 300 & 90 & 11 & 9 & 0.0002 & 0.5000 & 0.041 & 3 \\" in table
    assert r"\texttt{b} & 1\,200 & 300 & 90 & 2 & 2 & 0.0010 & 0.0100 & 0.040 & 0 \\" in table


def test_an_audit_without_differences_has_no_gaps(generate):
    rows = [audited("a")]
    assert dict(generate.audit_numbers(rows))["AuditGapMost"] == "--"
    assert r"\texttt{a} & 1\,200 & 300 & 90 & 0 & 0 & -- & -- & 0.040 & 0 \\" in generate.audit_table(rows)


def test_a_result_that_is_csv_is_read(generate, tmp_path, monkeypatch):
    (tmp_path / "audit.csv").write_text("drafter,same,gap_least\na,3,\nb,2,0.5\n")
    monkeypatch.setitem(generate.inputs.INPUTS, "audit", (tmp_path / "audit.csv", "audit"))
    assert generate.inputs.file("audit") == [{"drafter": "a", "same": 3.0, "gap_least": ""}, {"drafter": "b", "same": 2.0, "gap_least": 0.5}]
