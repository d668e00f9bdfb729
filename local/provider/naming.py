"""Physical names: what the genuine provider calls a resource that the program didn't name."""

import hashlib
import secrets
from dataclasses import dataclass

from local.provider.errors import ProviderError
from local.provider.rules import Rule, text

HEX_DIGITS = 7


@dataclass(frozen=True)
class Name:
    """A property that holds the physical name, of `limit` characters at most, and is filled when the program leaves it out."""

    key: str = "name"
    limit: int = 255
    pattern: str = r"[\s\S]+"
    what: str = ""
    shortest: int = 1
    lower_case: bool = False

    @property
    def rule(self) -> Rule:
        return text(self.pattern, self.shortest, self.limit, self.what)

    def make(self, logical_name: str, seed: bytes) -> str:
        """`logical-1a2b3c4`, the digits derived from `seed` where there is one.

        Raises ProviderError when that is longer than the service takes, as the genuine provider does.
        """
        stem = f"{logical_name.lower() if self.lower_case else logical_name}-"
        name = stem + random_hex(HEX_DIGITS, seed, stem)
        if len(name) > self.limit:
            raise ProviderError(f"name {stem!r} plus {HEX_DIGITS} random characters is longer than the {self.limit} characters allowed")
        return name


def random_hex(digits: int, seed: bytes = b"", salt: str = "") -> str:
    """Hexadecimal digits, the same ones for the same seed and salt; truly random without a seed."""
    if not seed:
        return secrets.token_hex(digits)[:digits]
    return hashlib.sha512(salt.encode() + seed).hexdigest()[:digits]
