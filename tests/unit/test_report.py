"""The report: one page that needs nothing else, and shows what responders said as text."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="the report is drawn with matplotlib")

from client import charts
from client.compare import money
from client.report import page
from tests.unit.comparisons import HOSTILE, answer, comparison, silence

ALL = {"map": [150.0, 250.0, 900.0], "parallel": [140.0, 240.0, 300.0], "sns": [100.0, 110.0, 120.0]}


class _Page(HTMLParser):
    """What a browser would find: elements, what they load, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def hostile() -> str:
    answers = [
        answer("avis", 40, details={HOSTILE: HOSTILE}, amount=HOSTILE),
        answer(HOSTILE, 90),
        answer("_hidden$x_1$", 60, "DECLINED", error={"type": HOSTILE, "message": HOSTILE}),
    ]
    return page(comparison(ALL, answers=answers))


def test_what_a_responder_said_is_text(hostile):
    found = _Page(hostile)

    assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert found.text.count("<script>alert(1)</script>") >= 4


def test_nothing_is_loaded_from_anywhere(hostile):
    found = _Page(hostile)

    loaded = [value for name, value in found.attributes if name in ("src", "href", "xlink:href", "data", "action")]
    assert all(value.startswith("#") for value in loaded)
    assert not re.search(r"url\((?!#)|@import", hostile)
    assert "default-src 'none'" in hostile


def test_the_drawings_are_whole_and_share_no_ids(hostile):
    drawings = re.findall(r"<svg.*?</svg>", hostile, re.DOTALL)

    assert len(drawings) == 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    ids = re.findall(r'\bid="([^"]+)"', hostile)
    assert len(ids) == len(set(ids))
    for drawing in drawings:
        own = set(re.findall(r'\bid="([^"]+)"', drawing))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', drawing)) <= own


def test_the_page_says_what_matters():
    compared = comparison(ALL, on_aws=False)
    text = _Page(page(compared)).text

    assert f"Recommended: {compared.recommendation.label}" in text
    assert "measured on the emulator, whose latencies are not those of AWS" in text
    for carrier in compared.carriers:
        assert carrier.label in text
    assert "https://aws.amazon.com/step-functions/pricing/" in text


def test_a_hundred_responders_and_more_requests_than_fit_still_make_a_page():
    answers = [answer(f"responder-{number}", number + 1) for number in range(100)]

    html = page(comparison({"sns": [200.0] * (charts.MOST_TIMELINES + 5)}, answers=answers))

    assert len(html) < 2_000_000
    assert f"At most {charts.MOST_TIMELINES} requests are drawn" in html


def test_a_request_that_nobody_answered_can_be_shown():
    text = _Page(page(comparison({"map": [100.0]}, answers=[silence("avis")]))).text

    assert "nobody itself: 0 ms" in text
    assert "timed out" in text


def test_a_page_about_requests_that_may_close_early_says_so():
    text = _Page(page(comparison(ALL, asked=5, early=True))).text

    assert "They may close before all have answered: 3 of 5 answers are late" in text
    assert "The answers can be read as they come." in text
    assert "map EXPRESS" in text


def test_the_page_says_what_a_month_costs():
    compared = comparison(ALL)
    text = _Page(page(compared)).text

    assert "requests a month1,000100,00010,000,000" in text
    assert f"sns{''.join(money(month['sns']) for month in compared.months().values())}" in text
