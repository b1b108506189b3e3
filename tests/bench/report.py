"""What a report costs: time and memory to build it, its size, and how soon a browser has painted it.

    python3 tests/bench/report.py [STEPS] [-r ROUNDS]          # a million steps, 5 rounds

Replays llma at 20 settings, with as many repeats as it takes to have STEPS steps, and writes the report. Times are medians
over the rounds; the browser is a headless Chromium on this machine (make deps-browser), and a round of it opens the page anew.
"""
import argparse
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HARNESS = os.environ.get("HARNESS", str(ROOT / "harness"))
sys.path.insert(0, str(ROOT / "tests" / "integration"))
CONFIG = """[sweep]
name = report
output = {folder}
repeats = {repeats}
[model bytes]
target = replay
tokenizer = bytes
[dataset scenarios]
path = {root}/datasets/samples/scenarios.jsonl
forced = yes
max_new_tokens = 4096
[policy llma]
n = 1, 2, 3, 4
k = 4, 8, 16, 32, 64
[accept greedy]
"""


def sweep(folder, repeats):
    (folder / "report.ini").write_text(CONFIG.format(folder=folder, root=ROOT, repeats=repeats))
    done = subprocess.run([HARNESS, "sweep", "-q", folder / "report.ini"], check=True, capture_output=True, text=True)
    return int(done.stderr.rsplit(" steps in ", 1)[0].rsplit(" ", 1)[1])


def build(folder):
    """Seconds, and the most megabytes in memory."""
    begun = time.monotonic()
    child = subprocess.Popen([HARNESS, "report", folder / "report.h5", "-o", folder / "report.html"])
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit("report.py: harness report failed")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def first_paint(folder):
    """Milliseconds until something of the page is there; None without a browser."""
    import browser
    if not browser.available():
        return None
    with browser.page() as page:
        page.open(folder / "report.html")
        first, = page.js("return performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)")
        return first


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("steps", nargs="?", type=float, default=1e6)
    parser.add_argument("-r", "--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        once = sweep(folder, 1)
        steps = sweep(folder, math.ceil(args.steps / once))
        built = [build(folder) for _ in range(args.rounds)]
        painted = [first_paint(folder) for _ in range(args.rounds)]
        seconds, megabytes = (statistics.median(column) for column in zip(*built))
        print(f"{steps} steps: built in {seconds:.2f} s with {megabytes:.0f} MB, "
              f"{(folder / 'report.html').stat().st_size / 1e6:.2f} MB")
        if None not in painted:
            print(f"first paint after {statistics.median(painted):.0f} ms")


if __name__ == "__main__":
    main()
