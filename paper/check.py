"""The paper's source must hold no number of its own, and use every macro that was computed for it.

    python3 check.py paper.tex generated/numbers.tex

Digits are allowed where they are no result: in the preamble, in names of files, labels and citations, and 0 and 1 in formulas. So are
words, but for those that give a ratio. Exit status 1 names the lines.
"""
import re
import sys

NO_TEXT = re.compile(r"\\(?:ref|label|cite|generatedtable|includegraphics|input|begin|end|bibliography|bibliographystyle)"
                     r"(?:\[[^]]*\])?\{[^}]*\}|\\\\\[[^]]*\]")
SMALL = re.compile(r"(?<![\d.,])[01](?![\d.,]*\d)")
FORMULA = re.compile(r"\$[^$]*\$")
WORDS = re.compile(r"\bp99\b|\b99th\b")  # the percentile's name
RATIO = re.compile(r"\b(per ?cent|twice|thrice|(two|three|four|five|six|seven|eight|nine|ten|twenty|hundred|thousand) times"
                   r"|(a|one|two) (thirds?|quarters?|fifths?|tenths?) of)\b", re.IGNORECASE)


def without_comment(line):
    return re.sub(r"(?<!\\)%.*", "", line)


def typed_numbers(source):
    """(line, text) of every digit in the text that no macro stands for."""
    found, displayed, body = [], False, False
    for number, line in enumerate(source.splitlines(), 1):
        body = body or "\\begin{document}" in line
        displayed = (displayed or "\\begin{equation" in line) and "\\end{equation" not in line
        if not body:
            continue
        text = WORDS.sub("", NO_TEXT.sub("", without_comment(line)))
        text = SMALL.sub("", text) if displayed else FORMULA.sub(lambda formula: SMALL.sub("", formula[0]), text)
        found += [(number, line.strip())] if re.search(r"\d", text) or RATIO.search(text) else []
    return found


def unused(source, numbers):
    """Macros that were computed and do not stand in the text, and those without a value."""
    text = "\n".join(without_comment(line) for line in source.splitlines())
    defined = re.findall(r"\\newcommand\{\\(\w+)\}\{(.*)\}", numbers)
    return ([name for name, _ in defined if not re.search(rf"\\{name}(?![A-Za-z])", text)],
            [name for name, value in defined if value.strip() in ("", "--") or "nan" in value.split()])


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: check.py paper.tex numbers.tex")
    with open(arguments[0], encoding="utf-8") as paper, open(arguments[1], encoding="utf-8") as numbers:
        source, computed = paper.read(), numbers.read()
    typed, (idle, empty) = typed_numbers(source), unused(source, computed)
    for line, text in typed:
        print(f"{arguments[0]}:{line}: a number that no macro stands for: {text}", file=sys.stderr)
    for name in idle:
        print(f"{arguments[1]}: \\{name} is not used in {arguments[0]}", file=sys.stderr)
    for name in empty:
        print(f"{arguments[1]}: \\{name} has no value", file=sys.stderr)
    return 1 if typed or idle or empty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
