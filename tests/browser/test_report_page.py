"""The report as Chromium draws it: colours at the places of known slots, light and dark, on a phone and on a screen."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shardwright.core.report_html import report_html
from shardwright.testing import sample_reports as samples

pytestmark = pytest.mark.browser
pytest.importorskip("PIL", reason="Pillow reads the screenshots")

SIDE = 128
PAGES = {
    "healthy": (samples.healthy(), samples.run()),
    "broken": (samples.broken(), samples.broken_run()),
    "failed": (None, samples.failed_run()),
    "large": (samples.large(), samples.run()),
}
VIEWS = [(390, False), (390, True), (1280, False), (1280, True)]
Colour = tuple[int, int, int]

PLACE = """(() => {
  const box = document.querySelector('#cells rect').getBoundingClientRect();
  return {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height};
})()"""
CONTRASTS = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const lum = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('main *')) {
    if (e.closest('svg') || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [lum(parse(getComputedStyle(e).color)), lum(ground(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 40)]);
  }
  return found;
})()"""


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Callable[..., Any]:
    def opened(name: str, width: int, dark: bool) -> Any:
        path = tmp_path / f"{name}.html"
        path.write_text(report_html(*PAGES[name]), encoding="utf-8")
        return browser.open(path, width=width, dark=dark)

    return opened


def near(a: Colour, b: Colour, most: int = 12) -> bool:
    return all(abs(x - y) <= most for x, y in zip(a, b, strict=True))


def colour(page: Any, variable: str) -> Colour:
    """The colour that the page gives a variable, as the browser resolves it."""
    text = page.evaluate(
        f"(() => {{ const e = document.createElement('i'); e.style.color = 'var({variable})'; document.body.append(e);"
        "const c = getComputedStyle(e).color; e.remove(); return c; })()"
    )
    red, green, blue = (int(n) for n in re.findall(r"\d+", text)[:3])
    return red, green, blue


def luminance(rgb: Colour) -> float:
    """WCAG's relative luminance."""
    parts = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


class Drawn:
    """The slot map in a screenshot."""

    def __init__(self, page: Any) -> None:
        self.image = page.screenshot()
        place = page.evaluate(PLACE)
        self.x, self.y, self.cell = place["x"], place["y"], place["width"] / SIDE
        assert abs(place["width"] - place["height"]) < 1

    def at(self, slot: int) -> Colour:
        row, column = divmod(slot, SIDE)
        pixel = (int(self.x + (column + 0.5) * self.cell), int(self.y + (row + 0.5) * self.cell))
        return self.image.getpixel(pixel)

    def around(self, slot: int, reach: float) -> list[Colour]:
        """The pixels within `reach` cells of the slot."""
        row, column = divmod(slot, SIDE)
        x, y, r = self.x + (column + 0.5) * self.cell, self.y + (row + 0.5) * self.cell, reach * self.cell
        left, top = max(int(x - r), 0), max(int(y - r), 0)
        return [self.image.getpixel((a, b)) for a in range(left, int(x + r) + 1) for b in range(top, int(y + r) + 1)]


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_each_slot_has_the_colour_of_its_shard(show: Callable[..., Any], width: int, dark: bool) -> None:
    page = show("healthy", width, dark)
    drawn = Drawn(page)
    hues = [colour(page, f"--h{n}") for n in range(3)]
    assert len(set(hues)) == 3
    ranges = ((0, 5460), (5461, 10922), (10923, 16383))
    for shard, (first, last) in enumerate(ranges):
        # Not on the border between shards, nor under the label in the middle of a shard.
        for slot in (first + 3 * SIDE, first + (last - first) // 4, last - 3 * SIDE, last - 5 * SIDE - 40):
            assert near(drawn.at(slot), hues[shard]), (shard, slot)
    hole = colour(page, "--hole")
    everywhere = {drawn.at(slot) for slot in range(0, 16384, 7)}
    assert not any(near(c, hole) for c in everywhere)


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_holes_are_seen_even_a_single_slot(show: Callable[..., Any], width: int, dark: bool) -> None:
    page = show("broken", width, dark)
    drawn = Drawn(page)
    hole = colour(page, "--hole")
    big = [drawn.at(slot) for slot in range(12_128, 12_928, 3)]
    red = sum(near(c, hole, 40) for c in big)
    assert red > len(big) * 0.4
    assert red < len(big), "a large hole is hatched, so that it is not told by colour alone"
    for slot in (6000, 7000, 7001, 100):
        red = sum(near(c, hole, 40) for c in drawn.around(slot, 3.5))
        assert red >= 25, f"slot {slot}: {red} red pixels"
    shard = colour(page, "--h1")
    assert near(drawn.at(6000 + 6 * SIDE), shard)
    assert not any(near(c, hole) for c in drawn.around(9000, 3.5))
    # The mark at the end of the hole's row.
    row = 6000 // SIDE
    x, y = drawn.x + drawn.cell * 131, drawn.y + drawn.cell * (row + 0.5)
    assert near(drawn.image.getpixel((int(x), int(y))), hole)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_lies_outside_of_the_window(show: Callable[..., Any], name: str, width: int) -> None:
    page = show(name, width, False)
    assert page.evaluate("innerWidth") == width
    assert page.evaluate("document.scrollingElement.scrollWidth") == width
    wide = "[...document.querySelectorAll('main *:not(.sr)')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    assert page.evaluate(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("dark", [False, True])
def test_light_is_light_dark_is_dark_and_text_has_contrast(show: Callable[..., Any], name: str, dark: bool) -> None:
    page = show(name, 1280, dark)
    image = page.screenshot()
    ground = image.getpixel((5, 5))
    assert max(ground) < 40 if dark else min(ground) > 230
    mean = image.convert("L").resize((1, 1)).getpixel((0, 0))
    assert mean < 90 if dark else mean > 165
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert [c for c in contrasts if c[0] < 4.5] == []


@pytest.mark.parametrize("dark", [False, True])
def test_names_on_the_map_and_the_map_on_its_ground_have_contrast(show: Callable[..., Any], dark: bool) -> None:
    page = show("healthy", 1280, dark)
    ink, ground = luminance(colour(page, "--map-ink")), luminance(colour(page, "--card"))
    for number in range(8):
        hue = luminance(colour(page, f"--h{number}"))
        for other, wanted in ((ink, 4.5), (ground, 3.0)):
            assert (max(hue, other) + 0.05) / (min(hue, other) + 0.05) >= wanted, number


@pytest.mark.parametrize("name", PAGES)
def test_it_asks_for_nothing_and_reports_no_error(show: Callable[..., Any], name: str) -> None:
    page = show(name, 1280, False)
    asked = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert page.events("Log.entryAdded") == []
    assert page.events("Runtime.exceptionThrown") == []
    assert page.evaluate("document.title").startswith("cache: ")


def test_it_prints_with_the_folded_parts_open(show: Callable[..., Any]) -> None:
    page = show("healthy", 1280, False)
    assert page.evaluate("document.querySelectorAll('details[open]').length") == 0
    data = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    assert data.startswith(b"%PDF")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0


def test_a_screen_reader_gets_the_map_in_words(show: Callable[..., Any]) -> None:
    page = show("broken", 1280, False)
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    (image,) = [n for n in nodes if n.get("role", {}).get("value") in ("image", "img") and n["name"]["value"]]
    assert image["name"]["value"].startswith("Owners of the 16,384 hash slots No owner: 6000, 7000-7001, 12000-12999.")
