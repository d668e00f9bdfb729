"""What the files of the world look like, and what is read of each: its exact rows, or the one sentence that says why not."""

import csv
import gzip
import io
import json
import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import exact_json, rows
from handlers.rows import Form, Wrong


def read(data, name, **given):
    """All rows of `data`, as they are read from a file of that name."""
    head, chunks = rows.peek(io.BytesIO(data))
    return list(rows.read(chunks, rows.detect(head, name, given), name))


AB = [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
UMLAUT = "name,city\nJürgen,Köln\n"
KOELN = [{"name": "Jürgen", "city": "Köln"}]

# file name, content, what is given, and the rows.
WHOLE = {
    "commas": ("a.csv", b"a,b\n1,2\n3,4\n", {}, AB),
    "no line end at the end": ("a.csv", b"a,b\n1,2\n3,4", {}, AB),
    "semicolons": ("a.csv", b"a;b\n1;2\n3;4\n", {}, AB),
    "tabs": ("a.tsv", b"a\tb\n1\t2\n3\t4\n", {}, AB),
    "bars": ("a.csv", b"a|b\n1|2\n3|4\n", {}, AB),
    "another delimiter": ("a.csv", b"a^b\n1^2\n3^4\n", {"delimiter": "^"}, AB),
    "the word tab": ("a.csv", b"a\tb\n1\t2\n3\t4\n", {"delimiter": "tab"}, AB),
    "sep= of Excel": ("a.csv", b"sep=;\r\na;b\r\n1;2\r\n3;4\r\n", {}, AB),
    "sep= after a mark, with names": ("a.csv", b"\xef\xbb\xbfsep=;\r\n1;2\r\n3;4\r\n", {"header": ["a", "b"]}, AB),
    "decimal commas": ("a.csv", b"id;price\n1;1,50\n2;0,99\n", {}, [{"id": "1", "price": "1,50"}, {"id": "2", "price": "0,99"}]),
    "a comma in the header beside semicolons": (
        "a.csv",
        b"id;price, EUR;n\n1;1,50;2\n2;3;4\n",
        {},
        [{"id": "1", "price, EUR": "1,50", "n": "2"}, {"id": "2", "price, EUR": "3", "n": "4"}],
    ),
    "a quoted delimiter in the header": ("a.csv", b'"a,x;y",b\n1,2\n', {}, [{"a,x;y": "1", "b": "2"}]),
    "CRLF": ("a.csv", b"a,b\r\n1,2\r\n3,4\r\n", {}, AB),
    "lone CR, as an old Mac": ("a.csv", b"a,b\r1,2\r3,4\r", {}, AB),
    "blank lines": ("a.csv", b"\n\na,b\r\n\r\n1,2\n\n3,4\n\n\n", {}, AB),
    "quotes over lines": ("a.csv", b'a,b\r\n"1\r\none",2\r\n', {}, [{"a": "1\r\none", "b": "2"}]),
    "doubled quotes": ("a.csv", b'a,b\n"say ""hi""",2\n', {}, [{"a": 'say "hi"', "b": "2"}]),
    "a quote within a field": ("a.csv", b'a,b\n5" pipe,2\n', {}, [{"a": '5" pipe', "b": "2"}]),
    "single quotes": ("a.csv", b"'a','b'\n'1,5','2'\n", {}, [{"a": "1,5", "b": "2"}]),
    "no quotes at all": ("a.csv", b'a|b\n"1|2\n', {"quote": ""}, [{"a": '"1', "b": "2"}]),
    "words and numbers stay text": (
        "a.csv",
        b"t,f,n,d,z\nTRUE,false,NULL,1.50,007\n",
        {},
        [{"t": "TRUE", "f": "false", "n": "NULL", "d": "1.50", "z": "007"}],
    ),
    "spaces stay": ("a.csv", b"a,b\n 1 ,\n", {}, [{"a": " 1 ", "b": ""}]),
    "one column": ("a.csv", b"name\nAda\nGrace\n", {}, [{"name": "Ada"}, {"name": "Grace"}]),
    "one column, one empty": ("a.csv", b'name\n""\n\nGrace\n', {}, [{"name": ""}, {"name": "Grace"}]),
    "one row": ("a.csv", b"a,b\n1,2\n", {}, AB[:1]),
    "only a header": ("a.csv", b"a,b\n", {}, []),
    "an empty CSV": ("a.csv", b"", {}, []),
    "names for a file without": ("a.csv", b"1,2\n3,4\n", {"header": ["a", "b"]}, AB),
    "names tell the delimiter": ("a.csv", b"1;2,5\n3;4,5\n", {"header": ["a", "b"], "delimiter": ";"}, [{"a": "1", "b": "2,5"}, {"a": "3", "b": "4,5"}]),
    "a header of 1 MB": (
        "a.csv",
        ",".join(f"column {n} {'x' * 90}" for n in range(10_000)).encode() + b"\n" + b",".join([b"1"] * 10_000),
        {},
        [{f"column {n} {'x' * 90}": "1" for n in range(10_000)}],
    ),
    "a mark of UTF-8": ("a.csv", b"\xef\xbb\xbf" + UMLAUT.encode(), {}, KOELN),
    "UTF-16 LE with a mark, as Excel saves Unicode": ("a.csv", UMLAUT.replace(",", "\t").encode("utf-16"), {}, KOELN),
    "UTF-16 BE with a mark": ("a.csv", b"\xfe\xff" + UMLAUT.encode("utf-16-be"), {}, KOELN),
    "UTF-16 LE without a mark": ("a.csv", UMLAUT.encode("utf-16-le"), {}, KOELN),
    "UTF-16 BE without a mark": ("a.csv", UMLAUT.encode("utf-16-be"), {}, KOELN),
    "UTF-16 given, by its mark": ("a.csv", UMLAUT.encode("utf-16"), {"encoding": "UTF-16"}, KOELN),
    "Latin-1 where it is given": ("a.csv", UMLAUT.encode("latin-1"), {"encoding": "latin1"}, KOELN),
    "Windows-1252 where it is given": ("a.csv", "a\n5 €\n".encode("cp1252"), {"encoding": "cp1252"}, [{"a": "5 €"}]),
    "other ends of lines are text": ("a.csv", "a,b\nx\u2028y,\x85\x0b\n".encode(), {}, [{"a": "x\u2028y", "b": "\x85\x0b"}]),
    "gzip": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n3,4\n"), {}, AB),
    "gzip that the name does not say": ("a.csv", gzip.compress(b"a;b\n1;2\n3;4\n"), {}, AB),
    "gzip that only the name says": ("a.csv.gz", b"a,b\n1,2\n3,4\n", {}, AB),
    "gzip of two parts and padding": ("a.CSV.GZ", gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n") + b"\0" * 512, {}, AB),
    "JSON Lines": ("a.jsonl", b'{"a": 1.5}\n\n"b"\r\nnull\n', {}, [{"a": Decimal("1.5")}, "b", None]),
    "JSON Lines in gzip": ("a.jsonl.gz", gzip.compress(b"1\n2"), {}, [1, 2]),
    ".ndjson in UTF-16": ("a.ndjson", '\ufeff{"n": "ö"}\n'.encode("utf-16-le"), {}, [{"n": "ö"}]),
    "no JSON Lines": ("a.jsonl", b"", {}, []),
    "a format for a name that says none": ("export", b"1\r2\r", {"format": "jsonl"}, [1, 2]),
    "numbers of 20 digits": (
        "a.json",
        b"[12345678901234567890, 0.12345678901234567890, -1.50, 1e2]",
        {},
        [12345678901234567890, Decimal("0.12345678901234567890"), Decimal("-1.50"), Decimal("1E+2")],
    ),
    "true, false, null": ("a.json", b'[true, false, null, "true"]', {}, [True, False, None, "true"]),
    "an empty list": ("a.json", b"\xef\xbb\xbf [ ] \n", {}, []),
    "escapes": ("a.json", rb'["\ud83d\ude00", "\\ud800", "\u0000"]', {}, ["😀", "\\ud800", "\0"]),
    "a list in an object": ("a.json", b'{"n": {"x": ["]}\\"", [1]]}, "items": [1, {"a": 2}], "more": "x"}', {"pointer": "/items"}, [1, {"a": 2}]),
    "a list deep in it": (
        "a.json",
        b'{"a/b": [0, "x", {"~": [1, 2], "end": {}}, 9], "z": true}',
        {"pointer": "/a~1b/2/~0"},
        [1, 2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE)
def test_a_file_of_the_world_is_read_as_it_is(case):
    name, data, given, expected = WHOLE[case]

    assert read(data, name, **given) == expected


FAR = b"a,b\n" + b"1,2\n" * 51_200 + b"3,\xe9\n"

# file name, content, what is given, and the sentence.
BROKEN = {
    "a name that says no format": ("export.txt", b"1", {}, "export.txt does not end in .json, .jsonl, .ndjson, .csv, .tsv, with or without .gz: give its format, json or jsonl or csv"),
    "JSON in .csv": ("a.csv", b'[{"a": 1}, 2]', {}, "a.csv begins like JSON: give its format, json or jsonl or csv"),
    "an Excel workbook": ("a.csv", b"PK\x03\x04\0", {}, "a.csv is a ZIP archive or an Excel workbook, which is not read: json or jsonl or csv in UTF-8 or UTF-16, plain or gzip, is"),
    "Latin-1 that nobody gave": ("a.csv", UMLAUT.encode("latin-1"), {}, "a.csv, line 2 (byte 11): the byte 0xFC is not UTF-8; where the file is Latin-1 or Windows-1252, give that as its encoding"),
    "a wrong byte after 200 KB": ("a.csv", FAR, {}, "a.csv, line 51202 (byte 204806): the byte 0xE9 is not UTF-8; where the file is Latin-1 or Windows-1252, give that as its encoding"),
    "half a character at the end": ("a.csv", b"a,b\n1,\xc3", {}, "a.csv, line 2 (byte 6): the file ends within a character"),
    "half a character in UTF-16": ("a.csv", "a,b\n1,2\n".encode("utf-16-le") + b"3", {}, "a.csv, line 3 (byte 16): the file ends within a character"),
    "a lone surrogate in UTF-16": ("a.csv", "a,b\n1,".encode("utf-16-le") + b"\x00\xd8\n\0", {}, "a.csv, line 2 (byte 12): the byte 0x00 is not UTF-16 LE"),
    "a mark against what is given": ("a.csv", b"\xef\xbb\xbfa\n", {"encoding": "latin-1"}, "a.csv begins with the byte-order mark of UTF-8, and Latin-1 is given as its encoding"),
    "UTF-16 of no byte order": ("a.csv", b"a,b\n", {"encoding": "utf-16"}, "a.csv does not say its byte order: give utf-16-le or utf-16-be as its encoding"),
    "an unknown encoding": ("a.csv", b"", {"encoding": "ebcdic"}, "a.csv: encoding must be utf-8, utf-16-le, utf-16-be, latin-1, iso-8859-2 to -16 or windows-1250 to -1258, not ebcdic"),
    "a NUL byte": ("a.csv", b"a,b\n1,\x002\n", {}, "a.csv, line 2 (byte 6): there is a NUL character, which is no text; where the file is UTF-16, give utf-16-le or utf-16-be as its encoding"),
    "two delimiters that fit": ("a.csv", b"name;price, EUR\nx;1,50\n", {}, "a.csv may be separated by commas or by semicolons: give its delimiter"),
    "a header of another delimiter": ("a.csv", b"a;b\n1;2\n", {"delimiter": ","}, "a.csv: ',' is given as the delimiter; its header has none of them, but has semicolons: give that"),
    "sep= against what is given": ("a.csv", b"sep=;\na;b\n", {"delimiter": ","}, "a.csv says sep=; in its first line, and ',' is given as its delimiter"),
    "a delimiter of two": ("a.csv", b"", {"delimiter": "||"}, "a.csv: delimiter must be one character other than \", or tab, not '||'"),
    "duplicate names": ("a.csv", b"id,name,id\n1,2,3\n", {}, "a.csv, line 1 (byte 0): the header names id more than once"),
    "empty names": ("a.csv", b"\xef\xbb\xbf\nid,,name,\n1,2,3,4\n", {}, "a.csv, line 2 (byte 4): the header has no name for column 2, 4"),
    "the header for a file that has one": ("a.csv", b"\na,b\n1,2\n", {"header": ["a", "b"]}, "a.csv, line 2 (byte 1): the first row is the given header itself: the file has one, so give none"),
    "a header of no names": ("a.csv", b"1,2\n", {"header": False}, "a.csv: header must be true, or the names of the columns where the file has none, not False"),
    "too few fields": ("a.csv", "a,b\nä,2\n\n3\n4,5\n".encode(), {}, "a.csv, line 4 (byte 10): the row has 1 field, and the header has 2 fields"),
    "too many fields after quoted lines": ("a.csv", b'a,b\r\n"1\r\n\r\n",2\r\n3,4,"\n"\r\n', {}, "a.csv, line 5 (byte 16): the row has 3 fields, and the header has 2 fields"),
    "decimal commas between commas": ("a.csv", b"id,price\n1,1,50\n", {}, "a.csv, line 2 (byte 9): the row has 3 fields, and the header has 2 fields"),
    "a quote that nothing closes": ("a.csv", b'a,b\n1,2\n3,"4\n5,6\n', {}, "a.csv, line 3 (byte 8): a quote is opened in this row and never closed"),
    "text after a closing quote": ("a.csv", b'a,b\n"1" x,2\n', {}, "a.csv, line 2 (byte 4): in this row a closing quote \" is followed by something else than ',' or the end of the line"),
    "gzip that breaks off": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-4], {}, "a.csv.gz, line 3 (byte 8): the gzip data ends early; the file is not whole"),
    "gzip that is damaged": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-8] + b"\0" * 8, {}, "a.csv.gz, line 1 (byte 0): the gzip data is damaged after this place (incorrect data check)"),
    "gzip with something behind": ("a.csv", gzip.compress(b"a,b\n1,2\n") + b"garbage", {}, "a.csv, line 3 (byte 8): the gzip data is damaged after this place (incorrect header check)"),
    "gzip that is none": ("a.csv", b"a,b", {"compression": "gzip"}, "a.csv is not gzip, as is given"),
    "a delimiter for JSON": ("a.json", b"[]", {"delimiter": ";"}, "a.json: delimiter is for csv, and the format is json"),
    "a pointer for CSV": ("a.csv", b"a", {"pointer": "/a"}, "a.csv: a pointer leads into json, and the format is csv"),
    "a pointer that is none": ("a.json", b"[]", {"pointer": "items"}, "a.json: pointer must be a JSON pointer such as /items (RFC 6901), not items"),
    "an empty JSON": ("a.json", b" \n", {}, "a.json, line 2 (byte 2): the file is empty"),
    "an object": ("a.json", b'{"items": [1]}', {}, "a.json, line 1 (byte 0): there is an object, not a list: give the pointer of the list in it, such as /items, or the format jsonl for one item per line"),
    "no list at the pointer": ("a.json", b'{"items": {}}', {"pointer": "/items"}, "a.json, line 1 (byte 10): the pointer /items does not lead to a list"),
    "nothing at the pointer": ("a.json", b'{"a": {"x": 1}}', {"pointer": "/a/b"}, "a.json, line 1 (byte 6): there is no b here, as the pointer /a/b says"),
    "two at the pointer": ("a.json", b'{"a": [1],\n"a": [2]}', {"pointer": "/a"}, "a.json, line 2 (byte 16): the name a of the pointer /a is there more than once"),
    "an object that breaks off after its list": ("a.json", b'{"a": [1], "b": [{"c": "', {"pointer": "/a"}, "a.json, line 1 (byte 24): the JSON ends early, within a string"),
    "a list that breaks off": ("a.json", b"[1,\n2", {}, "a.json, line 2 (byte 5): the JSON ends early: ] is missing"),
    "an item that breaks off": ("a.json", b'[1,\n{"a": "x', {}, "a.json, line 2 (byte 12): the JSON ends early"),
    "no comma": ("a.json", b"[1 2]", {}, "a.json, line 1 (byte 3): there must be a comma or ] here"),
    "something behind the list": ("a.json", b"[1]\n[2]", {}, "a.json, line 2 (byte 4): the file goes on after the end of its list"),
    "an item that is no JSON": ("a.json", "[\n'ö']".encode(), {}, "a.json, line 2 (byte 2): this is not JSON: expecting value"),
    "NaN": ("a.json", b"[1, NaN]", {}, "a.json, line 1 (byte 4): NaN is no number in JSON"),
    "a number of 5000 digits": ("a.jsonl", b"1\n" + b"1" * 5000, {}, "a.jsonl, line 2 (byte 2): a whole number has more than 4300 digits"),
    "a number that no arithmetic takes": ("a.jsonl", b"1e10000", {}, "a.jsonl, line 1 (byte 0): the number 1e10000 is beyond 1E+9999 or 1E-9999"),
    "a number beyond all": ("a.jsonl", b"1e" + b"9" * 30, {}, f"a.jsonl, line 1 (byte 0): the number 1e{'9' * 30} is beyond 1E+9999 or 1E-9999"),
    "a name twice in an object": ("a.jsonl", b'1\n {"a": 1, "a": 2}', {}, "a.jsonl, line 2 (byte 3): an object has the name 'a' more than once"),
    "half a character in JSON": ("a.json", rb'["\\ud800", "\ud800"]', {}, "a.json, line 1 (byte 13): this escape is half of a character (a lone surrogate), which is no text"),
    "half a character in JSON Lines": ("a.jsonl", b'\n "\\udc00"', {}, "a.jsonl, line 2 (byte 3): this escape is half of a character (a lone surrogate), which is no text"),
    "a nest": ("a.json", b"[" * 100_000, {}, "a.json, line 1 (byte 1): the item is nested too deeply"),
    "a nest beside the pointer": ("a.json", b'{"x": ' + b"[" * 100_000, {"pointer": "/a"}, "a.json, line 1 (byte 1007): this is nested too deeply"),
    "brackets that do not match, beside the pointer": ("a.json", b'{"x": [}], "a": []}', {"pointer": "/a"}, "a.json, line 1 (byte 7): this } closes nothing"),
    "two values in a line": ("a.jsonl", b'{"a": 1}\n{"a": 2} {"a": 3}\n', {}, "a.jsonl, line 2 (byte 17): the line goes on after its value"),
    "a line that is no JSON": ("a.jsonl", "\ufeff1\r\n  x\n".encode("utf-16-le"), {}, "a.jsonl, line 2 (byte 12): this is not JSON: expecting value"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_is_not_whole_is_refused_in_one_sentence(case):
    name, data, given, sentence = BROKEN[case]

    with pytest.raises(Wrong) as refused:
        read(data, name, **given)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("name", "data", "given", "said"),
    [
        ("a.csv", b"a,b\n", {}, "CSV, separated by commas, in UTF-8"),
        ("a.csv", gzip.compress("a;b\n".encode("utf-16"), mtime=0), {}, "CSV, separated by semicolons, in UTF-16 LE, gzip"),
        ("a.csv", b"'a'|'b'\n", {}, "CSV, separated by bars, quoted by ', in UTF-8"),
        (
            "a.csv",
            b"1^2",
            {"delimiter": "^", "header": ["a", "b"], "quote": "", "encoding": "iso-8859-15"},
            "CSV, separated by '^', without quotes, without a header, in ISO-8859-15",
        ),
        ("a.csv", b"a", {"encoding": "cp1252"}, "CSV, separated by commas, in Windows-1252"),
        ("a.json", b"{}", {"pointer": "/a/b"}, "a JSON list at /a/b, in UTF-8"),
        ("a.jsonl", b"", {}, "JSON Lines, in UTF-8"),
    ],
)
def test_a_form_says_itself_to_people(name, data, given, said):
    assert str(rows.detect(data, name, given)) == said


@pytest.mark.parametrize(
    ("form", "facts"),
    [
        (Form("csv"), {"format": "csv", "encoding": "utf-8", "delimiter": ",", "quote": '"', "header": True}),
        (
            Form("csv", quote=None, header=("a",), compression="gzip"),
            {"format": "csv", "encoding": "utf-8", "delimiter": ",", "quote": None, "header": ("a",), "compression": "gzip"},
        ),
        (Form("json", pointer="/a"), {"format": "json", "encoding": "utf-8", "pointer": "/a"}),
        (Form("jsonl"), {"format": "jsonl", "encoding": "utf-8"}),
    ],
)
def test_a_form_has_the_facts_of_its_format(form, facts):
    assert form.facts() == facts


def test_the_rows_before_a_wrong_one_are_given():
    found = rows.read([b"a,b\n1,2\n3,4\n5\n"], Form("csv"), "a.csv")

    assert [next(found), next(found)] == AB
    with pytest.raises(Wrong):
        next(found)


def test_a_quote_that_nothing_closes_ends_before_it_fills_the_memory(monkeypatch):
    limit = csv.field_size_limit(131_072)
    monkeypatch.setattr(rows, "LONGEST_ROW", 200_000)
    endless = (b"x" * 1000 + b"\n" for _ in iter(int, 1))

    with pytest.raises(Wrong, match=r"a.csv, line 2 \(byte 4\): a field has more than 200000 characters; is a quote not closed\?"):
        list(rows.read(chain_of(b'a,b\n1,"', endless), Form("csv"), "a.csv"))
    csv.field_size_limit(limit)


def chain_of(first, rest):
    yield first
    yield from rest


@pytest.mark.parametrize(("format", "begin"), [("jsonl", b'"'), ("json", b'["'), ("csv", b"a")])
def test_what_has_no_end_is_refused(monkeypatch, format, begin):
    monkeypatch.setattr(rows, "LONGEST_ROW", 100_000)
    endless = (b"x" * 10_000 for _ in iter(int, 1))

    with pytest.raises(Wrong, match="has more than 100000 characters"):
        list(rows.read(chain_of(begin, endless), Form(format), "a"))


PACKED = gzip.compress(b'{"skipped": ["' + b"x" * 20_000_000 + b'"], "items": [1]}')


def test_what_is_beside_the_pointer_is_not_held_nor_what_was_packed():
    tracemalloc.start()
    found = read(PACKED, "a.json", pointer="/items")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == [1]
    assert peak < 5e6


# However it is written, and however the chunks fall.

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.decimals(allow_nan=False, allow_infinity=False, places=12) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)
ENCODINGS = st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"])


@st.composite
def tables(draw):
    width = draw(st.integers(1, 4))
    header = draw(st.lists(TEXT.filter(bool), min_size=width, max_size=width, unique=True))
    return header, draw(st.lists(st.lists(TEXT, min_size=width, max_size=width), max_size=6))


@st.composite
def dialects(draw):
    quote = draw(st.sampled_from("\"'"))
    ending = draw(st.sampled_from(["\r\n", "\n", "\r"]))
    return {
        "delimiter": draw(st.sampled_from(",;\t|^ ~")),
        "quotechar": quote,
        "lineterminator": ending,
        # csv.writer sees only the characters of its own line ending as one.
        "quoting": draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])) if ending == "\r\n" else csv.QUOTE_ALL,
    }


def chopped(data, size):
    return (data[at : at + size] for at in range(0, len(data), size))


def exact_text(value):
    """JSON with all digits of its numbers."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{exact_text(name)}: {exact_text(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(exact_text, value)) + "]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)


@given(tables(), dialects(), ENCODINGS, st.integers(1, 50), st.booleans())
def test_what_a_writer_of_csv_wrote_is_read_as_it_was(table, dialect, encoding, size, is_packed):
    header, records = table
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([header, *records])
    data = text.getvalue().encode(encoding)
    form = Form("csv", encoding, dialect["delimiter"], dialect["quotechar"], compression="gzip" if is_packed else None)

    found = rows.read(chopped(gzip.compress(data) if is_packed else data, size), form, "a.csv")

    assert list(found) == [dict(zip(header, record, strict=True)) for record in records]


@given(st.lists(JSON), ENCODINGS, st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 50))
def test_json_lines_are_read_as_they_were(items, encoding, ending, size):
    data = "".join(exact_text(item) + ending for item in items).encode(encoding)

    assert list(rows.read(chopped(data, size), Form("jsonl", encoding), "a.jsonl")) == items


@given(st.lists(JSON), JSON, ENCODINGS, st.integers(1, 50))
def test_a_list_is_read_as_it_was_wherever_it_is(items, other, encoding, size):
    data = exact_text({"first": other, "in": [other, {"items": items}], "last": other}).encode(encoding)
    plain = exact_text(items).encode(encoding)

    assert list(rows.read(chopped(data, size), Form("json", encoding, pointer="/in/1/items"), "a.json")) == items
    assert list(rows.read(chopped(plain, size), Form("json", encoding), "a.json")) == items


@given(st.lists(JSON))
def test_what_is_read_passes_through_exact_json(items):
    found = rows.read([exact_text(items).encode()], Form("json"), "a.json")

    for item, read in zip(items, found, strict=True):
        assert exact_json.from_json(json.loads(json.dumps(exact_json.to_json(read)), parse_float=Decimal)) == item


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize(
    "case",
    ["CRLF", "lone CR, as an old Mac", "quotes over lines", "a mark of UTF-8", "UTF-16 LE without a mark", "gzip of two parts and padding"],
)
def test_however_the_chunks_fall_the_rows_are_the_same(case, size):
    name, data, given, expected = WHOLE[case]
    head, chunks = rows.peek(chopped(data, size))

    assert list(rows.read(chunks, rows.detect(head, name, given), name)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("case", [case for case in BROKEN if len(BROKEN[case][1]) < 1000 and "damaged" not in case])
def test_however_the_chunks_fall_the_sentence_is_the_same(case, size):
    name, data, given, sentence = BROKEN[case]

    with pytest.raises(Wrong) as refused:
        head, chunks = rows.peek(chopped(data, size))
        list(rows.read(chunks, rows.detect(head, name, given), name))
    assert str(refused.value) == sentence


@given(st.binary(max_size=300), st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.tsv"]), st.sampled_from(["", "/a", "/0"]))
def test_bytes_of_any_kind_are_rows_or_wrong(data, name, pointer):
    given = {"pointer": pointer} if name == "a.json" else {}
    try:
        read(data, name, **given)
    except Wrong as wrong:
        assert str(wrong).startswith(name)
