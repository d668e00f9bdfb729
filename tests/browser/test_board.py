"""The quote board in a real browser: over scripted carriers, and once from end to end on the emulator."""

import argparse
import json
import time
import urllib.request
from importlib import resources
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Keys

from client import Stack, board
from client.api_url import api_url
from client.errors import UsageError
from tests.browser.scripted_api import PREFIX, Script, declined, failed, quoted
from tests.integration.conftest import deploy

NAMES = ["avis", "alamo", "hertz", "europcar", "sixt"]
MIXED = {
    "avis": (0.3, quoted("2970", ratePerDay="99", days=30)),
    "alamo": (0.6, declined("sold out")),
    "hertz": (0.9, failed("RuntimeError", "out of cars")),
    "europcar": (1.2, quoted("2697.00", ratePerDay="89.90", days=30)),
}
"""One of each kind; sixt stays silent."""

BROWSERS_OWN_ACCOUNT = "000000000000"
"""The account of whoever signs nothing, on the emulator."""


# Send and watch


@pytest.mark.parametrize("prefix", [PREFIX, "", "/stage"])
def test_it_works_wherever_the_api_is(page, serve, prefix):
    script = Script(NAMES, {name: (0.1, quoted("100")) for name in NAMES})
    page.open(serve(script, prefix=prefix))

    page.send()
    page.until_closed()

    assert {path.split(" ")[1].removeprefix(prefix).rsplit("/", 1)[0] for path in script.paths[1:]} == {"", "/map", "/requests"}


def test_answers_come_in_one_by_one_and_the_best_is_shown(page, serve):
    script = Script(NAMES, {**MIXED, "sixt": (2.5, quoted("3960"))}, age=0.3)
    page.open(serve(script))
    page.ready()
    assert json.loads(page.value("body"))["recipients"] == NAMES
    assert [label.text for label in page.driver.find_elements("css selector", "#carriers label")] == [
        "map\nStep Functions Map",
        "parallel\nStep Functions Parallel",
        "sns\nSNS and SQS",
    ]

    page.driver.find_element("css selector", "input[value=sns]").click()
    page.send()
    page.until(lambda: page.rows()["avis"].startswith("Quoted"))
    assert "Waiting" in page.rows()["sixt"]
    assert page.text("status") == "Open"
    assert page.text("best-title") == "Best so far"
    script.age = 1.2
    page.until(lambda: "europcar" in page.text("best-text"))
    page.picture("desktop-light-open")
    script.age = 2.5
    page.until_closed()

    assert page.text("status") == "Partial"
    assert "all had answered" in page.text("clock")
    assert (page.text("best-title"), page.text("best-text")) == ("Best", "europcar · 2697.00 USD")
    rows = page.rows()
    assert rows["avis"].startswith("Quoted after 0.3 s\nratePerDay: 99, days: 30 | 2970 USD")
    assert rows["alamo"].startswith("Declined after 0.6 s\nsold out")
    assert rows["hertz"].startswith("Failed after 0.9 s\nRuntimeError: out of cars")
    assert page.counts() == {"Quoted": 3, "Declined": 1, "Failed": 1, "Timed out": 0, "Not needed": 0, "Late": 0, "Not begun": 0}
    assert page.text("news") == "Partial: 5 of 5 answered. Best: europcar, 2697.00 USD."
    assert page.driver.title == "Partial · Quote board"
    assert page.text("problem") == ""
    [(_, _, variant)] = script.asked.values()
    assert variant == "sns"


def test_a_quorum_leaves_some_not_needed_and_some_late(page, serve):
    script = Script(
        NAMES,
        {"avis": (0.1, quoted("120")), "alamo": (0.2, quoted("100")), "hertz": (5, quoted("90.50")), "europcar": (6, declined("sold out"))},
        quorum=2,
        spared=["sixt"],
        age=1,
    )
    page.open(serve(script))
    page.send()
    page.until_closed()

    assert "because enough had quoted" in page.text("clock")
    assert {name: page.rows()[name] for name in ("hertz", "sixt")} == {"hertz": "Not needed | ", "sixt": "Not needed | "}
    assert page.counts()["Not needed"] == 3

    script.age = 10
    page.until(lambda: page.counts()["Late"] == 2)
    assert {name: page.rows()[name] for name in ("hertz", "europcar", "sixt")} == {
        "hertz": "Late, quoted after 5.0 s | 90.50 USD",
        "europcar": "Late, declined after 6.0 s\nsold out | ",
        "sixt": "Not needed | ",
    }
    assert (page.counts()["Not needed"], page.counts()["Not begun"]) == (1, 1)
    assert "alamo" in page.text("best-text")
    page.picture("quorum")


def test_the_deadline_counts_down_and_late_answers_are_told(page, serve):
    script = Script(NAMES, {**MIXED, "sixt": (100, quoted("1"))}, deadline_seconds=4)
    page.open(serve(script))
    page.ready()
    page.run(
        "window.told = []; new MutationObserver(() => told.push(document.getElementById('clock').textContent))"
        ".observe(document.getElementById('clock'), {childList: true, characterData: true, subtree: true})"
    )

    page.send()
    page.until_closed()
    left = [int(text.split()[-2]) for text in page.run("return told") if text.startswith("deadline in")]

    # A busy machine may pass over a second, but not over all.
    assert len(set(left)) >= 2
    assert left == sorted(left, reverse=True)

    assert page.text("status") == "Partial"
    assert "the deadline had passed" in page.text("clock")
    assert page.rows()["sixt"].startswith("Timed out")
    assert page.counts() == {"Quoted": 2, "Declined": 1, "Failed": 1, "Timed out": 1, "Not needed": 0, "Late": 0, "Not begun": 0}
    script.age = 100
    page.until(lambda: page.counts()["Late"] == 1)
    assert "europcar" in page.text("best-text")
    assert page.text("news").endswith("1 came late and does not count.")
    assert page.rows()["sixt"] == "Late, quoted after 100 s | 1 USD"
    page.picture("desktop-light-closed")
    page.open(page.driver.current_url, dark=True)
    page.until_closed()
    page.picture("desktop-dark-closed")


def test_nobody_quotes(page, serve):
    page.open(serve(Script(NAMES, {}, deadline_seconds=1)))

    page.send()
    page.until_closed()

    assert page.text("status") == "Failed"
    assert not page.element("best").is_displayed()
    assert page.text("news") == "Failed: 0 of 5 answered. There is no quote."


def test_a_new_request_takes_the_place_of_the_one_that_is_watched(page, serve):
    script = Script(NAMES, {"avis": (0.1, quoted("1"))})
    page.open(serve(script))

    page.send()
    page.until(lambda: page.rows()["avis"].startswith("Quoted"))
    page.send('{"recipients": ["avis"], "data": {}}')
    page.until_closed()

    assert list(page.rows()) == ["avis"]
    assert len(script.asked) == 2


def test_numbers_are_sent_as_they_were_typed(page, serve):
    script = Script(["avis"], {"avis": (0, quoted("1"))})
    page.open(serve(script))

    page.send('{"data": {"price": 1234567890.10}}')
    page.until_closed()
    page.send(" {} ")
    page.until(lambda: "(400)" in page.text("problem"))

    assert script.bodies[0].endswith(', "data": {"price": 1234567890.10}}')
    assert list(json.loads(script.bodies[1])) == ["requestId"]


# Who answered when


def bars(page: Any) -> list[dict[str, Any]]:
    """From the top: name, what is said, and where the bar ends and the lines are, as shares of the track."""
    return page.run("""
        const share = (track, x) => (x - track.left) / track.width;
        return Array.from(document.querySelectorAll('#bars li'), row => {
          const [name, track, said] = row.children, box = track.getBoundingClientRect();
          const line = which => {
            const style = getComputedStyle(track, which);
            return style.content === 'none' ? null : (parseFloat(style.left) + 1) / box.width;
          };
          return {name: name.textContent, said: said.textContent, status: row.dataset.status,
                  end: share(box, track.firstChild.getBoundingClientRect().right), closed: line('::before'), deadline: line('::after')};
        });
    """)


@pytest.mark.parametrize("width", [360, 1280])
def test_bars_show_who_answered_when_and_late_answers_end_behind_the_close(page, serve, width):
    script = Script(
        NAMES,
        {"avis": (2, quoted("120")), "alamo": (1, quoted("100")), "hertz": (4, quoted("90.50")), "europcar": (8, failed("Boom", "out"))},
        quorum=2,
        deadline_seconds=10,
        age=9,
    )
    page.open(serve(script), width=width)
    page.send()
    page.until_closed()

    found = bars(page)
    assert [(bar["name"], bar["said"]) for bar in found] == [
        ("alamo", "Quoted, 1,000 ms"),
        ("avis", "Quoted, 2,000 ms"),
        ("hertz", "Late, quoted, 4,000 ms"),
        ("europcar", "Late, failed, 8,000 ms"),
        ("sixt", "Not needed"),
    ]
    assert [round(bar["end"], 1) for bar in found] == [0.1, 0.2, 0.4, 0.8, 0.2]
    assert {(round(bar["closed"], 1), round(bar["deadline"], 1)) for bar in found} == {(0.2, 1.0)}
    assert page.text("lines") == "Solid line: closed after 2.0 s. Dotted line: the deadline, 10 s."
    assert page.run("return document.documentElement.scrollWidth") <= width
    page.picture(f"course-{width}")


def test_bars_of_those_who_have_not_answered_grow_until_now(page, serve):
    script = Script(NAMES, {"avis": (0, quoted("120"))}, deadline_seconds=300)
    page.open(serve(script))
    page.send()
    page.until(lambda: page.rows()["avis"].startswith("Quoted"))

    page.until(lambda: bars(page)[1]["end"] > 0.9)

    assert [(bar["name"], bar["status"], bar["closed"], bar["deadline"]) for bar in bars(page)][:2] == [
        ("avis", "QUOTED", None, None),
        ("alamo", "WAITING", None, None),
    ]
    assert page.text("lines") == "Still open. The deadline, 300 s, is beyond the end."


def test_the_bars_of_many_responders_are_opened_by_who_wants_them(page, serve):
    names = [f"r{number:02d}" for number in range(21)]
    page.open(serve(Script(names, {name: (0, quoted("1")) for name in names})))
    page.send()
    page.until_closed()
    assert not page.element("bars").is_displayed()

    page.element("course-title").click()

    assert len(bars(page)) == 21
    assert page.element("bars").is_displayed()


def test_nested_details_can_be_opened(page, serve):
    page.open(serve(Script(["avis"], {"avis": (0, quoted("1", car={"doors": 5}))})))
    page.send()
    page.until_closed()

    page.driver.find_element("css selector", "#answers summary").click()

    assert '"car": {\n    "doors": 5\n  }' in page.rows()["avis"]


# The last requests


def past(page: Any) -> list[str]:
    return page.run("return Array.from(document.querySelectorAll('#past li'), one => one.innerText)")


def sent(script: Script, count: int) -> None:
    """So many requests, a minute apart, the last of them a minute ago."""
    for number in range(count):
        script.start("map", {"requestId": f"trip-{number:02d}", "data": {}})
        _, request, variant = script.asked[f"trip-{number:02d}"]
        script.asked[f"trip-{number:02d}"] = (time.time() - 60 * (count - number), request, variant)


def test_the_last_requests_are_listed_and_opened_by_an_address(page, serve):
    script = Script(NAMES, MIXED, deadline_seconds=4)
    sent(script, 2)
    url = serve(script)
    page.open(url)

    page.until(lambda: len(past(page)) == 2)
    assert past(page)[0].startswith("trip-01\nPartial · europcar 2697.00 USD\n4 of 5 answered in 4.0 s · map · ")
    page.driver.find_element("link text", "trip-00").click()
    page.until_closed()

    assert page.text("request-id") == "trip-00, carried by map"
    assert page.driver.current_url == f"{url}#trip-00"
    assert page.run("return document.querySelector('#past [aria-current]').textContent") == "trip-00"
    page.picture("history")
    page.driver.find_element("link text", "trip-01").click()
    page.until(lambda: page.text("request-id").startswith("trip-01"))
    page.driver.back()
    page.until(lambda: page.text("request-id").startswith("trip-00"))


def test_more_requests_are_a_page_away(page, serve):
    script = Script(["avis"], {"avis": (0, quoted("1"))})
    sent(script, 25)
    page.open(serve(script))
    page.until(lambda: len(past(page)) == 10)

    page.element("more").send_keys(Keys.ENTER)
    page.until(lambda: len(past(page)) == 20)
    assert page.run("return document.activeElement.id") == "more"
    page.element("more").send_keys(Keys.ENTER)
    page.until(lambda: len(past(page)) == 25)

    assert [one.split("\n")[0] for one in past(page)] == [f"trip-{number:02d}" for number in reversed(range(25))]
    assert not page.element("more").is_displayed()
    assert page.run("return document.activeElement.textContent") == "trip-04"
    assert page.text("past-news") == "25 shown, newest first."


def test_a_request_that_is_sent_here_is_listed_when_it_is_taken_and_when_it_closes(page, serve):
    script = Script(["avis", "alamo"], {"avis": (0, quoted("7")), "alamo": (3, quoted("5"))}, age=1)
    page.open(serve(script))

    page.send('{"requestId": "trip-1", "data": {}}')
    page.until(lambda: "trip-1\nOpen · avis 7 USD" in "".join(past(page)))
    script.age = 3
    page.until(lambda: "trip-1\nComplete · alamo 5 USD" in "".join(past(page)))


def test_a_history_that_cannot_be_read_says_so_beside_itself(page, serve):
    script = Script(["avis"], {"avis": (0, quoted("7"))}, history_refusal=500)
    page.open(serve(script))

    page.until(lambda: page.text("past-news") == "Reading the last requests: the API failed (500): not now")
    assert page.text("problem") == ""
    script.history_refusal = None
    page.element("refresh").click()
    page.until(lambda: page.text("past-news") == "There is none yet.")


def test_on_a_phone_the_last_requests_are_opened_first(page, serve):
    script = Script(["avis"], {"avis": (0, quoted("7"))})
    sent(script, 12)
    page.open(serve(script), width=360, height=740)
    page.until(lambda: page.text("past-news"))
    assert not page.element("past").is_displayed()

    page.element("history-title").click()

    assert page.element("past").is_displayed()
    assert page.run("return document.documentElement.scrollWidth") <= 360
    page.picture("history-phone")
    assert axe(page) == []


def test_what_responders_and_carriers_are_called_is_text_in_the_history_and_the_bars(page, serve):
    trap = "<img src=x onerror=\"window.ran='image'\">"
    script = Script([trap], {trap: (0, quoted("7"))})
    script.start(trap, {"requestId": "trip-1", "data": {}})
    page.open(f"{serve(script)}/#trip-1")
    page.until_closed()

    page.until(lambda: trap in "".join(past(page)))
    assert bars(page)[0]["name"] == trap
    assert page.run("return [window.ran ?? null, document.querySelectorAll('img').length]") == [None, 0]


# What goes wrong


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"data": ', "The request is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"data": {}, "recipients": ["nobody"]}', "The request is not valid (400): "),
    ],
)
def test_a_request_that_breaks_the_contract_is_explained_where_it_is_mended(page, serve, text, reason):
    page.open(serve(Script(NAMES, {})))

    page.send(text)

    page.until(lambda: page.text("problem").startswith(reason) or reason in page.text("problem"))
    assert page.run("return document.activeElement.id") == "body"
    assert page.element("body").get_attribute("aria-invalid") == "true"
    page.element("body").send_keys(" ")
    assert page.element("body").get_attribute("aria-invalid") is None


def test_an_unknown_request_and_a_taken_id_are_explained(page, serve):
    page.open(serve(Script(NAMES, {})))
    page.ready()

    page.element("wanted").send_keys("trip-404", Keys.ENTER)
    page.until(lambda: page.text("problem") == "Not found (404): there is no request trip-404")
    page.send('{"requestId": "trip-1", "data": {}}')
    page.until(lambda: page.text("status") == "Open")
    page.send('{"requestId": "trip-1", "data": {"other": 1}}')

    page.until(lambda: page.text("problem").startswith("That requestId is taken; use another, or leave it out (409)"))
    page.picture("problem")


def test_a_broken_connection_asks_nobody_twice(page, serve):
    script = Script(["avis"], {"avis": (0.8, quoted("1"))}, age=0)
    page.open(serve(script))
    page.ready()

    script.refusals[:] = [0]
    page.send()
    page.until(lambda: "could not be reached" in page.text("problem"))
    script.refusals[:] = [500]
    page.send()
    page.until(lambda: "failed (500): not now" in page.text("problem"))
    page.send()
    page.until(lambda: page.text("status") == "Open")
    script.refusals[:] = [0, 429, 500]
    page.until(lambda: "It is tried again" in page.text("problem"))
    script.age = 0.8
    page.until_closed()

    assert page.text("problem") == ""
    assert len(script.asked) == 1


def test_an_id_in_the_address_is_watched(page, serve):
    script = Script(["avis"], {"avis": (0, quoted("7"))})
    url = serve(script)
    script.start("map", {"requestId": "trip-1", "data": {}})

    page.open(f"{url}/#trip-1")
    page.until_closed()

    assert page.rows() == {"avis": "Quoted after 0.0 s | 7 USD"}


@pytest.mark.parametrize("crafted", ["..", "%", "%2e%2e", "a/b", "<b>"])
def test_a_crafted_address_leads_nowhere(page, serve, crafted):
    script = Script(["avis"], {})
    page.open(f"{serve(script)}/#{crafted}")

    page.until(lambda: page.text("problem") == "A request's id has 1 to 64 letters, digits, _ or -.")
    assert {path.rsplit("/", 1)[1] for path in script.paths} <= {"", "openapi.json", "requests?limit=10"}


def test_a_token_is_asked_for_and_kept_in_memory_only(page, serve):
    page.open(serve(Script(["avis"], {"avis": (0, quoted("7"))}, token="let-me-in")))

    page.until(lambda: page.element("token").is_displayed())
    assert "bearer token" in page.text("problem")
    assert page.run("return document.activeElement.id") == "token"
    page.picture("token")
    page.element("token").send_keys("let-me-in", Keys.ENTER)
    page.send()
    page.until_closed()

    assert page.run("return [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert "let-me-in" not in page.run("return document.documentElement.outerHTML + location.href")
    page.open(page.driver.current_url)
    page.until(lambda: page.element("token").is_displayed())


# Hostile responders

TRAPS = {
    "image": "<img src=x onerror=\"window.ran='image'\">",
    "script": "</script><script>window.ran='script'</script><b>bold</b>",
    "link": "<a href=\"javascript:window.ran='link'\">click</a><style>*{display:none}</style>",
    "long": "x" * 20_000,
    "rtl": "‮gnp.exe שלום مرحبا‭",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 " * 60,
    "template": "{{constructor.constructor('window.ran=1')()}} ${window.ran=2} &lt;img&gt; \u2028\u0000",
}


@pytest.mark.parametrize("as_", ["details", "decline", "failure"])
def test_whatever_a_responder_sends_is_shown_as_text(page, serve, as_):
    made = {
        "details": lambda text: quoted("10", **{text[:60]: text, "nested": {text[:9]: [text[:99]]}}),
        "decline": declined,
        "failure": lambda text: failed(text[:80], text),
    }[as_]
    script = Script(list(TRAPS), {name: (0.1, made(text)) for name, text in TRAPS.items()})
    page.open(serve(script), width=360, height=740)
    elements = page.run("return document.querySelectorAll('img, script, b, style, a:not(#past a)').length")

    page.send()
    page.until_closed()

    assert page.run("return window.ran ?? null") is None
    assert page.run("return document.querySelectorAll('img, script, b, style, a:not(#past a)').length") == elements
    rows = page.rows()
    assert TRAPS["image"] in rows["image"]
    assert "<b>bold</b>" in rows["script"]
    assert page.run("return document.documentElement.scrollWidth") <= 360
    # One responder's direction is its own.
    assert page.run("return getComputedStyle(document.querySelector('#answers bdi')).unicodeBidi") == "isolate"
    page.picture(f"hostile-{as_}")


def test_what_is_long_can_be_read_to_its_end(page, serve):
    page.open(serve(Script(["long"], {"long": (0, quoted("1", text="x" * 3000 + " the end"))})))

    page.send()
    page.until_closed()
    assert "the end" not in page.rows()["long"]
    page.driver.find_element("css selector", "#answers summary").click()

    assert "the end" in page.rows()["long"]
    assert page.run("return document.querySelector('.whole').getBoundingClientRect().height") < 300


# For everybody


def test_the_keyboard_alone_is_enough(page, serve):
    page.open(serve(Script(["avis"], {"avis": (0.2, quoted("1", text="x" * 300))})))
    page.ready()
    stops = []

    def press(*keys: str) -> None:
        ActionChains(page.driver).send_keys(*keys).perform()

    def tab() -> str:
        press(Keys.TAB)
        stops.append(page.run("return document.activeElement.id || document.activeElement.value || document.activeElement.tagName"))
        assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
        return stops[-1]

    page.run("document.activeElement.blur()")
    assert tab() == "map"
    press(Keys.ARROW_DOWN)
    assert page.run("return document.activeElement.value") == "parallel"
    assert tab() == "body"
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    press('{"data": {"days_rental": 3}}')
    assert tab() == "send"
    press(Keys.ENTER)
    page.until_closed()
    assert page.run("return document.activeElement.id") == "send"
    assert tab() == "wanted"
    assert [tab() for _ in range(5)] == ["BUTTON", "SUMMARY", "refresh", "A", "SUMMARY"]
    assert tab() == "SUMMARY"
    press(Keys.ENTER)
    assert page.run("return document.querySelector('#answers details').open")

    page.run("document.getElementById('body').focus()")
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    page.until(lambda: page.text("status") in ("Open", "Complete") and page.text("request-id"))


@pytest.mark.parametrize("width", [320, 360, 414, 768])
def test_a_narrow_screen_never_scrolls_sideways(page, serve, width):
    names = [*NAMES, "a-responder-with-a-long-name-1"]
    page.open(serve(Script(names, {**MIXED, names[-1]: (0.2, quoted("123456789012345"))}, deadline_seconds=1.5)), width=width, height=740)

    page.send()
    page.until_closed()

    assert page.run("return document.documentElement.scrollWidth") <= width
    if width == 360:
        page.picture("phone-light")
        page.open(page.driver.current_url, width=width, height=740, dark=True)
        page.until_closed()
        page.picture("phone-dark")


def axe(page: Any) -> list[str]:
    """What the accessibility checker finds, each with where."""
    page.run(resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}).then(found => done(found.violations))"
    )
    return [f"{violation['id']}: {violation['help']}: {[node['html'][:120] for node in violation['nodes']]}" for violation in found]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_an_accessibility_checker_finds_nothing(page, serve, dark, width):
    says = {**MIXED, "sixt": (2.5, quoted("3960", text="x" * 500))}
    page.open(serve(Script(NAMES, says, deadline_seconds=1.7)), dark=dark, width=width)
    page.ready()
    assert axe(page) == []

    page.send()
    page.until(lambda: page.rows()["avis"].startswith("Quoted"))
    assert axe(page) == []
    page.until_closed()
    page.send("{")
    page.until(lambda: page.text("problem"))
    assert axe(page) == []


def test_those_who_hear_the_page_are_told_and_not_flooded(page, serve):
    names = [f"r{number:02d}" for number in range(40)]
    page.open(serve(Script(names, {name: (0.1 * number, quoted("1")) for number, name in enumerate(names)})))
    page.ready()
    page.run(
        "window.told = []; new MutationObserver(() => told.push(document.getElementById('news').textContent))"
        ".observe(document.getElementById('news'), {childList: true, characterData: true, subtree: true})"
    )

    page.send()
    page.until_closed()

    told = page.run("return told")
    assert (page.element("news").get_attribute("role"), page.element("problem").get_attribute("role")) == ("status", "alert")
    assert told[0] == "Sending the request."
    assert told[-1].startswith("Complete: 40 of 40 answered.")
    assert len(told) <= 6


# A hundred answers


def test_a_hundred_answers_are_shown_smoothly(page, serve):
    """Smooth is what leaves the page's thread free: a person notices a pause from about 200 ms on. What counts is the time that the thread
    computed, not the time that passed, which is the machine's affair; and that a row is drawn for its answer, not at every look."""
    names = [f"responder-{number:03d}" for number in range(100)]
    says = {
        name: (0.02 * number, quoted(f"{2000 + 7 * number}.50", ratePerDay="99", days=30, note="free cancellation " * 12))
        for number, name in enumerate(names)
    }
    script = Script(names, says)
    page.open(serve(script))
    page.ready()
    page.command("Performance.enable", timeDomain="threadTicks")
    page.run("""
        window.drawn = 0;
        new MutationObserver(changes => { drawn += changes.length; })
          .observe(document.getElementById("answers"), {subtree: true, attributeFilter: ["data-status"]});
    """)
    before = busy(page)

    page.send()
    page.until_closed()
    page.until(lambda: page.counts()["Quoted"] == 100)
    gathering, looks, drawn = busy(page) - before, sum("/requests/" in path for path in script.paths), page.run("return drawn")
    before = busy(page)
    # From nothing to all hundred, in one go.
    page.run("document.getElementById('answers').replaceChildren()")
    page.element("wanted").send_keys(*script.asked, Keys.ENTER)
    page.until(lambda: len(page.rows()) == 100)
    at_once = busy(page) - before

    print(f"\n100 answers: {looks} looks, {1000 * gathering:.0f} ms of computing, {drawn} rows drawn; all at once {1000 * at_once:.0f} ms")
    page.picture("a-hundred")
    assert gathering / looks < 0.2
    assert at_once < 0.5
    assert drawn == 100


def busy(page: Any) -> float:
    """Seconds that the page's thread has computed so far."""
    return next(metric["value"] for metric in page.command("Performance.getMetrics")["metrics"] if metric["name"] == "TaskDuration")


# From end to end


@pytest.fixture(scope="module")
def stack(emulator: Any) -> Stack:
    deployed = deploy(
        emulator,
        BROWSERS_OWN_ACCOUNT,
        {
            "variants": ["map", "sns"],
            "api": {"auth": "NONE"},
            "completion": {"deadlineSeconds": 40},
            "responders": [
                {"name": "avis", "settings": {"rate": 99}},
                {"name": "alamo", "settings": {"rate": 120}},
                {"name": "trap", "module": "tests.browser.trap"},
                {"name": "silent", "module": "tests.responders", "behaviour": "sleep", "seconds": 40, "timeoutSeconds": 45},
            ],
        },
        "board",
    )
    # The functions' first calls are slow where the machine is busy, and the deadline below is short.
    for variant in deployed.variants:
        deployed.request(variant, {"data": {"days_rental": 30}, "recipients": ["avis", "alamo", "trap"]})
    return deployed


@pytest.mark.parametrize("variant", ["map", "sns"])
def test_a_deployed_stack_has_a_board(page, stack, variant):
    page.open(board.address(stack))
    page.ready()
    assert json.loads(page.value("body")) == stack.sample_request

    page.driver.find_element("css selector", f"input[value={variant}]").click()
    page.send(json.dumps({**stack.sample_request, "completion": {"deadlineSeconds": 8}}, indent=2))
    page.until_closed()

    assert page.text("status") == "Partial"
    assert page.text("best-text") == "avis · 2970 USD"
    rows = page.rows()
    assert rows["silent"].startswith("Timed out")
    assert "<img src=x onerror=" in rows["trap"]
    assert page.run("return window.ran ?? null") is None
    page.picture(f"emulator-{variant}")


def test_its_address_is_printed(stack, capsys, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    assert board.run(argparse.Namespace(json=False, no_open=True), stack) == 0
    assert board.run(argparse.Namespace(json=True, no_open=False), stack) == 0

    url = f"{api_url(stack.outputs, stack.endpoint)}/"
    assert capsys.readouterr().out == f'{url}\n{{"url": "{url}"}}\n'
    assert opened == [url]
    with urllib.request.urlopen(url) as response:
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")


def test_a_stack_without_a_board_says_why(emulator):
    signed = deploy(emulator, BROWSERS_OWN_ACCOUNT, {"variants": ["map"], "responderCount": 1}, "signed")
    none = Stack({key: value for key, value in signed.outputs.items() if key != "apiId"}, signed.endpoint, signed.session_token)

    with pytest.raises(UsageError, match=r"a browser cannot sign for auth AWS_IAM; it needs api\.auth JWT"):
        board.address(signed)
    with pytest.raises(UsageError, match=r"set api\.enabled to true"):
        board.address(none)
