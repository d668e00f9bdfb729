"""The package that serves the components to other languages: its schema, held in a file, and what it makes of arguments off the wire."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pulumi
import pytest
import yaml
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components import DistributedMapProcessor, ScatterGather
from tests import program

FOLDER = Path(__file__).parents[2]
PACKAGE = FOLDER / "component_package"
SCHEMA = PACKAGE / "schema.json"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:quote"
TYPE = "scatter-gather:index:ScatterGather"


def provider() -> ComponentProvider:
    return ComponentProvider([ScatterGather, DistributedMapProcessor], "scatter-gather", None, "1.0.0")


def construct(inputs):
    """What the package registers and hands back for what `inputs()` returns, numbers as they come off the wire."""
    states = []
    made = program.registered(lambda: states.append(provider().construct("quotes", TYPE, inputs()).state))
    return made, states[0]


def test_the_process_serves_the_schema_that_is_written():
    """To write it anew: python -m tests.unit.test_component_package"""
    assert served() == SCHEMA.read_text(), "write it anew: python -m tests.unit.test_component_package"


def test_only_plain_arguments_cross():
    resources = json.loads(SCHEMA.read_text())["resources"]

    assert set(resources) == {TYPE, "scatter-gather:index:DistributedMapProcessor"}
    assert "/resources/" not in json.dumps([resource["inputProperties"] for resource in resources.values()])


def test_whole_numbers_are_whole_though_they_come_as_floats():
    made, _ = construct(
        lambda: {
            "responders": [{"name": "avis", "functionArn": FUNCTION, "retries": 1.0, "memoryMb": 256.0}],
            "maxConcurrency": 3.0,
            "topK": 2.0,
            "completion": {"quorum": 1.0},
            "logRetentionDays": 7.0,
        }
    )

    [machine] = made.of_type("aws:sfn/stateMachine:StateMachine").values()
    functions = made.of_type("aws:lambda/function:Function")
    assert json.loads(machine["definition"])["States"]["Ask each responder"]["MaxConcurrency"] == 3
    assert '"MaxConcurrency": 3.0' not in machine["definition"]
    assert functions["quotes-aggregator"]["environment"]["variables"]["TOP_K"] == "2"
    assert json.loads(functions["quotes-aggregator"]["environment"]["variables"]["COMPLETION"])["quorum"] == 1
    assert functions["quotes-responder-avis"]["environment"]["variables"]["RETRIES"] == "1"
    assert functions["quotes-responder-avis"]["memorySize"] == 256


def test_a_responder_is_a_function_of_the_same_program():
    made, _ = construct(lambda: {"responders": [{"name": "avis", "functionArn": pulumi.Output.from_input(FUNCTION)}]})

    variables = made.of_type("aws:lambda/function:Function")["quotes-responder-avis"]["environment"]["variables"]
    assert variables["FUNCTION_ARN"] == FUNCTION


def test_the_carriers_are_those_that_are_named_and_the_outputs_say_where():
    made, state = construct(lambda: {"variants": ["parallel", "sns"], "responders": [{"name": "avis", "settings": {"rate": "99"}}]})

    assert set(made.of_type("aws:sfn/stateMachine:StateMachine")) == {"quotes-parallel"}
    assert set(made.of_type("aws:sns/topic:Topic")) == {"quotes-sns"}
    assert set(state) == {
        "tableName",
        "responseQueueUrl",
        "deadLetterQueueUrl",
        "eventBusName",
        "parallelStateMachineArn",
        "snsRequesterFunctionArn",
        "apiUrl",
        "alarmNames",
        "dashboardName",
    }


def test_everything_is_below_the_component():
    made, _ = construct(lambda: {"responders": [{"name": "avis", "functionArn": FUNCTION}]})

    assert [each.name for each in made.resources if each.parent_type in ("", "pulumi:pulumi:Stack")] == ["quotes"]
    assert "quotes-layer" in made.of_type("aws:lambda/layerVersion:LayerVersion")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"responders": [{"name": "avis", "functionArn": "quote"}]},
            'ScatterGather quotes: responders[0].functionArn is "quote"; allowed: the ARN of a Lambda function',
        ),
        (
            {"responders": [{"name": "avis", "functionArn": FUNCTION}], "variants": ["smoke"]},
            'variants[0] is "smoke"; allowed: map, parallel, sns',
        ),
        ({"responders": [{"name": "avis", "functionArn": FUNCTION}], "topK": 0.0}, "topK is 0; allowed: a whole number from 1 to 100"),
    ],
)
def test_wrong_arguments_are_refused_with_the_words_of_the_configuration(inputs, message):
    with pytest.raises(ComponentInitError) as refused:
        construct(lambda: inputs)

    assert message in str(refused.value.inner)


@pytest.mark.parametrize("language", ["python", "typescript", "yaml"])
def test_a_program_in_another_language_says_what_the_package_takes(language):
    """What it says reaches the package, and what it exports is an output. That the SDK which Pulumi generates has these names is not shown:
    there is no Pulumi CLI here."""
    inputs, output = said_in(language)

    made, state = construct(lambda: inputs)

    assert inputs["responders"] == [{"name": "partner", "functionArn": FUNCTION, "retries": 1}]
    assert set(made.of_type("aws:sfn/stateMachine:StateMachine")) == {"quotes-map"}
    assert output in state


def said_in(language: str) -> tuple[dict[str, Any], str]:
    """The arguments that an example gives, and the output that it exports."""
    folder = FOLDER / "examples" / "other_languages" / language
    if language == "yaml":
        stack = yaml.safe_load((folder / "Pulumi.yaml").read_text())
        inputs = json.loads(json.dumps(stack["resources"]["quotes"]["properties"]).replace("${partner}", FUNCTION))
        return inputs, stack["outputs"]["requester"].removeprefix("${quotes.").removesuffix("}")
    if language == "python":
        return _said_in_python((folder / "__main__.py").read_text())
    return _said_in_typescript((folder / "index.ts").read_text())


def _said_in_python(source: str) -> tuple[dict[str, Any], str]:
    """With stand-ins for the package's generated SDK, which writes names with underscores, and for Pulumi."""
    said: list[Any] = []

    class ScatterGather:
        def __init__(self, name, **arguments):
            said.append(_in_camel_case(arguments))

        def __getattr__(self, output):
            return output

    sdk = SimpleNamespace(ScatterGather=ScatterGather)
    config = SimpleNamespace(require=lambda _: FUNCTION)
    engine = SimpleNamespace(Config=lambda: config, export=lambda _, output: said.append(_camel(output)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pulumi_scatter_gather", sdk)
        patch.setitem(sys.modules, "pulumi", engine)
        exec(source, {})
    return said[0], said[1]


def _said_in_typescript(source: str) -> tuple[dict[str, Any], str]:
    """With stand-ins in place of its two imports, and without types it is JavaScript."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH")
    stand_ins = f"""
        const pulumi = {{Config: class {{ require() {{ return {json.dumps(FUNCTION)}; }} }}}};
        let said;
        class ScatterGather {{ constructor(name, inputs) {{ said = inputs; return new Proxy(this, {{get: (_, output) => output}}); }} }}
    """
    body = re.sub(r"^import .*$", "", source, flags=re.MULTILINE)
    printed = subprocess.run(
        [node, "--input-type=module", "-e", f"{stand_ins}{body}\nconsole.log(JSON.stringify([said, requester]));"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    inputs, output = json.loads(printed)
    return inputs, output


def _in_camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(key): _in_camel_case(inner) for key, inner in value.items()}
    return [_in_camel_case(each) for each in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def served() -> str:
    """The schema, from the process that Pulumi starts. From Python 3.13 on docstrings come without the indentation of their lines."""
    arguments = [sys.executable, str(PACKAGE), "127.0.0.1:9"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=PACKAGE) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                answer = provider_pb2_grpc.ResourceProviderStub(channel).GetSchema(provider_pb2.GetSchemaRequest(), timeout=30)
        finally:
            process.terminate()
    return re.sub(r"\\n +", r"\\n", json.dumps(json.loads(answer.schema), indent=2)) + "\n"


if __name__ == "__main__":
    asyncio.set_event_loop(asyncio.new_event_loop())
    SCHEMA.write_text(served())
