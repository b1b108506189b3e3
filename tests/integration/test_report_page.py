"""The report's page in a browser: what it draws, how it is used, and that it needs no network."""
import json

import pytest

import browser
from program import harness
from sweeps import run
from test_report import HOSTILE, INI, RECORDS, data_of, write_jsonl

pytestmark = pytest.mark.skipif(not browser.available(), reason="no chromium or chromedriver (make deps-browser)")

LEFT, UP, RIGHT, DOWN, PAGE_DOWN, END, TAB = "\ue012", "\ue013", "\ue014", "\ue015", "\ue00f", "\ue010", "\ue004"
STEP = ".step[aria-selected='true']"

COST = "[cost]\nmodel = a machine\n[T 0]\n1 = 100 90 110\n2 = 110\n4 = 130\n8 = 200\n16 = 400\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A report of a replay sweep with a cost file, on hostile records, in two groups."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "data").mkdir()
    write_jsonl(folder / "data" / "demo.jsonl", RECORDS)
    (folder / "t.cost").write_text(COST)
    (folder / "told.ini").write_text(INI.replace("tokenizer = bytes\n", "tokenizer = bytes\ncost = t.cost\nthreads = 1, 2\n"))
    run("sweep", "-q", folder / "told.ini")
    harness("report", folder / "results" / "told.h5", "-o", folder / "page.html")
    return folder / "page.html"


@pytest.fixture(scope="module")
def chromium():
    with browser.page() as shown:
        yield shown


@pytest.fixture
def page(chromium, path):
    chromium.resize(1280)
    chromium.media()
    chromium.errors(), chromium.requests()
    chromium.open(path)
    yield chromium
    assert chromium.errors() == []


def test_draws_without_errors_or_requests(page, path):
    assert {"summary", "grid", "against", "positions", "sources", "scenarios", "trials"} <= set(
        page.js("return [...document.querySelectorAll('h2')].map(h => h.id)"))
    assert page.js("return document.querySelectorAll('figure svg path').length") > 10
    assert page.js("return document.querySelectorAll('.heat td').length") > 4
    asked = page.requests()
    assert asked and all(url.startswith(("file://", "data:")) for url in asked), asked
    assert page.js("return window.alerted || document.querySelectorAll('main script, main img, main i, main b').length") == 0


def test_first_paint_does_not_wait_for_the_pictures(page):
    """Order, not time: the page is painted before the pictures are drawn."""
    at = page.js("""return Object.fromEntries([...performance.getEntriesByType('paint'), ...performance.getEntriesByType('mark')]
        .map(p => [p.name, p.startTime]))""")
    assert at["first-contentful-paint"] < at["pictures"] and at["summary"] < at["pictures"]


def test_every_picture_says_what_it_is_of(page):
    captions = page.js("return [...document.querySelectorAll('figcaption')].map(c => c.textContent)")
    assert len(captions) >= 8
    for caption in captions:
        for word in ("model bytes", "data demo", "rule greedy", "temperature 0", "threads "):
            assert word in caption, caption


def test_table_sorts_and_filters(page):
    rows = "return [...document.querySelectorAll('.summary tbody tr')].map(r => r.cells[2].textContent)"
    everything = page.js(rows)
    page.js("[...document.querySelectorAll('.summary thead button')].find(b => b.textContent.startsWith('tokens per step')).click()")
    values = page.js("return [...document.querySelectorAll('.summary tbody tr')].map(r => [...r.cells].map(c => c.textContent).join(' '))")
    assert len(values) == len(everything)
    assert page.js("return document.querySelector('.summary thead [aria-sort]').getAttribute('aria-sort')") == "descending"
    assert "oracle" in values[0] and "none" in values[-1]
    page.js("const i = document.querySelector('input[type=search]'); i.value = 'llma n=2'; i.dispatchEvent(new Event('input'))")
    assert len(page.js(rows)) == 4
    page.js("const i = document.querySelector('input[type=search]'); i.value = 'nothing of this'; i.dispatchEvent(new Event('input'))")
    assert page.js(rows) == []


def test_ticks_decide_what_is_drawn(page):
    legend = "return document.querySelector('#positions').parentNode.querySelectorAll('.legend li').length"
    assert page.js(legend) > 0
    page.js("[...document.querySelectorAll('button')].find(b => b.textContent === 'Untick all').click()")
    assert page.js(legend) == 0
    page.js("[...document.querySelectorAll('.summary tbody tr')].find(r => r.textContent.includes('pld')).querySelector('input').click()")
    assert page.js(legend) > 0


def test_costs_give_a_curve_and_an_expectation(page):
    against = page.js("return document.querySelector('#against').parentNode.textContent")
    assert "t.cost, context 0" in against and "expected" in against
    assert "modeled speed-up against k" in against


def test_expectation_is_what_shorter_drafts_give(page):
    """From the cell with k = 8 to the cell with k = 4: a copy that is cut goes on in the next step."""
    page.js("[...document.querySelectorAll('.summary tbody tr')].filter(r => r.textContent.includes('llma')).forEach(r => { const i = r.querySelector('input'); if (!i.checked) i.click() })")
    page.js("""const s = [...document.querySelector('#against').parentNode.querySelectorAll('select')][0];
        s.value = 'modeled_total'; s.dispatchEvent(new Event('change'))""")
    rows = page.js("""return [...document.querySelector('#against').parentNode.querySelector('figure').querySelectorAll('table tbody tr')]
        .map(r => [...r.cells].map(c => c.textContent))""")
    value = {(row[0], row[1]): float(row[2].rstrip("×")) for row in rows}
    for n in (1, 2):
        assert value[f"llma n={n}, expected", "4"] == pytest.approx(value[f"llma n={n}", "4"], rel=0.08)
        assert value[f"llma n={n}, expected", "8"] == pytest.approx(value[f"llma n={n}", "8"], rel=0.08)


def test_arrow_keys_move_over_steps_and_records(page):
    page.js("document.querySelector('.step[tabindex=\"0\"]').focus()")
    page.keys(RIGHT)
    assert page.js(f"return document.activeElement === document.querySelector(\"{STEP}\")")
    assert page.text(".detail h3") == "Step 1"
    page.keys(RIGHT, RIGHT, LEFT)
    assert page.text(".detail h3") == "Step 2"
    page.keys(END)
    last = page.js("return document.querySelectorAll('.step').length - 1")
    assert page.text(".detail h3") == f"Step {last}"
    record = "return [...document.querySelectorAll('#trials ~ .controls label')].find(l => l.textContent.startsWith('Record')).querySelector('select').value"
    before = page.js(record)
    page.keys(DOWN)
    assert page.js(record) != before and page.js("return document.activeElement.className") == "step"
    page.keys(UP)
    assert page.js(record) == before
    policy = record.replace("'Record'", "'Policy'")
    before = page.js(policy)
    page.keys(PAGE_DOWN)
    assert page.js(policy) != before


def test_focus_can_be_seen_everywhere(page):
    seen = set()
    page.js("document.activeElement.blur(); scrollTo(0, 0)")
    for _ in range(40):
        page.keys(TAB)
        style = page.js("""const s = getComputedStyle(document.activeElement);
            return [document.activeElement.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]""")
        assert style[1] == "solid" and style[2] >= 2, style
        seen.add(style[0])
    assert {"A", "BUTTON", "INPUT", "SELECT"} <= seen


def test_heat_maps_and_charts_follow_the_keys(page):
    page.js("document.querySelector('.heat td[tabindex=\"0\"]').focus()")
    first = page.js("return document.activeElement.textContent")
    assert first in page.text("#tip")
    page.keys(RIGHT)
    assert page.js("return document.activeElement.matches('.heat td') && document.activeElement.cellIndex") == 2
    page.js("document.querySelector('#positions').parentNode.querySelector('figure svg[tabindex]').focus()")
    page.keys(RIGHT)
    assert "position in the draft 1" in page.text("#tip")
    page.keys(RIGHT)
    assert "position in the draft 2" in page.text("#tip")


def select_record(page, name):
    page.js("""const s = [...document.querySelectorAll('#trials ~ .controls label')].find(l => l.textContent.startsWith('Record')).querySelector('select');
        s.value = [...s.options].find(o => o.text.startsWith(arguments[0])).value; s.dispatchEvent(new Event('change'))""", name)


def test_text_of_a_trial_is_the_records_output(page):
    for r in RECORDS:
        select_record(page, r["id"])
        shown = page.js("""const o = document.querySelector('.output').cloneNode(true);
            o.querySelectorAll('.tag, .rejected, .eol, .control, .diverges').forEach(n => n.remove()); return o.textContent""")
        assert shown == r["output"]


def test_rejected_drafts_on_demand(page):
    select_record(page, "fox")
    visible = "return [...document.querySelectorAll('.rejected')].filter(n => n.offsetParent !== null).length"
    assert page.js(visible) == 0
    page.click("#rejected")
    assert page.js(visible) > 0
    assert page.js("return document.querySelector('#rejected').getAttribute('aria-pressed')") == "true"


def test_source_shows_what_was_copied(page):
    select_record(page, "fox")
    page.js("[...document.querySelectorAll('.step')].find(s => s.querySelector('.copied')).click()")
    copied = page.js(f"return document.querySelector(\"{STEP} .copied\").lastChild.textContent")
    assert copied in page.js("return document.querySelector('.detail .source mark:not(.matched)').textContent")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_a_long_id_does_not_widen_the_page(page, path, width):
    page.resize(width)
    page.open(path)
    page.js("document.querySelectorAll('select option').forEach(o => { o.textContent += 'x'.repeat(400); })")
    assert page.js("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 768])
def test_page_fits_narrow_windows(page, path, width):
    page.resize(width)
    page.open(path)
    assert page.js("return document.documentElement.scrollWidth") <= width
    wide = page.js("""return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 &&
        !e.closest('.scroll, .timeline, .source, svg')).map(e => e.outerHTML.slice(0, 80))""")
    assert wide == []


def contrast(page, css):
    """The lowest contrast of text with what is behind it, over the elements that match."""
    return page.js("""
        const rgb = c => c.match(/[\\d.]+/g).map(Number);
        const light = c => { const [r, g, b] = c.slice(0, 3).map(x => (x /= 255) <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
        const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
        let least = 99, what = '';
        for (const e of document.querySelectorAll(arguments[0])) {
            if (!e.offsetParent || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.disabled) continue;
            const a = light(rgb(getComputedStyle(e).color)), b = light(back(e)), c = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (c < least) { least = c; what = e.outerHTML.slice(0, 120); }
        }
        return [least, what];""", css)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(page, path, scheme):
    page.media(prefers_color_scheme=scheme)
    page.open(path)
    page.click("#rejected") if page.js("return !!document.querySelector('#rejected')") else None
    dark = page.js("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    least, what = contrast(page, "body *")
    assert least >= 4.5, what


def test_theme_can_be_chosen(page):
    back = "return getComputedStyle(document.body).backgroundColor"
    page.media(prefers_color_scheme="light")
    while "dark" not in page.text("#theme"):
        page.click("#theme")
    assert page.js(back) != "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.text("#theme") == "Theme: system" and page.js(back) == "rgb(255, 255, 255)"


def test_motion_and_print(page):
    page.media(prefers_reduced_motion="reduce")
    assert page.js("return getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.media(media="print")
    assert page.js("return getComputedStyle(document.querySelector('.controls')).display") == "none"
    page.media()


def test_hostile_names_are_shown_as_they_are(page):
    select_record(page, HOSTILE[:9])
    chosen = page.js("return [...document.querySelectorAll('option:checked')].map(o => o.text)")
    assert any(HOSTILE in text for text in chosen)


def test_a_file_without_cells_has_a_page(path, chromium, tmp_path):
    text = path.read_text()
    data = data_of(text)
    data |= {"cells": [], "trials": [], "samples": [], "passes": [], "vocabularies": [], "costs": [], "scenario_names": [], "groups": 0}
    begin, end = text.index('id="data">') + len('id="data">'), text.index("</script>")
    (tmp_path / "page.html").write_text(text[:begin] + json.dumps(data) + text[end:])
    chromium.errors()
    chromium.open(tmp_path / "page.html")
    assert chromium.errors() == []
    assert "no cells" in chromium.text("main")
