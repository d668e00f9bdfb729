"""The programs that both engines run, what Pulumi documents of each run, and where ours stays different.

A step is a sign and a name: + creates, ~ updates, ! replaces, - deletes. What stays the same or is only read is no step.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PRELUDE = """\
import sys

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions as Options, export


class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("tests:index:Group", name, None, opts)


config = pulumi.Config()
Queue = aws.sqs.Queue
"""
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}
POLICY_OF_A = f'aws.sqs.QueuePolicy("p", queue_url=a.url, policy={json.dumps(POLICY)!r})'
NOWHERE = "http://127.0.0.1/000000000000/none"
UNMAKEABLE = f'aws.sqs.QueuePolicy("bad", queue_url="{NOWHERE}", policy={json.dumps(POLICY)!r}, opts=Options(depends_on=[a]))'


@dataclass(frozen=True)
class Run:
    """One command. source: the program from here on. shows: the JSON that it prints, where that is the point. before: changes the
    account behind the engine's back, by a function from a service's name to its client."""

    verb: str
    steps: str = ""
    source: str | None = None
    code: int = 0
    shows: Any = None
    before: Callable[[Callable[[str], Any]], object] | None = None


@dataclass(frozen=True)
class Program:
    """declares: the `config` of Pulumi.yaml; values: that of the stack."""

    name: str
    runs: tuple[Run, ...]
    declares: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


def up(source: str, steps: str = "", code: int = 0, verb: str = "up") -> Run:
    return Run(verb, steps, source, code)


def program(name: str, *runs: Run, declares: dict[str, Any] | None = None, values: dict[str, Any] | None = None) -> Program:
    return Program(name, runs, declares or {}, values or {})


def _configured(name: str, declared: dict[str, Any], value: Any, *, code: int, shows: Any = None) -> Program:
    values = {} if value is None else {"value": value}
    runs = [up('export("value", config.get("value"))', code=code), *([Run("stack output --json", shows=shows)] if shows else [])]
    return program(name, *runs, declares={"value": declared}, values=values)


def _queue_url(clients: Callable[[str], Any]) -> str:
    return clients("sqs").get_queue_url(QueueName="drifting")["QueueUrl"]


def _delay(clients: Callable[[str], Any]) -> None:
    clients("sqs").set_queue_attributes(QueueUrl=_queue_url(clients), Attributes={"DelaySeconds": "9"})


def _delete(clients: Callable[[str], Any]) -> None:
    clients("sqs").delete_queue(QueueUrl=_queue_url(clients))


DRIFTING = 'Queue("a", name="drifting")'
SECRETS = """
a = Queue("a", name=Output.secret("hush-a"))
b = Queue("b", name="b", opts=Options(additional_secret_outputs=["name"]))
export("plain", "seen")
export("secret", Output.secret({"k": [1, "two", None]}))
export("a", a.name)
export("b", b.name)
"""

PROGRAMS = (
    program("create", up('Queue("a")', "+a"), Run("up")),
    program("preview then up", up('Queue("a"); Queue("b")', "+a +b", verb="preview"), Run("up", "+a +b"), Run("preview")),
    program("update", up('Queue("a")', "+a"), up('Queue("a", delay_seconds=3)', "~a")),
    program("update and the rest", up('Queue("a"); Queue("b")', "+a +b"), up('Queue("a", delay_seconds=3); Queue("c")', "~a -b +c")),
    program("replace", up('Queue("a", name="one")', "+a"), up('Queue("a", name="two")', "!a")),
    program(
        "replace, what depends on it too",
        up(f'a = Queue("a", name="one"); {POLICY_OF_A}', "+a +p"),
        up(f'a = Queue("a", name="two"); {POLICY_OF_A}', "!a !p"),
    ),
    program(
        "replace, delete first",
        up(f'a = Queue("a", name="one"); {POLICY_OF_A}', "+a +p"),
        up(f'a = Queue("a", name="two", opts=Options(delete_before_replace=True)); {POLICY_OF_A}', "!a !p"),
    ),
    program("delete", up('Queue("a"); Queue("b")', "+a +b"), up('Queue("a")', "-b")),
    program("destroy twice", up('Queue("a")', "+a"), Run("destroy", "-a"), Run("destroy")),
    program("ignore_changes", up('Queue("a")', "+a"), up('Queue("a", delay_seconds=3, opts=Options(ignore_changes=["delaySeconds"]))')),
    program(
        "replace_on_changes",
        up('Queue("a")', "+a"),
        up('Queue("a", delay_seconds=3, opts=Options(replace_on_changes=["delaySeconds"]))', "!a"),
    ),
    program("retain_on_delete", up('Queue("a", opts=Options(retain_on_delete=True))', "+a"), up("", "-a")),
    program("protect", up('Queue("a", opts=Options(protect=True))', "+a"), Run("destroy", code=1), up('Queue("a")'), Run("destroy", "-a")),
    program("alias", up('Queue("a", name="same")', "+a"), up('Queue("b", name="same", opts=Options(aliases=[pulumi.Alias(name="a")]))')),
    program("component", up('Queue("a", opts=Options(parent=Group("g")))', "+g +a"), Run("destroy", "-g -a")),
    program(
        "component, moved into",
        up('Queue("a", name="same")', "+a"),
        up('Queue("a", name="same", opts=Options(parent=Group("g"), aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))', "+g"),
    ),
    program(
        "depends_on", up('a = Queue("a"); Queue("b", opts=Options(depends_on=[a]))', "+a +b"), up('Queue("b")', "-a"), Run("destroy", "-b")
    ),
    program("deleted_with", up('a = Queue("a"); Queue("b", opts=Options(deleted_with=a))', "+a +b"), Run("destroy", "-a -b")),
    program(
        "names",
        up('export("own", Queue("a").name); export("given", Queue("b", name="given").name)', "+a +b"),
        Run("stack output --json", shows={"given": "given", "own": "a-*"}),
    ),
    program(
        "secrets",
        up(SECRETS, "+a +b"),
        Run("stack output --json", shows={"a": "[secret]", "b": "[secret]", "plain": "seen", "secret": "[secret]"}),
        Run(
            "stack output --json --show-secrets",
            shows={"a": "hush-a", "b": "b", "plain": "seen", "secret": {"k": [1, "two", None]}},
        ),
        Run("up"),
    ),
    program("outputs", up('export("n", 1.5); export("l", [1, "a"]); export("none", None)'), Run("stack output none", code=1)),
    _configured("config, default", {"type": "integer", "default": 3}, None, code=0, shows={"value": "3"}),
    _configured("config, text for an integer", {"type": "integer"}, "3", code=0, shows={"value": "3"}),
    _configured("config, text for an array", {"type": "array", "items": {"type": "string"}}, '["a"]', code=1),
    _configured("config, wrong type", {"type": "integer"}, "three", code=1),
    _configured("config, wrong item", {"type": "array", "items": {"type": "integer"}}, ["a"], code=1),
    _configured("config, missing", {"type": "string"}, None, code=1),
    _configured("config, secret in clear", {"type": "string", "secret": True}, "hush", code=1),
    program("config, unknown key", up('export("value", config.get("other"))'), values={"other": "x"}),
    program("sys.exit(0)", up("sys.exit(0)")),
    program("sys.exit(3)", up("sys.exit(3)", code=1)),
    program("exception", up('raise ValueError("no")', code=1), up('Queue("a")', "+a")),
    program("exception, nothing is deleted", up('Queue("a")', "+a"), up("raise ValueError('no')", code=1), up("", "-a")),
    program(
        "failure in the middle",
        up(f'a = Queue("a"); b = {UNMAKEABLE}; Queue("c", opts=Options(depends_on=[b]))', "+a +bad", code=1),
        up('Queue("a")'),
    ),
    program("bad input", up('Queue("a", delay_seconds=-1)', code=1)),
    program(
        "--expect-no-changes",
        up('Queue("a")', "+a"),
        Run("up --expect-no-changes"),
        up('Queue("a", delay_seconds=3)', "~a", code=7, verb="preview --expect-no-changes"),
        Run("up --expect-no-changes", "~a", code=7),
    ),
    program("refresh after up", up(f'a = Queue("a"); {POLICY_OF_A}', "+a +p"), Run("refresh --expect-no-changes"), Run("up")),
    program("refresh, changed", up(DRIFTING, "+a"), Run("refresh", "~a", before=_delay), Run("refresh"), Run("up", "~a")),
    program("refresh, gone", up(DRIFTING, "+a"), Run("refresh", "-a", before=_delete), Run("up", "+a")),
    program("duplicate name", up('a = Queue("a"); Queue("a", opts=Options(depends_on=[a]))', "+a", code=1)),
    program("get", up('a = Queue("a"); Queue.get("found", a.url)', "+a"), Run("destroy", "-a")),
    program(
        "transformation",
        up(
            'Queue("a", opts=Options(transformations=[lambda t: pulumi.ResourceTransformationResult({**t.props, "name": "t"}, t.opts)]))',
            "+a",
        ),
    ),
    program(
        "transform",
        up('Queue("a", opts=Options(transforms=[lambda t: pulumi.ResourceTransformResult({**t.props, "name": "t"}, t.opts)]))', "+a"),
    ),
)

DIFFERENCES: dict[tuple[str, int], str] = {
    ("replace_on_changes", 1): "the engine refuses the option",
    ("deleted_with", 0): "the engine refuses the option",
    ("deleted_with", 1): "the engine made nothing",
    ("refresh, gone", 1): "of an emulator that is given by its address, the engine drops what it lacks before the refresh",
    ("transform", 0): "the engine refuses the option",
}
"""{(the program, which of its runs): the reason}."""
