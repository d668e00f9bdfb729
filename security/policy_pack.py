"""The policy pack as the Pulumi CLI runs it: a process of its own, which is asked for its opinion by gRPC."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf.struct_pb2 import Struct  # ty: ignore[import-not-found]
from pulumi.runtime.proto import analyzer_pb2 as messages
from pulumi.runtime.proto import analyzer_pb2_grpc

from tests.program import Registered, Resource

PACK = Path(__file__).parents[1] / "policies"
PYTHON = PACK / "venv" / "bin" / "python"
"""Where PulumiPolicy.yaml says that the pack's environment is."""


@contextmanager
def running() -> Generator[analyzer_pb2_grpc.AnalyzerStub]:
    with subprocess.Popen([PYTHON, "-u", PACK], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline() if process.stdout else 0)
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.terminate()


def broken(pack: analyzer_pb2_grpc.AnalyzerStub, registered: Registered) -> list[tuple[str, str, bool]]:
    """(rule, what is wrong, whether that stops an update) of a whole program."""
    found = [
        diagnostic
        for each in registered.of_aws
        for diagnostic in pack.Analyze(
            messages.AnalyzeRequest(type=each.type, properties=_struct(each), urn=_urn(each), name=each.name)
        ).diagnostics
    ]
    found += pack.AnalyzeStack(
        messages.AnalyzeStackRequest(
            resources=[
                messages.AnalyzerResource(
                    type=each.type,
                    properties=_struct(each),
                    urn=_urn(each),
                    name=each.name,
                    dependencies=[_urn(other) for others in registered.used_by(each).values() for other in others],
                    propertyDependencies={
                        key: messages.AnalyzerPropertyDependencies(urns=[_urn(other) for other in others])
                        for key, others in registered.used_by(each).items()
                    },
                )
                for each in registered.of_aws
            ]
        )
    ).diagnostics
    mandatory = messages.EnforcementLevel.Value("MANDATORY")
    return [(each.policyName, " ".join(each.message.splitlines()), each.enforcementLevel == mandatory) for each in found]


def _urn(resource: Resource) -> str:
    return f"urn:pulumi:test::scatter-gather::{resource.type}::{resource.name}"


def _struct(resource: Resource) -> Struct:
    """Without archives, which no rule looks at."""
    struct = Struct()
    struct.update({key: value for key, value in resource.inputs.items() if isinstance(value, str | int | float | bool | list | dict)})
    return struct
