"""JSON as DynamoDB keeps it."""

from hypothesis import given
from hypothesis import strategies as st

from handlers import attribute_values

scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner), max_leaves=6)


@given(json_values)
def test_what_is_kept_is_what_is_read(value):
    assert attribute_values.decode(attribute_values.encode(value)) == value


def test_numbers_are_read_as_json_has_them():
    assert [attribute_values.decode({"N": text}) for text in ("30", "-7", "2.5", "1E+3", "0.1")] == [30, -7, 2.5, 1000.0, 0.1]
