"""The quote board: one page for people, `board.html`, and the headers that it is served with. Pure.

The page is the same, byte for byte, for every stack and contains nothing of the stack: it reads what is deployed and the sample request
from `openapi.json`, and answers from `requests/{requestId}`, each with the caller's own rights. So with JWT the page itself can be read
without a token, which it then asks for. With AWS_IAM there is no page: a browser has no credentials to sign with, and keys do not belong in
a page.

Whatever responders say is treated as hostile. The page turns it into text nodes only, and the policy below would stop anything that got
past that: only the script whose hash it names may run, and nothing is loaded from, or sent to, another place.
"""

import base64
import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")


def _hash(tag: str) -> str:
    """The hash of the page's only element of that name, as a source of a Content-Security-Policy."""
    (content,) = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", PAGE, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_hash('script')}",
        f"style-src {_hash('style')}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
