"""Hypothesis: bodies that are requests, nearly are, or are something else altogether."""

from hypothesis import strategies as st

KNOWN = ["avis", "alamo", "hertz"]
"""Responders that the requests name; among others."""

scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)
ids = st.from_regex(r"[A-Za-z0-9_-]{0,66}", fullmatch=True) | st.text(max_size=4) | st.just("trip-1\n")
quorums = st.integers(-2, 5) | st.floats(-2, 5) | values
deadlines = st.integers(-1, 90) | st.floats(-1, 90) | values
amounts = st.integers(-1, 200) | st.decimals(-1, 200, places=2).map(str) | values
required = st.lists(st.sampled_from([*KNOWN, "nobody"]), max_size=3) | values
members = {
    "requestId": ids | values,
    "description": st.text(max_size=20) | values,
    "data": st.dictionaries(st.text(max_size=8), values, max_size=3) | values,
    "recipients": st.lists(st.sampled_from([*KNOWN, "nobody"]) | values, max_size=4) | values,
    "completion": st.fixed_dictionaries(
        {}, optional={"quorum": quorums, "deadlineSeconds": deadlines, "amountBelow": amounts, "required": required, "other": scalars}
    )
    | values,
    "other": values,
}
beside_data = {key: value for key, value in members.items() if key != "data"}
requests = st.fixed_dictionaries({}, optional=members) | st.fixed_dictionaries({"data": members["data"]}, optional=beside_data) | values
