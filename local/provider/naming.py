"""Physical names: what the genuine provider calls a resource that the program didn't name."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.provider.errors import ProviderError
from local.provider.rules import Rule, text

HEX_DIGITS = 7
PREFIXED_DIGITS = 26


@dataclass(frozen=True)
class Name:
    """A property that holds the physical name and is filled when the program leaves it out.

    `limit` is the longest name the service takes. `shape` makes the name out of the part with the random digits and
    the other inputs, e.g. appends `.fifo`. `prefix_property` is the alternative to a full name. With no `digits` it is
    the logical name alone.
    """

    key: str = "name"
    limit: int = 255
    pattern: str = r"[\s\S]+"
    what: str = ""
    prefix_property: str | None = "namePrefix"
    shortest: int = 1
    digits: int = HEX_DIGITS
    shape: Callable[[str, dict[str, Any]], str] = lambda name, inputs: name

    @property
    def rule(self) -> Rule:
        return text(self.pattern, self.shortest, self.limit, self.what)

    def make(self, logical_name: str, inputs: dict[str, Any], seed: bytes) -> str:
        """`logical-1a2b3c4`, the digits derived from `seed` where there is one.

        Raises ProviderError when that is longer than the service takes, as the genuine provider does.
        """
        prefix = inputs.get(self.prefix_property) if self.prefix_property else None
        stem, digits = (prefix, PREFIXED_DIGITS) if prefix else (logical_name + "-" * bool(self.digits), self.digits)
        name = self.shape(stem + random_hex(digits, seed, stem), inputs)
        if len(name) > self.limit:
            raise ProviderError(
                f"name {stem!r} plus {digits} random characters is longer than the {self.limit} characters allowed"
            )
        return name


def random_hex(digits: int, seed: bytes = b"", salt: str = "") -> str:
    """Hexadecimal digits, the same ones for the same seed and salt; truly random without a seed."""
    if not seed:
        return secrets.token_hex(digits)[:digits]
    return hashlib.sha512(salt.encode() + seed).hexdigest()[:digits]
