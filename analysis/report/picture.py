#!/usr/bin/python3
"""A picture of a report: its summary, the curves, and a trial with its rejected drafts, as a headless Chromium shows them.

    picture.py REPORT.html OUT.png

Needs Chromium and Pillow (make deps-browser).
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

from PIL import Image, ImageChops

WIDTH, TALLEST = 1180, 4000
SECTIONS = ("summary", "against", "trials")
STYLE = "<style>nav, .skip, #theme, .licence, main > section {display: none} .controls {display: none !important} %s {display: block !important}" \
        " h2 {margin-top: 1rem} body {padding-bottom: 1rem}</style>"
# The record whose text was copied from the most places, and the step that copied most.
SCRIPT = """<script>(() => {
  const wait = () => {
    if (!document.documentElement.dataset.ready) return setTimeout(wait, 20);
    const record = [...document.querySelectorAll("#trials ~ .controls label")].find(l => l.textContent.startsWith("Record")).querySelector("select");
    let best = 0, at = record.value;
    for (const o of [...record.options]) {
      record.value = o.value; record.dispatchEvent(new Event("change"));
      const n = document.querySelectorAll(".output .copied").length;
      if (n > best && document.querySelector(".output").textContent.length < 700) { best = n; at = o.value; }
    }
    record.value = at; record.dispatchEvent(new Event("change"));
    document.querySelector("#rejected")?.click();
    const steps = [...document.querySelectorAll(".output .step")];
    const copied = s => s.querySelector(".copied")?.textContent.length || 0;
    steps.reduce((a, b) => copied(b) > copied(a) ? b : a).click();
    document.activeElement.blur();
    scrollTo(0, 0);
  };
  wait();
})()</script>"""


def shoot(page, out):
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("picture.py: no chromium (make deps-browser)")
    subprocess.run([chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-prefers-reduced-motion",
                    f"--window-size={WIDTH},{TALLEST}", "--virtual-time-budget=20000", f"--screenshot={out}", f"file://{page}"],
                   check=True, stderr=subprocess.DEVNULL, timeout=300)


def main(report, out):
    text = pathlib.Path(report).read_text(encoding="utf-8")
    shown = ", ".join(f"section[aria-labelledby={s}]" for s in SECTIONS)
    with tempfile.TemporaryDirectory() as folder:
        page, shot = pathlib.Path(folder, "page.html"), pathlib.Path(folder, "page.png")
        page.write_text(text.replace("</body>", STYLE % shown + SCRIPT + "</body>"), encoding="utf-8")
        shoot(page, shot)
        image = Image.open(shot).convert("RGB")
    box = ImageChops.difference(image, Image.new("RGB", image.size, "white")).getbbox()
    if box is None:
        sys.exit(f"picture.py: {report}: the page is empty")
    image.crop((0, 0, image.width, min(image.height, box[3] + 16))).quantize(160).save(out, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip().splitlines()[2].strip())
    main(*sys.argv[1:])
