"""new responder NAME: writes a responder's module and a test of it, or its entry for a partner, into the project's folder `own`, which an
upgrade of the project leaves alone."""

import argparse
import re

from client import outputs
from client.errors import UsageError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,29}")

MODULE = """from scatter_gather import Decline, Quote, QuoteRequest


def quote(request: QuoteRequest) -> Quote | Decline:
    days = request.data["days_rental"]
    return Quote(80 * days) if days < 60 else Decline("not for that long")
"""

MODULE_TEST = """from own import {module}
from scatter_gather import Decline, Quote, QuoteRequest


def request(**data):
    return QuoteRequest("r1", "", data, "{name}", {{}}, None)


def test_a_week_has_its_price():
    assert {module}.quote(request(days_rental=7)) == Quote(560)


def test_a_long_rental_is_declined():
    assert {module}.quote(request(days_rental=90)) == Decline("not for that long")
"""

PARTNER_TEST = """from {client} import trial


def test_its_reply_has_a_price():
    assert trial.reply_of("{name}", {{"price": 12.5, "car": "small"}}, "{stack}")["amount"] == "12.5"


def test_its_refusal_is_a_decline():
    assert trial.reply_of("{name}", {{"refusal": "sold out"}}, "{stack}")["status"] == "DECLINED"
"""

PARTNER = {"request": "{days: data.days_rental}", "answer.amount": "price", "answer.details": "{car: car}", "answer.decline": "refusal"}
"""A mapping to begin with."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["responder"], help="what is made")
    parser.add_argument("name", help="what requests call it")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--url", help="a partner over HTTP, in place of a module")
    kinds.add_argument("--model", metavar="ID", help="a model of Amazon Bedrock, in place of a module")
    kinds.add_argument("--function", metavar="ARN", help="an existing function, in place of a module")


def run_here(options: argparse.Namespace) -> int:
    if not NAME.fullmatch(options.name):
        raise UsageError(f"{options.name} is no name for a responder; allowed: 1 to 30 letters, digits, _ or -, starting with a letter")
    folder, module, stack = outputs.project_folder(), options.name.replace("-", "_"), options.stack or "local"
    names = {"name": options.name, "module": module, "stack": stack, "client": __package__}
    files: dict[str, str]
    if options.model:
        files, entry = {}, {"model": options.model}
    elif options.url or options.function:
        entry = {"url": options.url} if options.url else {"functionArn": options.function}
        files, entry = {f"own/tests/test_{module}.py": PARTNER_TEST.format(**names)}, {**entry, **PARTNER}
    else:
        files = {f"own/{module}.py": MODULE, f"own/tests/test_{module}.py": MODULE_TEST.format(**names)}
        entry = {"module": f"own.{module}"}
    present = [path for path in files if (folder / path).exists()]
    if present:
        raise UsageError(f"{present[0]} is there already: give another name, or move it")
    where = outputs.add_responder(stack, {"name": options.name, **entry}).name
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    print(
        f"made {', '.join([*files, where])}; next: python -m {__package__} try {options.name}"
        + (f" --stack {stack}" if options.stack else "")
    )
    return 0
