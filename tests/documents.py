"""The project's Markdown as the tests of it read it: pages, their fenced blocks, commands, tables and links. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
ROW = re.compile(r"^\|(.+)\|$")
CELL = re.compile(r"(?<!\\)\|")
COMMENT = re.compile(r"(^|\s)# .*$")


@dataclass(frozen=True)
class Block:
    """A fenced block. line: where its content begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_pulumi_program(self) -> bool:
        """Whether it makes components of the package."""
        return "from scatter_gather import" in self.text and re.search(r"^(\w+ = )?[A-Z]\w+\(\"", self.text, re.MULTILINE) is not None

    @property
    def commands(self) -> list[str]:
        """Of a block for the shell: one for each line, with those that continue it, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        found = (re.sub(r"\s+", " ", COMMENT.sub("", line)).strip() for line in lines)
        return [command for command in found if command]


def pages() -> list[Path]:
    of_the_project = (ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY"))
    return [*of_the_project, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, *languages: str) -> list[Block]:
    """Those in one of the languages, or all."""
    text = page.read_text()
    found = [Block(page, text[: match.start("text")].count("\n") + 1, match["language"], match["text"]) for match in FENCE.finditer(text)]
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def inline(page: Path) -> list[str]:
    """What stands in single backticks."""
    return INLINE.findall(prose(page))


def links(page: Path) -> list[str]:
    return LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Of the page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(page))}


def tables(page: Path, first: str) -> Iterator[dict[str, str]]:
    """The rows of all tables whose first column has that heading: cells by column."""
    header: list[str] | None = None
    for line in prose(page).splitlines():
        row = ROW.match(line)
        cells = [cell.strip().replace("\\|", "|") for cell in CELL.split(row[1])] if row else None
        if cells is None:
            header = None
        elif header is None:
            header = cells
        elif header[0] == first and set("".join(cells)) - set("-: "):
            yield dict(zip(header, cells, strict=True))


def names(cell: str) -> list[str]:
    """What a cell has in backticks."""
    return INLINE.findall(cell)
