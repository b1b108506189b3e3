#!/usr/bin/python3
"""Holds the sources to the table "may include" of CONTRIBUTING.md.

    includes.py [-v] [ROOT]

The table lists every folder of ours with those that it may include, from the bottom of the house to its top: a row
names rows above it, so what the table allows has no cycle. A row is a folder, or some files of one: `engine/draft.*`.
What it may include is "nothing", "all above", or names with commas between them: each the end of a row's name
("base", "draft"), or of a header's path ("kernels/detmath.h"), that is the end of no other.

Exit status: 0 clean, 1 with one line for each fault.
"""
import fnmatch
import os
import re
import sys

TABLE = "CONTRIBUTING.md"
TOPS = ("engine", "store", "datasets", "analysis", "experiments")
SUFFIXES = (".c", ".h", ".cc", ".def")
INCLUDE = re.compile(r'\s*#\s*include\s*["<]([^">]+)[">]')


class Row:
    def __init__(self, name, at, rank, may):
        self.name = name  # a folder, or a folder and a pattern
        self.at = at      # FILE:LINE
        self.rank = rank  # from the bottom
        self.may = may    # the cell's text
        self.rows = set()   # names of rows that it may include
        self.files = set()  # paths of headers that it may include
        self.used = False

    def allowed(self):
        return self.may or "nothing"


def read_table(root, faults):
    """The rows by name, in the table's order."""
    rows = {}
    column = None
    with open(os.path.join(root, TABLE), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|"):
                column = None
            elif "may include" in cells:
                column = cells.index("may include")
            elif column is not None and not set(line) <= set("|-: \n"):
                at = f"{TABLE}:{number}"
                name = cells[0].strip("`")
                if len(cells) <= column:
                    faults.append(f"{at}: the row {name} has {len(cells)} columns (it takes {column + 1} or more)")
                elif name in rows:
                    faults.append(f"{at}: a second row for {name}")
                else:
                    rows[name] = Row(name, at, len(rows), cells[column].replace("`", ""))
    if not rows:
        faults.append(f'{TABLE}: no table with a column "may include"')
    return rows


def find_sources(root):
    """Paths from the root, sorted."""
    found = []
    for top in TOPS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            found += [os.path.relpath(os.path.join(folder, n), root) for n in names if n.endswith(SUFFIXES)]
    return sorted(found)


def row_of(path, rows):
    """The row of a file: one for the file itself comes before that for its folder. None if there is neither."""
    for row in rows.values():
        if "*" in row.name and fnmatch.fnmatch(path, row.name):
            return row
    return rows.get(os.path.dirname(path))


def ends_with(path, name):
    return path == name or path.endswith("/" + name)


def resolve(row, rows, sources, faults):
    """Sets what a row may include from the words in its cell."""
    below = [r for r in rows.values() if r.rank < row.rank]
    if row.may == "nothing":
        return
    if row.may == "all above":
        row.rows = {r.name for r in below}
        return
    for word in (w.strip() for w in row.may.split(",")):
        matches = [r for r in rows.values() if ends_with(r.name.removesuffix(".*"), word)]
        exact = [r for r in matches if r.name == word]
        files = [s for s in sources if s.endswith(".h") and ends_with(s, word)]
        matches = exact or matches
        if len(matches) + len(files) != 1:
            what = " and ".join([r.name for r in matches] + files) or "no row and no header"
            faults.append(f'{row.at}: {row.name} may include "{word}", which is {what} (name one)')
            continue
        target = matches[0] if matches else row_of(files[0], rows)
        if target is not None and target.rank >= row.rank:
            faults.append(f"{row.at}: {row.name} may include {word}, whose row is not above it")
        elif matches:
            row.rows.add(target.name)
        else:
            row.files.add(files[0])


def resolve_include(root, source, name, made):
    """The included path from the root; None for a library's header or one that the Makefile makes."""
    beside = os.path.normpath(os.path.join(os.path.dirname(source), name))
    for path in (beside, os.path.normpath(name)):
        if os.path.isfile(os.path.join(root, path)):
            return path
    if name in made:
        return None
    return name if name.startswith(tuple(t + "/" for t in TOPS)) else None


def find_cycle(arrows):
    """Rows that include each other in a circle, the first again at the end; [] when there are none."""
    done, path = set(), []

    def visit(row):
        if row in path:
            return path[path.index(row):] + [row]
        if row in done:
            return []
        path.append(row)
        for target in sorted(arrows.get(row, ())):
            cycle = visit(target)
            if cycle:
                return cycle
        path.pop()
        done.add(row)
        return []

    for row in sorted(arrows):
        cycle = visit(row)
        if cycle:
            return cycle
    return []


def check(root):
    """Faults, the number of includes read, the arrows between rows {row: {row: first place}}, those upward."""
    faults = []
    rows = read_table(root, faults)
    sources = find_sources(root)
    for row in rows.values():
        resolve(row, rows, sources, faults)
    try:
        with open(os.path.join(root, "Makefile"), encoding="utf-8") as file:
            made = set(re.findall(r"^\$\(B\)/(\S+\.h):", file.read(), re.MULTILINE))
    except FileNotFoundError:
        made = set()

    includes, upward, arrows, homeless = 0, 0, {}, set()
    for source in sources:
        row = row_of(source, rows)
        if row is None:
            folder = os.path.dirname(source)
            if folder not in homeless:
                faults.append(f"{source}:1: {folder} has no row in the table of {TABLE}")
            homeless.add(folder)
            continue
        row.used = True
        with open(os.path.join(root, source), encoding="utf-8") as file:
            lines = list(enumerate(file, 1))
        for number, line in lines:
            match = INCLUDE.match(line)
            path = resolve_include(root, source, match[1], made) if match else None
            if path is None:
                continue
            includes += 1
            at = f"{source}:{number}"
            target = row_of(path, rows)
            if target is row:
                continue
            if target is not None:
                arrows.setdefault(row.name, {}).setdefault(target.name, at)
                upward += target.rank > row.rank
            if target is None or (target.name not in row.rows and path not in row.files):
                faults.append(f'{at}: includes "{path}" ({row.name} may include: {row.allowed()})')
    for row in rows.values():
        if not row.used:
            faults.append(f"{row.at}: no source is in {row.name}: its row is out of date")
    cycle = find_cycle(arrows)
    if cycle:
        steps = ", ".join(f"{a} -> {b} ({arrows[a][b]})" for a, b in zip(cycle, cycle[1:]))
        faults.append(f"{TABLE}: these include each other in a circle: {steps}")
    return faults, includes, arrows, upward


def main(arguments):
    verbose = "-v" in arguments
    roots = [a for a in arguments if a != "-v"]
    if len(roots) > 1:
        sys.exit("usage: includes.py [-v] [ROOT]")
    root = roots[0] if roots else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    faults, includes, arrows, upward = check(root)
    for fault in faults:
        print(fault, file=sys.stderr)
    if verbose:
        print(f"{includes} includes of ours, {sum(map(len, arrows.values()))} arrows between folders, {upward} upward")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
