"""When a request is complete: one verdict for the same answers, whatever their order, and never a looser one than the stack's."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import completion
from handlers.completion import Policy
from handlers.contract import InvalidRequest

NAMES = ["avis", "alamo", "hertz", "sixt", "budget"]
given_answers = st.one_of(
    st.sampled_from(["DECLINED", "FAILED", "TIMED_OUT"]).map(lambda status: {"status": status}),
    st.integers(1, 200).map(lambda amount: {"status": "QUOTED", "amount": str(amount)}),
)
answers = st.dictionaries(st.sampled_from(NAMES), given_answers)
policies = st.builds(
    Policy,
    deadline_seconds=st.just(60.0),
    quorum=st.none() | st.integers(1, len(NAMES)),
    amount_below=st.none() | st.decimals(1, 200, places=1),
    required=st.frozensets(st.sampled_from(NAMES), max_size=2),
    weights=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3)),
)


def answer(given):
    """ "QUOTED 90" as a quote of 90; any other text is a status."""
    status, _, amount = given.partition(" ")
    return {"status": status, "amount": amount or "100"}


def verdict(policy, given, after_deadline=False, recipients=NAMES):
    return completion.completed_by(policy, recipients, {name: answer(text) for name, text in given.items()}, after_deadline=after_deadline)


@pytest.mark.parametrize(
    ("quorum", "given", "after_deadline", "expected"),
    [
        (None, {"avis": "QUOTED"}, False, None),
        (None, {}, True, "DEADLINE"),
        (None, dict.fromkeys(NAMES, "FAILED"), False, "ALL"),
        (None, dict.fromkeys(NAMES, "TIMED_OUT"), False, "ALL"),
        (None, dict.fromkeys(NAMES, "QUOTED"), True, "ALL"),
        (None, {**dict.fromkeys(NAMES, "QUOTED"), "avis": "TIMED_OUT"}, True, "DEADLINE"),
        (2, {"avis": "QUOTED", "alamo": "DECLINED", "hertz": "FAILED"}, False, None),
        (2, {"avis": "QUOTED", "alamo": "QUOTED"}, False, "QUORUM"),
        (2, {"avis": "QUOTED", "alamo": "QUOTED"}, True, "QUORUM"),
        (2, dict.fromkeys(NAMES, "DECLINED"), False, "ALL"),
        (5, dict.fromkeys(NAMES, "QUOTED"), False, "ALL"),
        (2, {"zipcar": "QUOTED", "europcar": "QUOTED"}, False, None),
    ],
)
def test_what_closes_a_request(quorum, given, after_deadline, expected):
    assert verdict(Policy(60, quorum), given, after_deadline) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"avis": "QUOTED 100"}, None),
        ({"avis": "QUOTED 99.99"}, "CONDITION"),
        ({"avis": "DECLINED"}, None),
        ({"avis": "QUOTED 120", "alamo": "QUOTED 80", "hertz": "QUOTED 90"}, "CONDITION"),
        ({"avis": "QUOTED 120", "alamo": "QUOTED 130", "hertz": "QUOTED 140"}, "QUORUM"),
    ],
)
def test_a_quote_below_the_limit_is_enough(given, expected):
    assert verdict(Policy(60, quorum=3, amount_below=Decimal(100)), given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"avis": "QUOTED", "alamo": "QUOTED"}, None),
        ({"avis": "QUOTED", "alamo": "QUOTED", "sixt": "FAILED"}, None),
        ({"avis": "QUOTED", "alamo": "QUOTED", "sixt": "DECLINED"}, "QUORUM"),
        ({"avis": "QUOTED", "sixt": "QUOTED"}, "QUORUM"),
    ],
)
def test_a_quorum_waits_for_the_quote_or_the_refusal_of_those_that_are_required(given, expected):
    assert verdict(Policy(60, quorum=2, required=frozenset(["sixt"])), given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"avis": "QUOTED"}, None),
        ({"avis": "QUOTED", "alamo": "QUOTED"}, "QUORUM"),
        ({"hertz": "QUOTED", "alamo": "QUOTED"}, None),
    ],
)
def test_a_responder_of_more_weight_counts_for_more(given, expected):
    assert verdict(Policy(60, quorum=3, weights={"avis": 2}), given) == expected


@given(policies, answers, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_in_which_answers_came_says_nothing(policy, given_answers, after_deadline, random):
    shuffled = list(given_answers.items())
    random.shuffle(shuffled)

    assert completion.completed_by(policy, NAMES, dict(shuffled), after_deadline=after_deadline) == completion.completed_by(
        policy, NAMES, given_answers, after_deadline=after_deadline
    )


@given(policies, st.lists(st.tuples(st.sampled_from(NAMES), given_answers)), st.randoms(use_true_random=False))
def test_repeated_answers_count_once(policy, deliveries, random):
    """Of several answers of one responder the first counts; more deliveries of it, anywhere after it, change nothing."""
    first, repeated = {}, {}
    for name, its_answer in deliveries:
        first.setdefault(name, its_answer)
    for name, its_answer in [*deliveries, *random.sample(deliveries, len(deliveries))]:
        repeated.setdefault(name, its_answer)

    assert completion.completed_by(policy, NAMES, repeated, after_deadline=False) == completion.completed_by(
        policy, NAMES, first, after_deadline=False
    )


@given(policies, answers, answers)
def test_what_is_complete_stays_complete(policy, some, more):
    if completion.completed_by(policy, NAMES, some, after_deadline=False) is not None:
        assert completion.completed_by(policy, NAMES, {**more, **some}, after_deadline=False) is not None


@given(
    policies,
    answers,
    st.fixed_dictionaries(
        {}, optional={"quorum": st.integers(1, 5), "deadlineSeconds": st.floats(0.5, 60), "amountBelow": st.integers(1, 200)}
    ),
)
def test_a_request_closes_no_later_than_the_stack_would(stack, so_far, asked):
    tightened = completion.tighten(stack, asked)

    assert tightened.deadline_seconds <= stack.deadline_seconds
    if completion.completed_by(stack, NAMES, so_far, after_deadline=False) is not None:
        assert completion.completed_by(tightened, NAMES, so_far, after_deadline=False) is not None


@given(policies, answers, st.sets(st.sampled_from(NAMES)))
def test_what_a_request_requires_is_waited_for_besides_what_the_stack_requires(stack, so_far, names):
    tightened = completion.tighten(stack, {"required": sorted(names)})

    if completion.completed_by(tightened, NAMES, so_far, after_deadline=False) in ("CONDITION", "QUORUM"):
        assert all(so_far[name]["status"] in ("QUOTED", "DECLINED") for name in names | stack.required)


STACK = Policy(60, quorum=3, amount_below=Decimal(100), required=frozenset(["avis"]), weights={"avis": 2})


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (3, "completion must be an object, not a number"),
        ({"atMost": 3}, 'completion has an unknown key "atMost"; allowed: quorum, deadlineSeconds, amountBelow, required'),
        ({"quorum": 7}, "completion.quorum must be a whole number from 1 to 6, not 7"),
        ({"quorum": 1.5}, "completion.quorum must be a whole number from 1 to 6, not 1.5"),
        ({"quorum": 4}, "completion.quorum must be at most 3, as the stack has it, not 4"),
        ({"deadlineSeconds": 61}, "completion.deadlineSeconds must be above 0 and at most 60, not 61"),
        ({"amountBelow": "0.00"}, 'completion.amountBelow must be a decimal above 0 with at most 15 digits, not "0.00"'),
        ({"amountBelow": "99.5"}, "completion.amountBelow must be at least 100, as the stack has it, not 99.5"),
        ({"required": ["zipcar"]}, "completion.required must be a list of recipients of the request: avis, alamo, hertz, sixt, budget"),
        ({"required": ["avis", "avis"]}, 'completion.required names "avis" more than once'),
    ],
)
def test_a_policy_that_is_malformed_or_impossible_or_loosens_the_stacks_is_refused(asked, reason):
    with pytest.raises(InvalidRequest) as refusal:
        completion.check(STACK, {"completion": asked}, NAMES)

    assert str(refusal.value) == reason


@pytest.mark.parametrize("asked", [{}, {"quorum": 3.0}, {"amountBelow": 100.5, "required": ["sixt"], "deadlineSeconds": 0.5}])
def test_a_tighter_policy_is_taken(asked):
    completion.check(STACK, {"completion": asked}, NAMES)


def test_recipients_without_one_that_the_stack_requires_are_refused():
    with pytest.raises(InvalidRequest, match='recipients must include "avis", which the stack requires'):
        completion.check(STACK, {}, ["alamo", "hertz"])


def test_the_policy_is_read_from_the_configuration():
    assert completion.policy_of({"deadlineSeconds": 20}) == Policy(20.0, None)
    assert completion.policy_of(
        {
            "deadlineSeconds": 20.5,
            "quorum": 3.0,
            "amountBelow": "99.5",
            "required": ["avis"],
            "weights": {"avis": 2.0},
        }
    ) == Policy(20.5, 3, Decimal("99.5"), frozenset(["avis"]), {"avis": 2})
