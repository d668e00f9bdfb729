"""Names that could collide: what has the same names in one account and region works side by side, and is destroyed apart."""

import textwrap

from client import Stack
from local.program import run_program
from local.state import State
from tests.integration.conftest import PROJECT, deploy, destroy, engine

CONFIG = {"variants": ["map", "sns"], "responderCount": 2}

ONE_NAME = textwrap.dedent("""
    import pulumi
    from components import MapScatterGather, ParallelScatterGather, RequestStore, ResponderFleet

    store = RequestStore("quote")
    fleet = ResponderFleet("quote", {"store": store, "responders": [{"name": "avis", "settings": {"rate": "99"}}]})
    by_map = MapScatterGather("quote", {"store": store, "fleet": fleet})
    by_parallel = ParallelScatterGather("quote", {"store": store, "fleet": fleet})
    pulumi.export("quoteTableName", store.tableName)
    pulumi.export("carriers", {"map": by_map.entrance, "parallel": by_parallel.entrance})
""")


def made(state: State) -> set[tuple[str, str]]:
    """(type, id) of what the stack has for itself in its account; a stage is a part of its API."""
    return {(each.type, each.id) for each in state.resources if each.custom and each.id != "$default"}


def test_two_backends_with_the_same_names_share_an_account(emulator, account):
    first, second = State(), State()
    one, other = (deploy(emulator, account, CONFIG, state=state) for state in (first, second))

    results = [stack.request(variant, stack.sample_request) for stack in (one, other) for variant in ("map", "sns")]

    assert [result["status"] for result in results] == ["COMPLETE"] * 4
    assert made(first) & made(second) == set()


def test_the_one_works_on_when_the_other_is_destroyed(emulator, account):
    first, second = State(), State()
    deploy(emulator, account, CONFIG, state=first)
    left = deploy(emulator, account, CONFIG, state=second)
    kept = made(second)

    destroy(emulator, account, first)

    assert [left.request(variant, left.sample_request)["status"] for variant in ("map", "sns")] == ["COMPLETE"] * 2
    deploy(emulator, account, CONFIG, state=second)
    assert made(second) == kept


def test_components_of_different_kinds_have_one_name(emulator, account, tmp_path):
    (tmp_path / "__main__.py").write_text(ONE_NAME)
    # The layer's path is relative to the program's folder.
    (tmp_path / ".build").symlink_to(PROJECT / ".build")
    state = State()
    deployment = engine(emulator, account, "test", state)
    request = {"requestId": "", "description": "", "recipients": ["avis"], "data": {"car_type": "L", "days_rental": 30}}

    run_program(tmp_path, deployment, {}, [], lambda *_: None)
    deployment.finish()

    assert [str(failure) for failure in deployment.failures] == []
    stack = Stack(state.outputs(), emulator.endpoint, emulator.session_token)
    results = [stack.request(variant, {**request, "requestId": variant}) for variant in ("map", "parallel")]
    assert [result["status"] for result in results] == ["COMPLETE"] * 2
