"""When a request is complete: one verdict for the same answers, whatever their order, and never a looser one than the stack's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import completion
from handlers.completion import Policy
from handlers.contract import InvalidRequest

NAMES = ["avis", "alamo", "hertz", "sixt", "budget"]
statuses = st.sampled_from(["QUOTED", "DECLINED", "FAILED", "TIMED_OUT"])
answers = st.dictionaries(st.sampled_from(NAMES), statuses.map(lambda status: {"status": status}))
policies = st.builds(Policy, deadline_seconds=st.just(60.0), quorum=st.none() | st.integers(1, len(NAMES)))


def verdict(policy, given, after_deadline=False, recipients=NAMES):
    return completion.completed_by(policy, recipients, {name: {"status": status} for name, status in given.items()},
                                   after_deadline=after_deadline)


@pytest.mark.parametrize(("quorum", "given", "after_deadline", "expected"), [
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
])
def test_what_closes_a_request(quorum, given, after_deadline, expected):
    assert verdict(Policy(60, quorum), given, after_deadline) == expected


@given(policies, answers, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_in_which_answers_came_says_nothing(policy, given_answers, after_deadline, random):
    shuffled = list(given_answers.items())
    random.shuffle(shuffled)

    assert (completion.completed_by(policy, NAMES, dict(shuffled), after_deadline=after_deadline)
            == completion.completed_by(policy, NAMES, given_answers, after_deadline=after_deadline))


@given(policies, st.lists(st.tuples(st.sampled_from(NAMES), statuses)), st.randoms(use_true_random=False))
def test_repeated_answers_count_once(policy, deliveries, random):
    """Of several answers of one responder the first counts; more deliveries of it, anywhere after it, change nothing."""
    first = {}
    for name, status in deliveries:
        first.setdefault(name, {"status": status})
    repeated = {}
    for name, status in [*deliveries, *random.sample(deliveries, len(deliveries))]:
        repeated.setdefault(name, {"status": status})

    assert (completion.completed_by(policy, NAMES, repeated, after_deadline=False)
            == completion.completed_by(policy, NAMES, first, after_deadline=False))


@given(policies, answers, answers)
def test_what_is_complete_stays_complete(policy, some, more):
    if completion.completed_by(policy, NAMES, some, after_deadline=False) is not None:
        assert completion.completed_by(policy, NAMES, {**more, **some}, after_deadline=False) is not None


@given(policies, answers,
       st.fixed_dictionaries({}, optional={"quorum": st.integers(1, 5), "deadlineSeconds": st.floats(0.5, 60)}))
def test_a_request_closes_no_later_than_the_stack_would(stack, given_answers, asked):
    tightened = completion.tighten(stack, asked)

    assert tightened.deadline_seconds <= stack.deadline_seconds
    if completion.completed_by(stack, NAMES, given_answers, after_deadline=False) is not None:
        assert completion.completed_by(tightened, NAMES, given_answers, after_deadline=False) is not None


def test_a_request_is_told_when_it_would_loosen_the_stacks_quorum():
    with pytest.raises(InvalidRequest, match=r"completion\.quorum must be at most 3, as the stack has it, not 4"):
        completion.check(Policy(60, 3), {"quorum": 4})
    completion.check(Policy(60, 3), {"quorum": 3})
    completion.check(Policy(60), {"quorum": 4})
    completion.check(Policy(60, 3), {})


def test_the_policy_is_read_from_the_configuration():
    assert completion.policy_of({"deadlineSeconds": 20}) == Policy(20.0, None)
    assert completion.policy_of({"deadlineSeconds": 20.5, "quorum": 3.0}) == Policy(20.5, 3)
