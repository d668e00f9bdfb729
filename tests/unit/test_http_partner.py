"""A partner over HTTP: what it is asked, and what becomes of whatever it does, against real servers on 127.0.0.1."""

import datetime
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from handlers import addresses, attempt, clock
from handlers.addresses import AddressRefused
from handlers.http_partner import HttpPartner
from handlers.mapping import PartnerMapping
from handlers.quoting import TransientError
from handlers.secret_values import SecretUnavailable, SecretValues
from tests.partner_server import Step, reply, serving, zipped

SECRET = "sesame-open-4711"
HTTP = {"method": "POST", "headers": {"authorization": "Bearer ${apiKey}"}, "maxBytes": 2_000, "privateHosts": ["127.0.0.1"]}
OFFER = {"offer": {"total": 210.5, "currency": "USD"}, "car": "Yaris"}
ANSWER = {"amount": "offer.total", "currency": "offer.currency", "details": "{car: car}", "decline": "refusal"}
QUOTED = {"responder": "acme", "status": "QUOTED", "amount": "210.5", "currency": "USD", "details": {"car": "Yaris"}}
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE = json.dumps(OFFER).encode()


def read(id_):
    if id_ == "gone":
        raise SecretUnavailable("gone cannot be read: ResourceNotFoundException")
    return {"broken": f"{SECRET}\n"}.get(id_, SECRET)


def partner(url, http=None, *, request=None, answer=ANSWER, secret="key", timeout=5.0, **more):
    secrets = SecretValues({"apiKey": secret}, read)
    return HttpPartner("acme", url, {**HTTP, **(http or {})}, "USD", timeout, PartnerMapping(request, answer), secrets, **more)


def asked(of, retries=0, timeout=5.0, attempts=1):
    """The answer to one question, without its time."""
    question = {
        "requestId": "r1",
        "description": "",
        "data": {"days_rental": 7, "car_type": "small"},
        "recipients": ["acme"],
        "deadlineAt": clock.later(clock.now(), 60),
    }
    answer = attempt.answer(question, attempts, attempt.Limits("acme", timeout, retries), of.ask(question, attempts, 1_000))
    assert answer.pop("respondedAt")
    return answer


@pytest.fixture(scope="module")
def server():
    hostile = {name: steps for name, (steps, _, _) in HOSTILE.items()}
    with serving({f"/{name}": steps for name, steps in {**hostile, **KIND}.items()}) as made:
        yield made


KIND: dict[str, Sequence[Step]] = {
    "plain": reply(OFFER),
    "created": reply(OFFER, "201 Created"),
    "gzip": zipped(WHOLE),
    "in chunks": [CHUNKED, b"%x\r\n%s\r\n" % (10, WHOLE[:10]), 0.02, b"%x\r\n%s\r\n0\r\n\r\n" % (len(WHOLE) - 10, WHOLE[10:])],
    "until it hangs up": [b"HTTP/1.0 200 OK\r\n\r\n" + WHOLE],
    "utf-16": reply(json.dumps(OFFER).encode("utf-16"), headers={"content-type": "application/json; charset=UTF-16"}),
    "latin-1": reply(json.dumps({**OFFER, "car": "Yaris"}).encode("latin-1"), headers={"content-type": 'text/json; charset="iso-8859-1"'}),
    "a byte-order mark": reply(b"\xef\xbb\xbf" + WHOLE),
    "another type": reply(OFFER, headers={"content-type": "text/html"}),
    "drip": [bytes([byte]) for byte in reply(OFFER)[0]],
}

HOSTILE: dict[str, tuple[Sequence[Step], str, str]] = {
    # name: what it sends, the answer's type, the beginning of its message
    "hangs up": ([], "TransientError", "127.0.0.1 gave no reply: RemoteDisconnected"),
    "hangs up in the head": ([b"HTTP/1.1 200 OK\r\ncontent-le"], "InvalidAnswer", "its reply (of no type) is not JSON: ''"),
    "silence": ([10.0], "Timeout", "no answer within 0.3 seconds"),
    "silence in the body": ([b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", 10.0], "Timeout", "no answer within 0.3 seconds"),
    "a drip for ever": ([b"HTTP/1.1 200 OK\r\nx: ", *[b"x", 0.05] * 100], "Timeout", "no answer within 0.3 seconds"),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.6\r\n"], "TransientError", "127.0.0.1 gave no reply: BadStatusLine"),
    "no status": ([b"HTTP/1.1 okay fine\r\n\r\n"], "TransientError", "127.0.0.1 gave no reply: BadStatusLine"),
    "a head without end": ([b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200], "TransientError", "127.0.0.1 gave no reply: HTTPException"),
    "a long header": ([b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n"], "TransientError", "127.0.0.1 gave no reply: LineTooLong"),
    "less than it said": (reply(OFFER, length=500), "TransientError", "127.0.0.1 broke off its reply: IncompleteRead"),
    "more than it said": (reply(OFFER, length=20), "InvalidAnswer", "its reply (application/json) is not JSON"),
    "huge": (reply(b'{"x": "' + b"y" * 3_000 + b'"}'), "TooLarge", "its reply takes more than 2000 bytes, which is its http.maxBytes"),
    "huge without a length": ([b"HTTP/1.1 200 OK\r\n\r\n", *[b"y" * 1_000] * 50], "TooLarge", "its reply takes more than 2000 bytes"),
    "a bomb": (zipped(b"0" * 50_000_000), "TooLarge", "its reply takes more than 2000 bytes"),
    "a zip inside of a zip": (zipped(zipped(WHOLE)[0]), "InvalidAnswer", "its reply is not the utf-8 that it should be"),
    "no gzip": (reply(WHOLE, headers={"content-encoding": "gzip"}), "InvalidAnswer", "its reply cannot be decompressed"),
    "a broken chunk": ([CHUNKED + b"zz\r\n{}\r\n"], "TransientError", "127.0.0.1 broke off its reply: "),
    "half of the chunks": ([CHUNKED + b"50\r\n{"], "TransientError", "127.0.0.1 broke off its reply: "),
    "another charset than it says": (reply("über".encode("latin-1")), "InvalidAnswer", "its reply is not the utf-8 that it should be"),
    "a charset that it is not": (
        reply(b"\xff\xfe{", headers={"content-type": "text/json; charset=utf-8"}),
        "InvalidAnswer",
        "its reply is not the utf-8 that it says that it is",
    ),
    "no charset at all": (
        reply(WHOLE, headers={"content-type": "text/json; charset=klingon"}),
        "InvalidAnswer",
        "its reply is not the klingon that it says that it is",
    ),
    "a redirect elsewhere": (
        reply(b"", "302 Found", {"location": "http://169.254.169.254/latest/meta-data"}),
        "Http302",
        "it redirects to http://169.254.169.254/latest/meta-data; redirects are not followed",
    ),
    "a redirect for good": (reply(b"", "308 Permanent Redirect", {"location": "/plain"}), "Http308", "it redirects to /plain"),
    "a redirect nowhere": (reply(b"", "301 Moved"), "Http301", "it redirects to nowhere"),
    "not modified": ([b"HTTP/1.1 304 Not Modified\r\n\r\n"], "Http304", "it redirects to nowhere"),
    "forbidden, with the key": (
        reply({"youSent": f"Bearer {SECRET}"}, "403 Forbidden"),
        "Http403",
        'it replied 403 Forbidden: {"youSent": "Bearer ***"}',
    ),
    "the key where it is cut": (reply(b"x" * 195 + SECRET.encode(), "400 Bad Request"), "Http400", "it replied 400 Bad Request: xxx"),
    "the key in a redirect": (
        reply(b"", "307 Temporary Redirect", {"location": f"https://x.example/{'y' * 78}{SECRET}"}),
        "Http307",
        "it redirects to https://x.example/y",
    ),
    "the key in its status": ([f"HTTP/1.1 nine {SECRET}\r\n\r\n".encode()], "TransientError", "127.0.0.1 gave no reply: BadStatusLine"),
    "the key as no JSON": (
        reply(f"<b>{SECRET}</b>".encode(), headers={"content-type": "text/html"}),
        "InvalidAnswer",
        "its reply (text/html) is not JSON: '<b>***</b>'",
    ),
    "the key as an amount": (reply({"offer": {"total": SECRET, "currency": "USD"}}), "InvalidAnswer", "amount must be a decimal"),
    "the key as a decline": (reply({"refusal": f"not with {SECRET}"}), "Declined", "not with ***"),
    "an error of its own": (reply({"error": "db"}, "500 Internal Server Error"), "TransientError", "it replied 500 Internal Server Error"),
    "too many": (reply({}, "429 Too Many Requests", {"retry-after": "0"}), "TransientError", "it replied 429 Too Many Requests: {}"),
    "not implemented": (reply({}, "501 Not Implemented"), "Http501", "it replied 501 Not Implemented"),
    "a status of its own": (reply({}, "799 Weird"), "TransientError", "it replied 799"),
    "nothing": (reply(b"", "204 No Content"), "InvalidAnswer", "its reply (application/json) is not JSON: ''"),
    "JSON of another shape": (reply([1]), "InvalidAnswer", "answer.amount (offer.total) finds nothing in the reply"),
    "no number": (reply({"offer": {"total": "cheap", "currency": "USD"}}), "InvalidAnswer", "amount must be a decimal"),
    "less than nothing": (reply({"offer": {"total": -3, "currency": "USD"}}), "InvalidAnswer", "amount must be a decimal"),
    "NaN": (reply(b'{"offer": {"total": NaN, "currency": "USD"}}'), "InvalidAnswer", "amount must be a decimal"),
    "a number without end": (reply(b'{"offer": {"total": ' + b"9" * 1_900 + b"}}"), "InvalidAnswer", "answer.currency"),
    "a depth without end": (reply(b"[" * 1_900), "InvalidAnswer", "its reply (application/json) is not JSON"),
    "another currency": (reply({"offer": {"total": 3, "currency": "EUR"}}), "InvalidAnswer", "currency must be USD"),
    "half of a character": (reply(b'{"refusal": "\\ud83d"}'), "Declined", "?"),
}


def test_there_are_forty_of_them():
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_partner_has_one_readable_answer_and_no_secret_in_it(server, caplog, capsys, name):
    _, kind, message = HOSTILE[name]
    timeout = 0.3 if kind == "Timeout" else 5.0

    answer = asked(partner(f"{server.url}/{name.replace(' ', '%20')}", timeout=timeout), timeout=timeout)

    assert (answer["responder"], answer["error"]["type"]) == ("acme", kind)
    assert answer["error"]["message"].startswith(message)
    assert "\n" not in answer["error"]["message"]
    printed = capsys.readouterr()
    assert not [said for said in (json.dumps(answer), caplog.text, printed.out, printed.err) if "sesame" in said]


@pytest.mark.parametrize("name", KIND)
def test_a_reply_may_have_any_form_that_http_allows(server, name):
    assert asked(partner(f"{server.url}/{name.replace(' ', '%20')}")) == QUOTED


def sent_to(server, **how):
    asked(partner(f"{server.url}/plain?v=1", **how))
    head, _, body = server.asked[-1].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def test_a_partner_gets_the_mapped_question_with_a_secret_in_its_header(server):
    first, headers, body = sent_to(server, request="{days: data.days_rental}")

    assert (first, json.loads(body)) == ("POST /plain?v=1 HTTP/1.1", {"days": 7})
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert headers["host"] == f"127.0.0.1:{server.port}"


def test_with_get_the_question_is_the_query(server):
    first, _, body = sent_to(server, http={"method": "GET"}, request="{days: data.days_rental, kind: [data.car_type], none: data.x}")

    assert (first, body) == ("GET /plain?v=1&days=7&kind=small HTTP/1.1", b"")


def test_a_query_takes_no_objects(server):
    answer = asked(partner(f"{server.url}/plain", {"method": "GET"}, request="{all: data}"))

    assert answer["error"]["message"] == "request gives an object for all, which a query cannot have"


def test_a_body_is_signed_with_its_time(server):
    signing = {"secret": "apiKey", "header": "x-sig", "prefix": "sha256=", "timestampHeader": "x-time"}

    _, headers, body = sent_to(server, http={"hmac": signing})

    signed = headers["x-time"].encode() + b"." + body
    assert headers["x-sig"] == "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("secret", "kind", "message"),
    [
        (
            "broken",
            "InvalidHeader",
            "the header authorization has a character that no header may have, such as a line break at the end of its",
        ),
        ("gone", "SecretUnavailable", "gone cannot be read: ResourceNotFoundException"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_a_failure_that_says_so(server, secret, kind, message):
    answer = asked(partner(f"{server.url}/plain", secret=secret))

    assert answer["error"]["type"] == kind
    assert answer["error"]["message"].startswith(message)
    assert "sesame" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("status", "after", "pauses"),
    [
        ("429 Too Many Requests", "2", [2]),
        ("503 Service Unavailable", "1", [1]),
        ("503 Service Unavailable", "soon", [0]),
        ("429 Too Many Requests", "Mon, 01 Jan 2024 00:00:00 GMT", [0]),
        ("500 Internal Server Error", None, [0]),
    ],
)
def test_it_is_asked_again_no_sooner_than_it_says(monkeypatch, status, after, pauses):
    slept = []
    monkeypatch.setattr(attempt.time, "sleep", slept.append)
    with serving({"/busy": reply({}, status, {"retry-after": after} if after else {})}) as busy, pytest.raises(TransientError):
        asked(partner(f"{busy.url}/busy"), retries=1)

    assert slept == pauses


def test_a_pause_that_its_time_limit_does_not_leave_is_a_failure_at_once():
    with serving({"/busy": reply({}, "429 Too Many Requests", {"retry-after": "120"})}) as busy:
        answer = asked(partner(f"{busy.url}/busy"), retries=5)

    assert answer["error"]["message"].startswith(
        "it asks to be left alone for 120 seconds, which is longer than its time limit of 5 or the deadline leaves: it replied 429"
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_a_name_that_leads_inside_is_refused_after_dns(address):
    of = partner("https://api.partner.example/", resolve=lambda host, port: ["93.184.215.14", address])

    answer = asked(of)

    assert answer["error"] == {
        "type": "AddressRefused",
        "message": f"api.partner.example is at {address}, which is no public address; to "
        "allow it, name api.partner.example in http.privateHosts",
    }


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::808:808"])
def test_a_public_address_is_not_refused(address):
    addresses.check_public("api.partner.example", [address])


def test_an_address_is_refused_in_any_notation():
    with pytest.raises(AddressRefused):
        addresses.check_public("0x7f.1", addresses.resolved("0x7f.1", 443))


def test_what_is_connected_to_is_what_was_checked(server):
    answers = iter([["127.0.0.1"]])
    of = partner(
        f"http://api.partner.example:{server.port}/plain",
        {"privateHosts": ["api.partner.example"]},
        resolve=lambda host, port: next(answers),
    )

    assert asked(of) == QUOTED


def test_another_address_is_tried_where_the_first_is_not_there(server):
    of = partner(
        f"http://api.partner.example:{server.port}/plain",
        {"privateHosts": ["api.partner.example"]},
        resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"],
    )

    assert asked(of) == QUOTED


def test_nobody_there_is_a_passing_fault():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    answer = asked(partner(f"http://127.0.0.1:{port}/"))

    assert answer["error"]["type"] == "TransientError"
    assert answer["error"]["message"].startswith("127.0.0.1 cannot be reached: ConnectionRefusedError")


def test_a_name_that_nobody_has_is_a_passing_fault():
    answer = asked(partner("https://nobody.invalid/"))

    assert answer["error"]["message"].startswith("nobody.invalid cannot be resolved: ")


@pytest.fixture
def over_tls(tmp_path):
    """A server whose certificate is for api.partner.example, signed by itself; and the file of that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("api.partner.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with serving({"/plain": reply(OFFER)}, context) as server:
        yield server, file


def of_tls(server, host):
    return asked(partner(f"https://{host}:{server.port}/plain", {"privateHosts": [host]}, resolve=lambda *_: ["127.0.0.1"]))


def test_a_certificate_that_nobody_signed_is_refused_and_nothing_is_sent(over_tls):
    server, _ = over_tls

    answer = of_tls(server, "api.partner.example")

    assert answer["error"]["type"] == "TlsError"
    assert answer["error"]["message"].startswith("api.partner.example cannot be trusted: SSLCertVerificationError")
    assert server.asked == []


@pytest.mark.parametrize(("host", "kind"), [("api.partner.example", None), ("other.example", "TlsError")])
def test_a_certificate_is_the_names_though_the_address_is_connected_to(over_tls, monkeypatch, host, kind):
    server, file = over_tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    assert of_tls(server, host).get("error", {}).get("type") == kind
