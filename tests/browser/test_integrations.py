"""The JavaScript of the documentation, in a browser, as it is written there. There is one piece of it."""

from typing import Any

import pytest

from tests import documents
from tests.browser.scripted_api import Script, quoted

TOKEN = "let-me-in"


@pytest.fixture
def ask(page: Any, serve: Any) -> Any:
    """`ask(script, token)` is what the page's function answers, or "Error: …"."""
    [block] = [block for each in documents.pages() for block in documents.blocks(each, "js")]

    def run(script: Script, token: str) -> Any:
        url = serve(script)
        page.open(url)
        return page.driver.execute_async_script(
            f"{block.text}\nconst [apiUrl, token, done] = arguments;"
            "askForQuotes(apiUrl, token, { data: { days_rental: 7 } }).then(done, error => done(String(error)));",
            url,
            token,
        )

    return run


def test_a_page_asks_with_its_token_and_reads_until_the_request_is_closed(ask):
    script = Script(["avis", "alamo"], {"avis": (0, quoted("120")), "alamo": (0.7, quoted("100"))}, token=TOKEN)

    result = ask(script, TOKEN)

    assert (result["status"], result["best"]["responder"], result["request"]) == ("COMPLETE", "alamo", {"data": {"days_rental": 7}})
    assert sum("GET /" in path and "/requests/" in path for path in script.paths) > 1


def test_a_page_is_told_why_it_was_refused(ask):
    assert ask(Script(["avis"], {}, token=TOKEN), "another") == "Error: 401: Unauthorized"
