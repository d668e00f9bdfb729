"""What holds for every resource type of the local provider, without any emulator."""

import pytest

from local.properties import UNKNOWN, parse_path
from local.provider import AwsProvider, ProviderError
from local.provider.resource import implemented_types, resource_type
from tests.provider_cases import CASES, Caller, Case, Made, World

WORLD = World()
NOWHERE = "http://127.0.0.1:9"

every_type = pytest.mark.parametrize("case", CASES, ids=lambda case: case.token.rpartition("/")[2])


@pytest.fixture
def provider() -> Caller:
    """Nothing answers at its endpoint, so whatever succeeds does so without a call."""
    caller = Caller(AwsProvider())
    caller.configure(region="us-east-1", accessKey=WORLD.account, endpoints=[{"sts": NOWHERE, "lambda": NOWHERE}])
    return caller


def existing(provider: Caller, case: Case) -> Made:
    inputs = provider.check(case.token, case.inputs(WORLD))
    return Made(case.token, "id", inputs, inputs)


def test_every_implemented_type_has_an_example() -> None:
    assert sorted(case.token for case in CASES) == implemented_types()


@pytest.mark.parametrize("token", implemented_types())
def test_tables_name_properties_that_the_type_has(token: str) -> None:
    kind = resource_type(token)
    inputs, outputs = kind.schema().inputs.keys(), kind.schema().outputs
    named = {*kind.defaults, *kind.required, *kind.replaces, *kind.kept, *kind.documents, *kind.policies, *kind.unordered}
    named |= {str(parse_path(path)[0]) for path in kind.rules} | kind.fields.keys() | kind.empty.keys()
    named |= {kind.name.key} if kind.name else set()

    assert named <= inputs
    assert named <= kind.implemented()
    assert kind.volatile | kind.outputs.keys() <= outputs


@every_type
def test_preview_of_a_creation_calls_nothing(provider: Caller, case: Case) -> None:
    outputs = provider.preview_create(case.token, case.inputs(WORLD))

    assert case.inputs(WORLD).items() <= outputs.items()
    computed = resource_type(case.token).schema().outputs - resource_type(case.token).schema().inputs.keys() - {"tagsAll"}
    assert all(outputs[name] == UNKNOWN for name in computed)


@every_type
def test_same_inputs_are_no_change(provider: Caller, case: Case) -> None:
    response = provider.diff(existing(provider, case), case.inputs(WORLD))

    assert response.changes == response.DIFF_NONE
    assert not response.detailedDiff


@pytest.mark.parametrize("case", [case for case in CASES if case.change], ids=lambda case: case.token.rpartition("/")[2])
def test_change_in_place_replaces_nothing(provider: Caller, case: Case) -> None:
    response = provider.diff(existing(provider, case), case.changed(WORLD))

    assert response.changes == response.DIFF_SOME
    assert list(response.replaces) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.replace], ids=lambda case: case.token.rpartition("/")[2])
def test_change_that_forces_a_replacement(provider: Caller, case: Case) -> None:
    news = {key: value for key, value in {**case.inputs(WORLD), **case.replace}.items() if value is not None}

    response = provider.diff(existing(provider, case), news)

    first = next(iter(case.replace))
    assert first in response.replaces
    kinds = {path: response.detailedDiff[path].Kind.Name(diff.kind) for path, diff in response.detailedDiff.items()}
    assert any(kind.endswith("_REPLACE") for path, kind in kinds.items() if path.startswith(first))


@pytest.mark.parametrize("case", [case for case in CASES if case.change], ids=lambda case: case.token.rpartition("/")[2])
def test_preview_of_an_update_calls_nothing(provider: Caller, case: Case) -> None:
    previewed = provider.update(existing(provider, case), case.changed(WORLD), preview=True)

    assert case.changed(WORLD).items() <= previewed.outputs.items()


@pytest.mark.parametrize("token", ["aws:ec2/vpc:Vpc", "aws:kms/key:Key", "aws:sqs/redrivePolicy:RedrivePolicy"])
def test_other_types_are_refused_by_name(provider: Caller, token: str) -> None:
    with pytest.raises(ProviderError, match=rf"doesn't implement {token}; it implements aws:apigatewayv2/api:Api, "):
        provider.check(token, {})
