"""The rows of a data set, read as a stream: JSON (a list), JSON Lines and CSV, in any of the usual encodings, gzip or not. Pure.

`detect` says from the beginning what a file is, `read` gives its rows. What cannot be told, or is not whole, raises `Wrong`: one sentence
with the line (from 1) and the byte (from 0; of the uncompressed bytes). Nothing is guessed that would change a row without a word: a
value of CSV stays the text that it is, a number of JSON keeps all its digits.
"""

import codecs
import csv
import io
import itertools
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, DecimalException
from typing import Any, Protocol, runtime_checkable

HEAD_BYTES = 65_536
"""What `detect` looks at."""

CHUNK_BYTES = 262_144

LONGEST_ROW = 16_777_216
"""Characters. An execution takes 262,144 bytes, so a row this long is a quote or a bracket that nothing closes; it ends the reading before
it fills the memory."""

DEEPEST = 1_000
"""Levels of what a pointer passes by."""

LARGEST_EXPONENT = 9_999
"""What `exact_json.NUMBER` knows: a number beyond it would not arrive as one."""

ENDINGS = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
FORMATS = {"json": "a JSON list", "jsonl": "JSON Lines", "csv": "CSV"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
ENCODINGS = re.compile(r"utf-8|utf-16-[lb]e|latin-1|iso-8859-\d+|windows-125\d")
"""In these a text has one spelling in bytes, so that a place in the text is a place in the file."""

GZIP = b"\x1f\x8b"
FOREIGN = {
    GZIP: "gzip within gzip",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "Parquet",
    b"Obj\x01": "Avro",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
}


class Wrong(ValueError):
    """The file is not what it should be; the message is one sentence that names the file, the line, the byte and what would do."""


@runtime_checkable
class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Form:
    """What a file is. `delimiter`, `quote` and `header` are of CSV, `pointer` is of JSON."""

    format: str
    """json, jsonl or csv."""
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str | None = '"'
    """None: a quote is a character like any other."""
    header: bool | tuple[str, ...] = True
    """True: the first row names the columns; otherwise their names, and the first row is one of them all."""
    pointer: str = ""
    """Where in the file its list is (RFC 6901); empty: the file is the list."""
    compression: str | None = None
    """gzip."""

    def __str__(self) -> str:
        """For people: CSV, separated by semicolons, in UTF-16 LE, gzip."""
        said = [FORMATS[self.format]]
        if self.format == "csv":
            said.append(f"separated by {DELIMITERS.get(self.delimiter, repr(self.delimiter))}")
            if self.quote != '"':
                said.append(f"quoted by {self.quote}" if self.quote else "without quotes")
            if self.header is not True:
                said.append("without a header")
        if self.format == "json" and self.pointer:
            said[0] += f" at {self.pointer}"
        return ", ".join([*said, f"in {_label(self.encoding)}", *([self.compression] if self.compression else [])])

    def facts(self) -> dict[str, Any]:
        """The fields that say something of this format, for JSON."""
        of_format = {"csv": ["delimiter", "quote", "header"], "json": ["pointer"], "jsonl": []}[self.format]
        facts = {name: getattr(self, name) for name in ("format", "encoding", *of_format, "compression")}
        return {name: value for name, value in facts.items() if value or name == "quote"}


def peek(source: Iterable[bytes] | Readable) -> tuple[bytes, Iterator[bytes]]:
    """The head for `detect`, and all chunks of the source, the head included, for `read`. Holds the head alone."""
    chunks = _chunks(source)
    head: list[bytes] = []
    size = 0
    for chunk in chunks:
        head.append(chunk)
        size += len(chunk)
        if size >= HEAD_BYTES:
            break
    return b"".join(head)[:HEAD_BYTES], itertools.chain(head, chunks)


def detect(head: bytes, name: str, given: Mapping[str, Any]) -> Form:
    """What a file is, from its first HEAD_BYTES and the ending of its name. given: fields of `Form`, as people write them; None is not
    given. What is given wins. Raises Wrong where it contradicts the file, and for what cannot be told.

    An encoding of single bytes must be given: any file is text in each of them, so that a wrong one would change names without a word.
    """
    given = _checked({field: value for field, value in given.items() if value is not None}, name)
    is_whole = len(head) < HEAD_BYTES
    compression = "gzip" if head.startswith(GZIP) else None
    if given.get("compression", compression) != compression:
        raise Wrong(f"{name} is not gzip, as is given")
    if compression:
        head, is_whole = _head_of_gzip(head, name)
    for magic, what in FOREIGN.items():
        if head.startswith(magic):
            raise Wrong(f"{name} is {what}, which is not read: {' or '.join(FORMATS)} in UTF-8 or UTF-16, plain or gzip, is")
    encoding = _encoding(head, name, given.get("encoding"))
    text = _head_text(head, name, encoding)
    format = given.get("format") or _format(text, name)
    of_json, of_csv = given.get("pointer"), [field for field in ("delimiter", "quote", "header") if field in given]
    if of_json and format != "json":
        raise Wrong(f"{name}: a pointer leads into json, and the format is {format}")
    if of_csv and format != "csv":
        raise Wrong(f"{name}: {of_csv[0]} is for csv, and the format is {format}")
    if format != "csv":
        return Form(format, encoding, pointer=of_json or "", compression=compression)
    header = given.get("header", True)
    quote = given["quote"] if "quote" in given else _quote(text)
    delimiter = _delimiter(text, is_whole, name, Form(format, encoding, given.get("delimiter", ""), quote or None, header))
    return Form(format, encoding, delimiter, quote or None, header, compression=compression)


def read(source: Iterable[bytes] | Readable, form: Form, name: str) -> Iterator[Any]:
    """The rows, one after the other. CSV: dicts of strings, blank lines left out; JSON: what is there, whole numbers as int, others as
    Decimal. Raises Wrong where the file is not of this form, after the rows before that place."""
    texts = _texts(_chunks(source), form, name)
    if form.format == "csv":
        return _csv(texts, form)
    return _json_lines(texts) if form.format == "jsonl" else _json_list(texts, form, name)


# What is given.


def _checked(given: dict[str, Any], name: str) -> dict[str, Any]:
    known = [field.name for field in fields(Form)]
    for field, value in given.items():
        if field not in known:
            raise Wrong(f"{name}: {field} is not known; {', '.join(known)} are")
        if field != "header" and not isinstance(value, str):
            raise Wrong(f"{name}: {field} must be a string, not {value!r}")
    checked = dict(given)
    if given.get("format", "json") not in FORMATS:
        raise Wrong(f"{name}: format must be {' or '.join(FORMATS)}, not {given['format']}")
    if given.get("compression", "gzip") != "gzip":
        raise Wrong(f"{name}: compression must be gzip, not {given['compression']}")
    if "encoding" in given:
        checked["encoding"] = _known_encoding(given["encoding"], name)
    if "delimiter" in given:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(given["delimiter"], given["delimiter"])
        if len(delimiter) != 1 or delimiter in '\r\n\0"':
            raise Wrong(f'{name}: delimiter must be one character other than ", or tab, not {given["delimiter"]!r}')
        checked["delimiter"] = delimiter
    if len(given.get("quote", "")) > 1 or given.get("quote", "") in ("\r", "\n", "\0", checked.get("delimiter", "\n")):
        raise Wrong(f"{name}: quote must be one character other than the delimiter, or empty for none, not {given['quote']!r}")
    pointer = given.get("pointer", "")
    if pointer and (not pointer.startswith("/") or re.search(r"~(?![01])", pointer)):
        raise Wrong(f"{name}: pointer must be a JSON pointer such as /items (RFC 6901), not {pointer}")
    if given.get("header", True) is not True:
        checked["header"] = _names(given["header"], name)
    return checked


def _names(header: Any, name: str) -> tuple[str, ...]:
    if not isinstance(header, (list, tuple)) or not header or not all(isinstance(column, str) for column in header):
        raise Wrong(f"{name}: header must be true, or the names of the columns where the file has none, not {header!r}")
    if trouble := _trouble_of_header(header):
        raise Wrong(f"{name}: the given header {trouble}")
    return tuple(header)


def _known_encoding(given: str, name: str) -> str:
    """One name for each encoding, which is utf-16 where the byte order is to be found."""
    try:
        found = codecs.lookup(given).name
    except LookupError:
        found = given
    known = {"utf-8-sig": "utf-8", "ascii": "utf-8", "iso8859-1": "latin-1"}.get(found) or re.sub(
        r"^iso8859", "iso-8859", re.sub(r"^cp125", "windows-125", found)
    )
    if known != "utf-16" and not ENCODINGS.fullmatch(known):
        raise Wrong(
            f"{name}: encoding must be utf-8, utf-16-le, utf-16-be, latin-1, iso-8859-2 to -16 or windows-1250 to -1258, not {given}"
        )
    return known


def _label(encoding: str) -> str:
    kind, _, rest = encoding.partition("-")
    return {"utf": f"UTF-{rest.upper().replace('-', ' ')}", "iso": encoding.upper()}.get(kind, encoding.capitalize())


# What is found.


def _head_of_gzip(head: bytes, name: str) -> tuple[bytes, bool]:
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = unzip.decompress(head, HEAD_BYTES)
    except zlib.error as error:
        raise _Place(name, "utf-8").wrong(_gzip_trouble(error)) from None
    return text, unzip.eof


def _encoding(head: bytes, name: str, given: str | None) -> str:
    marked = next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None)
    if given == "utf-16":
        found = marked or _utf_16_by_zeros(head)
        if found is None:
            raise Wrong(f"{name} does not say its byte order: give utf-16-le or utf-16-be as its encoding")
        given = found if found != "utf-8" else given
    if marked and given not in (None, marked):
        raise Wrong(f"{name} begins with the byte-order mark of {_label(marked)}, and {_label(str(given))} is given as its encoding")
    return given or marked or _utf_16_by_zeros(head) or "utf-8"


def _utf_16_by_zeros(head: bytes) -> str | None:
    """Without a mark, the zeros of Latin letters say it: they are half of the bytes on one side or more, and few on the other. Where they
    are fewer the file is taken for UTF-8, in which none is allowed."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if not even + odd or max(even, odd) * 4 < len(head) or min(even, odd) * 4 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _head_text(head: bytes, name: str, encoding: str) -> str:
    text, trouble = _decoded(codecs.getincrementaldecoder(encoding)(), encoding, head)
    text = text.removeprefix("\ufeff")
    if trouble:
        raise _Place(name, encoding).after(text).wrong(trouble)
    return text


def _format(text: str, name: str) -> str:
    parts = name.lower().removesuffix(".gz").rpartition(".")
    format = ENDINGS.get(f".{parts[2]}")
    if format is None:
        raise Wrong(f"{name} does not end in {', '.join(ENDINGS)}, with or without .gz: give its format, {' or '.join(FORMATS)}")
    if format == "csv" and re.match(r'\s*(\[\s*)?\{\s*"', text):
        raise Wrong(f"{name} begins like JSON: give its format, {' or '.join(FORMATS)}")
    return format


def _quote(text: str) -> str:
    """Single quotes, where they stand around the names of the header and no double ones are in it."""
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "").strip()
    return "'" if len(first) > 1 and first[0] == first[-1] == "'" and '"' not in first else '"'


def _delimiter(text: str, is_whole: bool, name: str, form: Form) -> str:
    """`form.delimiter` where it is given, otherwise the only one that fits; a comma where there is none, in one column."""
    said = SEP.match(text)
    if said:
        if form.delimiter not in ("", said[1]):
            raise Wrong(f"{name} says {said[0].strip()} in its first line, and {form.delimiter!r} is given as its delimiter")
        return said[1]
    given = form.delimiter
    first = {each: len(_records(text, is_whole, each, form.quote)[0]) for each in {**DELIMITERS, given: ""} if each}
    seen = [each for each in DELIMITERS if first[each] > 1]
    if given:
        if first[given] == 1 and seen and form.header is True:
            raise Wrong(f"{name}: {given!r} is given as the delimiter; its header has none of them, but has {_or(seen)}: give that")
        return given
    width = len(form.header) if isinstance(form.header, tuple) else None
    fitting = [each for each in seen if _fits(_records(text, is_whole, each, form.quote), width or first[each])]
    for candidates in (fitting, seen):
        if len(candidates) == 1:
            return candidates[0]
        if candidates and width != 1:
            raise Wrong(f"{name} may be separated by {_or(candidates)}: give its delimiter")
    return ","


SEP = re.compile(r'"?sep=([^\r\n])"?(?:\r\n|[\r\n]|$)', re.IGNORECASE)
"""The first line as Excel reads and writes it."""


def _or(delimiters: list[str]) -> str:
    return " or by ".join(DELIMITERS[each] for each in delimiters)


def _records(text: str, is_whole: bool, delimiter: str, quote: str | None) -> list[list[str]]:
    """At least one; the last is left out where it may go on after the head."""
    try:
        records = [record for record in csv.reader(io.StringIO(text, newline=""), **_dialect(delimiter, quote), strict=False) if record]
    except csv.Error:
        return [[]]
    return (records if is_whole or len(records) < 2 else records[:-1]) or [[]]


def _fits(records: list[list[str]], width: int) -> bool:
    return width > 1 and all(len(record) == width for record in records)


def _dialect(delimiter: str, quote: str | None) -> dict[str, Any]:
    quoting = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    return {"delimiter": delimiter, "doublequote": True, **quoting}


# From bytes to text.


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    encoding: str
    byte: int = 0
    line: int = 1

    def after(self, text: str) -> "_Place":
        """The place behind a text that begins here and does not end between CR and LF."""
        lines = text.count("\n") + text.count("\r") - text.count("\r\n")
        return _Place(self.name, self.encoding, self.byte + len(text.encode(self.encoding)), self.line + lines)

    def wrong(self, what: str) -> Wrong:
        return Wrong(f"{self.name}, line {self.line} (byte {self.byte}): {what}")


_Texts = Iterator[tuple[_Place, str]]


def _chunks(source: Iterable[bytes] | Readable) -> Iterator[bytes]:
    if not isinstance(source, Readable):
        yield from source
        return
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _texts(chunks: Iterator[bytes], form: Form, name: str) -> _Texts:
    """The text in pieces, each with its place; none ends between CR and LF, nor has a mark at its beginning."""
    decoder = codecs.getincrementaldecoder(form.encoding)()
    place = _Place(name, form.encoding)
    held = ""
    pieces = _unzipped(chunks) if form.compression else chunks
    while True:
        broken = None
        try:
            piece = next(pieces, None)
        except (EOFError, zlib.error) as error:
            piece, broken = None, _gzip_trouble(error)
        # Where the bytes break off, half a character is no trouble of its own.
        text, trouble = ("", broken) if broken else _decoded(decoder, form.encoding, piece or b"", is_last=piece is None)
        text, held = held + text, ""
        if text.endswith("\r") and piece is not None and not trouble:
            text, held = text[:-1], "\r"
        if not place.byte and text.startswith("\ufeff"):
            place, text = place.after("\ufeff"), text[1:]
        if text:
            yield place, text
            place = place.after(text)
        if trouble:
            raise place.wrong(trouble)
        if piece is None:
            return


def _decoded(decoder: codecs.IncrementalDecoder, encoding: str, data: bytes, is_last: bool = False) -> tuple[str, str | None]:
    """The text up to the first byte that is none, and what is wrong with that."""
    try:
        text, trouble = decoder.decode(data, is_last), None
    except UnicodeDecodeError as error:
        text = error.object[: error.start].decode(encoding)
        trouble = f"the byte 0x{error.object[error.start]:02X} is not {_label(encoding)}"
        if error.reason in ("unexpected end of data", "truncated data"):
            trouble = "the file ends within a character"
        elif encoding == "utf-8":
            trouble += "; where the file is Latin-1 or Windows-1252, give that as its encoding"
    end = text.find("\0")
    if end < 0:
        return text, trouble
    hint = "; where the file is UTF-16, give utf-16-le or utf-16-be as its encoding" if encoding == "utf-8" else ""
    return text[:end], f"there is a NUL character, which is no text{hint}"


def _unzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """At most CHUNK_BYTES at once, however well they were packed. EOFError where they break off, zlib.error where they are damaged."""
    unzip = None
    is_first = True
    for chunk in chunks:
        # Behind one file another may follow, or zeros that fill a block.
        chunk = chunk if unzip or is_first else chunk.lstrip(b"\0")
        is_first = False
        is_more = bool(chunk)
        while is_more:
            unzip = unzip or zlib.decompressobj(zlib.MAX_WBITS | 16)
            data = unzip.decompress(chunk, CHUNK_BYTES)
            yield data
            if unzip.eof:
                chunk, unzip = unzip.unused_data.lstrip(b"\0"), None
                is_more = bool(chunk)
            else:
                chunk = unzip.unconsumed_tail
                is_more = bool(chunk) or len(data) == CHUNK_BYTES
    if unzip:
        raise EOFError


def _gzip_trouble(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip data ends early; the file is not whole"
    return f"the gzip data is damaged after this place ({str(error).rpartition(': ')[2]})"


def _lines(texts: _Texts) -> _Texts:
    """Whole lines, many at once."""
    rest, place = "", None
    for at, text in texts:
        place = place or at
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        if end:
            yield place, rest + text[:end]
            rest, place = text[end:], at.after(text[:end])
        else:
            rest += text
            if len(rest) > LONGEST_ROW:
                raise place.wrong(f"the line has more than {LONGEST_ROW} characters")
    if place and rest:
        yield place, rest


# CSV.


def _csv(texts: _Texts, form: Form) -> Iterator[dict[str, str]]:
    # What the row that is being read reaches back to; a place is worked out only where something is wrong.
    blocks: list[tuple[_Place, str]] = []
    done = 0

    def lines() -> Iterator[str]:
        for place, text in _lines(texts):
            while len(blocks) > 1 and blocks[1][0].line <= done + 1:
                del blocks[0]
            blocks.append((place, text))
            each = io.StringIO(text, newline="")
            said = SEP.match(text)
            if place.line == 1 and said and said[1] == form.delimiter:
                next(each)
                yield "\n"
            yield from each

    def wrong(what: str) -> Wrong:
        place, text = next(block for block in reversed(blocks) if block[0].line <= done + 1)
        before = itertools.islice(io.StringIO(text, newline=""), done + 1 - place.line)
        return place.after("".join(before)).wrong(what)

    # Of the whole process; it is never less than what others need.
    csv.field_size_limit(max(LONGEST_ROW, csv.field_size_limit()))
    records = csv.reader(lines(), **_dialect(form.delimiter, form.quote), strict=True)
    header = () if form.header is True else tuple(form.header or ())
    is_first = True
    try:
        for record in records:
            if record:
                if is_first:
                    is_first = False
                    if tuple(record) == header:
                        raise wrong("the first row is the given header itself: the file has one, so give none")
                    if form.header is True:
                        if trouble := _trouble_of_header(record):
                            raise wrong(f"the header {trouble}")
                        header = tuple(record)
                        done = records.line_num
                        continue
                if len(record) != len(header):
                    raise wrong(f"the row has {_count(record)}, and the header has {_count(header)}")
                yield dict(zip(header, record, strict=True))
            done = records.line_num
    except csv.Error as error:
        raise wrong(_csv_trouble(error, form)) from None


def _count(of: Sequence[str]) -> str:
    return "1 field" if len(of) == 1 else f"{len(of)} fields"


def _csv_trouble(error: csv.Error, form: Form) -> str:
    message = str(error)
    if message.startswith("unexpected end"):
        return "a quote is opened in this row and never closed"
    if message.startswith("field larger"):
        return f"a field has more than {LONGEST_ROW} characters; is a quote not closed?"
    if "expected after" in message:
        return f"in this row a closing quote {form.quote} is followed by something else than {form.delimiter!r} or the end of the line"
    return f"the row is not CSV: {message}"


def _trouble_of_header(names: Iterable[str]) -> str | None:
    columns = list(names)
    empty = [str(number) for number, column in enumerate(columns, start=1) if not column]
    twice = (
        list(dict.fromkeys(column for column in columns if column and columns.count(column) > 1))
        if len(set(columns)) < len(columns)
        else []
    )
    told = []
    if empty:
        told.append(f"has no name for column {', '.join(empty)}")
    if twice:
        told.append(f"names {', '.join(twice)} more than once")
    return " and ".join(told)[:500] or None


# JSON.


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has the name {next(name for name in names if names.count(name) > 1)[:100]!r} more than once")
    return found


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except DecimalException:
        number = None
    if number is None or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise ValueError(f"the number {text[:40]} is beyond 1E+{LARGEST_EXPONENT} or 1E-{LARGEST_EXPONENT}")
    return number


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number in JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_decimal, parse_constant=_no_number)
SPACE = " \t\r\n"
SPACES = re.compile(f"[{SPACE}]*")
ESCAPES = re.compile(r"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(?P<half>u[dD][89a-fA-F]\w\w)|.)", re.DOTALL)


NO_JSON = "this is not JSON: "
OPEN_STRING = f"{NO_JSON}unterminated string"


def _json_trouble(error: Exception, at: int) -> tuple[str, int]:
    """What to say, and where; `at` is where the value begins."""
    if isinstance(error, RecursionError):
        return "the item is nested too deeply", at
    if isinstance(error, json.JSONDecodeError):
        message = error.msg.removesuffix(" at")
        return f"{NO_JSON}{message[0].lower()}{message[1:]}", error.pos
    if str(error).startswith("Exceeds the limit"):
        return f"a whole number has more than {sys.get_int_max_str_digits()} digits", at
    return str(error), at


def _half_character(text: str, start: int, end: int) -> int | None:
    """Where an escape stands for half a character. What is JSON has backslashes in its strings only."""
    if text.find("\\u", start, end) < 0:
        return None
    return next((escape.start() for escape in ESCAPES.finditer(text, start, end) if escape["half"]), None)


HALF_CHARACTER = "this escape is half of a character (a lone surrogate), which is no text"


def _json_lines(texts: _Texts) -> Iterator[Any]:
    decode = DECODER.raw_decode
    for place, text in _lines(texts):
        lines = io.StringIO(text, newline="")
        for line in lines:
            value = line.strip(SPACE)
            if not value:
                continue
            try:
                item, end = decode(value)
                trouble = (HALF_CHARACTER, half) if (half := _half_character(value, 0, end)) is not None else None
                if end < len(value):
                    trouble = "the line goes on after its value", end
            except (ValueError, RecursionError) as error:
                item, trouble = None, _json_trouble(error, 0)
            if trouble:
                what, at = trouble
                begin = lines.tell() - len(line.lstrip(SPACE))
                raise place.after(text[: begin + at]).wrong(what)
            yield item


def _json_list(texts: _Texts, form: Form, name: str) -> Iterator[Any]:
    document = _Document(texts, _Place(name, form.encoding))
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in form.pointer.split("/")[1:]]
    yield from _items(document, tokens, form.pointer)
    if document.char():
        raise document.wrong("the file goes on after its end" if tokens else "the file goes on after the end of its list")


def _items(document: "_Document", tokens: list[str], pointer: str) -> Iterator[Any]:
    """Of the list to which the tokens lead from here; what is beside the way is passed by."""
    opening = document.char()
    if not tokens:
        if opening != "[":
            raise document.wrong(_no_list(opening, pointer))
        for _ in document.members():
            yield document.value()
        return
    token, *inner = tokens
    if not opening or opening not in "[{":
        raise document.wrong(f"the pointer {pointer} leads into something that is neither an object nor a list")
    begin = document.place()
    is_found = False
    for member in document.members():
        if str(member) != token:
            document.skip()
        elif is_found:
            raise document.wrong(f"the name {token} of the pointer {pointer} is there more than once")
        else:
            is_found = True
            yield from _items(document, inner, pointer)
    if not is_found:
        raise begin.wrong(f"there is no {token or 'empty name'} here, as the pointer {pointer} says")


def _no_list(opening: str, pointer: str) -> str:
    if pointer:
        return f"the pointer {pointer} does not lead to a list"
    if opening == "{":
        return (
            "there is an object, not a list: give the pointer of the list in it, such as /items, or the format jsonl for one item per line"
        )
    return "there is no list of items, which begins with [; for one item per line give the format jsonl" if opening else "the file is empty"


class _Document:
    """A JSON text of which a part is held: from where the reading is, as far as was needed."""

    def __init__(self, texts: _Texts, place: _Place) -> None:
        self._texts = texts
        self._text = ""
        self._start = place
        self._at = 0
        self._is_all = False

    def place(self, at: int | None = None) -> _Place:
        return self._start.after(self._text[: self._at if at is None else at])

    def wrong(self, what: str, at: int | None = None) -> Wrong:
        return self.place(at).wrong(what)

    def char(self) -> str:
        """The next one that is no space; empty at the end."""
        while True:
            self._at = _end(SPACES, self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if self._is_all:
                return ""
            self._more()

    def members(self) -> Iterator[str | int]:
        """Goes through the object or the list that begins here: the name or the index of each value, which has to be taken, or skipped."""
        closing = CLOSING[self._text[self._at]]
        self._at += 1
        if self.char() == closing:
            self._at += 1
            return
        for index in itertools.count():
            yield index if closing == "]" else self._name()
            char = self.char()
            self._at += 1
            if char == closing:
                return
            if char != ",":
                self._at -= 1
                raise self.wrong(f"there must be a comma or {closing} here" if char else f"the JSON ends early: {closing} is missing")
            self.char()

    def value(self) -> Any:
        """The one that begins here, whole."""
        while True:
            text, at = self._text, self._at
            try:
                value, end = DECODER.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                what, where = _json_trouble(error, at)
                if self._is_all and (where >= len(text) or what.startswith(OPEN_STRING)):
                    raise self.wrong("the JSON ends early", len(text)) from None
                if self._is_all or not _may_be_unfinished(error, text):
                    raise self.wrong(what, where) from None
            else:
                # What is near the end may go on: 1 before .5, and before e+5.
                if end + len("e+") < len(text) or self._is_all:
                    if (half := _half_character(text, at, end)) is not None:
                        raise self.wrong(HALF_CHARACTER, half)
                    self._at = end
                    return value
            if len(text) - at > LONGEST_ROW:
                raise self.wrong(f"the item has more than {LONGEST_ROW} characters")
            self._more()

    def skip(self) -> None:
        """Goes past the value that begins here, by its strings and brackets alone, and holds none of it."""
        open: list[str] = []
        while True:
            char = self.char()
            if not char:
                raise self.wrong(f"the JSON ends early: {open[-1]} is missing" if open else "the JSON ends early")
            if char == '"':
                self._skip_string()
            elif char in CLOSING:
                open.append(CLOSING[char])
                self._at += 1
            elif char in "]}":
                if not open or open.pop() != char:
                    raise self.wrong(f"this {char} closes nothing")
                self._at += 1
            elif not open:
                self.value()
            if not open:
                return
            if len(open) > DEEPEST:
                raise self.wrong("this is nested too deeply")
            self._at = _end(FLAT, self._text, self._at)

    def _name(self) -> str:
        if self._text[self._at : self._at + 1] != '"':
            raise self.wrong("there must be a name in quotes here" if self.char() else "the JSON ends early")
        name = self.value()
        if self.char() != ":":
            raise self.wrong("there must be a colon here" if self.char() else "the JSON ends early")
        self._at += 1
        self.char()
        return name

    def _skip_string(self) -> None:
        self._at += 1
        while True:
            self._at = _end(IN_STRING, self._text, self._at)
            if self._text.startswith('"', self._at):
                self._at += 1
                return
            # The end of what is held, before a backslash that is its last character.
            if self._is_all:
                raise self.wrong("the JSON ends early, within a string")
            self._more()

    def _more(self) -> None:
        """As much again as is held at least, so that a long value is not tried often."""
        self._start = self.place()
        parts = [self._text[self._at :]]
        size = wanted = len(parts[0])
        self._at = 0
        while size <= 2 * wanted:
            _, text = next(self._texts, (None, None))
            if text is None:
                self._is_all = True
                break
            parts.append(text)
            size += len(text)
        self._text = "".join(parts)


CLOSING = {"{": "}", "[": "]"}
FLAT = re.compile(r'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
"""What has no brackets: strings that are whole, and all between them."""
IN_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


def _end(of: re.Pattern[str], text: str, at: int) -> int:
    match = of.match(text, at)
    return match.end() if match else at


LONGEST_TOKEN = len("\\ud83d\\ude00")


def _may_be_unfinished(error: Exception, text: str) -> bool:
    """Whether a value may be JSON once more of the text is there: a string is open, or the trouble is a token that the end cuts."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - LONGEST_TOKEN
