"""Scans the program as it would be deployed (checkov, and the policy pack) and the code (bandit), and compares what they find with what
docs/security.md accepts.

    python -m security    (`make security` installs the scanners first)

Ends 1 where a finding is not on the list, a line of the list is found no more, or a mandatory rule of the policy pack is broken.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from security import policy_pack, terraform
from tests import program
from tests.program import Registered

FOLDER = Path(__file__).parents[1]
BUILD = FOLDER / ".build" / "security"
LIST = FOLDER / "docs" / "security.md"
CODE = ("__main__.py", "client", "component_package", "components", "handlers", "local", "scatter_gather", "security")

EVERYTHING: dict[str, Any] = {
    "variants": ["map", "parallel", "sns", "distributed"],
    "distributed": {"source": "s3", "idempotent": True},
    "selection": "handlers.rankings.nearest",
    "api": {"auth": "JWT", "issuer": "https://example.com/", "audience": ["quotes"]},
    "alarms": {"email": "ops@example.com"},
}
STRICT: dict[str, Any] = {
    "kmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
    "logRetentionDays": 365,
    "reservedConcurrency": 20,
    "alarms": {"email": "ops@example.com"},
}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "every option": EVERYTHING,
    "a list in a table": {"variants": ["distributed"], "distributed": {"source": "dynamodb"}},
    "EXPRESS": {"workflowType": "EXPRESS"},
    "strict": STRICT,
    "strict, with every option": {**EVERYTHING, **STRICT},
}


@dataclass(frozen=True, order=True)
class Accepted:
    """A line of the list. where: patterns of resources (aws_lambda_function.*) or files; any of them."""

    check: str
    where: tuple[str, ...]

    def covers(self, finding: "Finding") -> bool:
        return self.check == finding.check and any(fnmatchcase(finding.where, pattern) for pattern in self.where)


@dataclass(frozen=True)
class Finding:
    """where: a resource of a configuration, or a file."""

    check: str
    where: str
    what: str


def accepted(page: str) -> Iterator[Accepted]:
    """Of the page's tables: | `CHECK` | `where`, `where` | why |."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith(("`CKV", "`B")):
            yield Accepted(cells[0].strip("`"), tuple(cell.strip().strip("`") for cell in cells[1].split(",")))


def of_the_program(registered: Registered, folder: Path) -> tuple[int, list[Finding]]:
    """How many checks passed, and what failed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for type_, resources in terraform.render(registered).items():
        # By its file a finding tells the type, which checkov leaves out of the resource's name.
        (folder / f"{type_}.tf.json").write_text(json.dumps({"resource": {type_: resources}}, indent=1))
    found = json.loads(
        _output(
            "checkov", "-d", str(folder), "--framework", "terraform_json", "--compact", "--quiet", "--skip-download", "--output", "json"
        )
    )
    return found["summary"]["passed"], [
        Finding(each["check_id"], f"{_stem(each['file_path'])}.{each['resource'].partition('.')[2]}", each["check_name"])
        for each in found["results"]["failed_checks"]
    ]


def _stem(path: str) -> str:
    return path.strip("/").removesuffix(".tf.json")


def of_the_code() -> list[Finding]:
    found = json.loads(_output("bandit", "--quiet", "--recursive", *CODE, "--format", "json"))
    return [Finding(each["test_id"], each["filename"], f"line {each['line_number']}: {each['issue_text']}") for each in found["results"]]


def _output(scanner: str, *arguments: str) -> str:
    """A scanner that finds something ends 1."""
    ended = subprocess.run([BUILD / "bin" / scanner, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        raise SystemExit(f"{scanner} failed: {ended.stderr.strip()}")
    return ended.stdout


def compare(findings: Iterable[Finding], known: Iterable[Accepted]) -> tuple[list[Finding], set[Accepted]]:
    """What no line of the list covers, and the lines that cover something."""
    covering = [(finding, next((line for line in known if line.covers(finding)), None)) for finding in findings]
    return [finding for finding, line in covering if line is None], {line for _, line in covering if line}


def main() -> int:
    out, known, left = Console(soft_wrap=True), list(accepted(LIST.read_text())), list[Finding]()
    unused = set(known)
    figures = Table(box=None)
    for column in ("", "passed", "failed", "accepted", "rules broken"):
        figures.add_column(column, justify="left" if not column else "right")
    broken: set[str] = set()

    def add(name: str, findings: list[Finding], passed: str = "", rules: str = "") -> None:
        not_accepted, used = compare(findings, known)
        left.extend(not_accepted)
        unused.difference_update(used)
        figures.add_row(name, passed, str(len(findings)), str(len(findings) - len(not_accepted)), rules)

    with policy_pack.running() as pack:
        for name, config in CONFIGURATIONS.items():
            registered = program.run(config)
            passed, findings = of_the_program(registered, BUILD / "program" / name.replace(" ", "-"))
            rules = policy_pack.broken(pack, registered)
            broken |= {f"{rule}: {what}" for rule, what, is_mandatory in rules if is_mandatory}
            advisory = sorted({rule for rule, _, is_mandatory in rules if not is_mandatory})
            add(name, findings, str(passed), f"advisory: {', '.join(advisory)}" if advisory else "none")
    add("code", of_the_code())
    out.print(figures)
    for each in sorted(broken):
        out.print(f"a mandatory rule of the policy pack is broken: {each}", style="red")
    for finding, times in Counter(left).items():
        again = f" ({times} times)" if times > 1 else ""
        out.print(f"not on the list: {finding.check} {finding.where}: {finding.what}{again}", style="red")
    for line in sorted(unused):
        out.print(f"on the list, and found no more: {line.check} {', '.join(line.where)}", style="red")
    return 1 if left or unused or broken else 0


if __name__ == "__main__":
    sys.exit(main())
