"""Numbers and tables in LaTeX."""
import math

ESCAPES = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
           ">": r"\textgreater{}", "|": r"\textbar{}", **{c: "\\" + c for c in "&%$#_{}"}}
NAMES = {"smollm2": "SmolLM2", "smollm2-f16": "SmolLM2, F16", "gemma3": "Gemma 3", "copier": "embedded", "blas": "embedded"}


def escape(text):
    return "".join(ESCAPES.get(c, c) for c in text)


def model(label):
    return NAMES.get(label, escape(label))


def count(n):
    """1234567 as 1\\,234\\,567."""
    return f"{int(n):,}".replace(",", r"\,")


def fixed(value, digits=2):
    """A number with so many decimals; a dash where there is none."""
    if value == "" or value is None or math.isnan(value):
        return "--"
    return f"{value:.{digits}f}"


def share(part, whole):
    """A percentage, cut and not rounded: 100.0 means all."""
    return f"{1000 * int(part) // int(whole) / 10:.1f}" + r"\,\%"


def percent(value):
    return "--" if value == "" else f"{math.floor(value * 1000 + 1e-9) / 10:.1f}"


def exponent(value):
    """1.7e-05 as a power of ten."""
    if value == 0:
        return "0"
    digits, power = f"{value:.1e}".split("e")
    return f"${digits}\\cdot10^{{{int(power)}}}$"


def tabular(columns, head, groups):
    """A tabular with a rule between groups of rows."""
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", " & ".join(head) + r" \\", "\\midrule"]
    for i, rows in enumerate(groups):
        if i:
            lines.append("\\addlinespace")
        lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])
