"""The page as a parser sees it. What it looks like is tested in tests/browser."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from shardwright.core.report_html import report_html
from shardwright.testing import sample_reports as samples

VOID = {"meta", "link", "br", "col"}


class Reader(HTMLParser):
    """Collects elements, attributes and text, and checks that elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.stack[-1] if self.stack else "", data))


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.stack == []
    return reader


PAGES = {
    "healthy": (samples.healthy(), samples.run()),
    "broken": (samples.broken(), samples.broken_run()),
    "failed": (None, samples.failed_run()),
    "large": (samples.large(), samples.run()),
}


@pytest.mark.parametrize("name", PAGES)
def test_it_is_one_page_that_asks_for_nothing(name: str) -> None:
    reader = read(report_html(*PAGES[name]))
    for tag, attributes in reader.elements:
        assert tag not in {"img", "iframe", "object", "embed", "base", "form"}
        assert not attributes.get("src")
        assert not any(key.startswith("on") for key in attributes)
        if "href" in attributes:
            assert attributes["href"] == "data:,"
    styles = "".join(text for tag, text in reader.texts if tag == "style")
    assert "@import" not in styles
    assert set(re.findall(r"url\(([^)]*)\)", styles)) == set()


@pytest.mark.parametrize("name", PAGES)
def test_its_only_script_is_the_one_that_its_policy_allows(name: str) -> None:
    reader = read(report_html(*PAGES[name]))
    (script,) = [text for tag, text in reader.texts if tag == "script"]
    (policy,) = [a["content"] for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    page = report_html(samples.broken(), samples.broken_run())
    assert "<script>alert" not in page
    assert "{{ 7*7 }}" in page
    assert not re.search("[\x00-\x08\x0b-\x1f]", page)
    texts = " ".join(text for _, text in read(page).texts)
    assert "<script>alert('x')</script>\ufffd[31m&\ufffd\"{{ 7*7 }}" in texts


def test_every_id_is_unique_and_every_reference_to_one_exists() -> None:
    page = report_html(samples.broken(), samples.broken_run())
    reader = read(page)
    ids = [a["id"] for _, a in reader.elements if "id" in a]
    assert len(ids) == len(set(ids))
    named = [ref for _, a in reader.elements for ref in (a.get("aria-labelledby") or "").split()]
    named += re.findall(r'fill="url\(#([a-z]+)\)"', page)
    assert named
    assert set(named) <= set(ids)


def test_what_the_map_draws_is_also_said_in_words() -> None:
    reader = read(report_html(samples.broken(), samples.broken_run()))
    (said,) = [text for tag, text in reader.texts if tag == "desc"]
    assert said.startswith("No owner: 6000, 7000-7001, 12000-12999. More than one owner: 100.")
    titles = [text for tag, text in reader.texts if tag == "title"]
    assert "No owner: 1,003 slots, 6000, 7000-7001, 12000-12999" in titles


def test_findings_come_with_code_subject_and_hint() -> None:
    texts = [text for _, text in read(report_html(samples.broken(), samples.broken_run())).texts]
    for wanted in ("slots-uncovered", "run shardwright plan".join((" ", "")), "no primary", "link down", "Not proved"):
        assert any(wanted == t or wanted in t for t in texts), wanted
