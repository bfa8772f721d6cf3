"""The direct transport against a server that misbehaves on purpose."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from persisty.aws import http_connections as http
from persisty.aws import retries
from persisty.aws.sigv4 import Credentials
from persisty.backends.dynamodb.direct_transport import DirectTransport
from persisty.backends.dynamodb.engine import connect
from persisty.backends.dynamodb.transport import AwsError
from persisty.backoff import ATTEMPTS, BACKOFF, BACKOFF_CAP, backoff
from persisty.errors import BackendUnavailable, PersistyError, Throttled

from .scripted import Reply, Scripted, answer, hang_up, raw, refusal, scripted, silence, then_hang_up

ITEM = {"Item": {"id": {"S": "1"}}}
GET: dict[str, Any] = {"TableName": "t", "Key": {"id": {"S": "1"}}}


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Records the transport's pauses instead of waiting."""
    waits: list[float] = []
    monkeypatch.setattr(retries, "sleep", waits.append)
    return waits


def direct(server: Scripted) -> DirectTransport:
    return DirectTransport(server.endpoint, "eu-west-1", lambda: Credentials("id", "secret"))


def test_a_response_is_decoded_and_its_connection_reused(slept: list[float]) -> None:
    with scripted(answer(ITEM), answer({})) as server:
        client = direct(server)
        assert client.call("GetItem", GET) == ITEM
        assert client.call("GetItem", GET) == {}
        assert (server.connections, slept) == (1, [])
        head, body = server.requests[0]
        assert "X-Amz-Target: DynamoDB_20120810.GetItem" in head
        assert body == GET
        client.close()


def test_a_refusal_is_raised_with_its_whole_body_and_not_retried() -> None:
    refused = refusal("ConditionalCheckFailedException", "The conditional request failed", Item=ITEM["Item"])
    with scripted(refused) as server:
        with pytest.raises(AwsError) as caught:
            direct(server).call("PutItem", {})
        assert (caught.value.kind, caught.value.message) == (
            "ConditionalCheckFailedException",
            "The conditional request failed",
        )
        assert caught.value.body["Item"] == ITEM["Item"]
        assert not caught.value.in_doubt
        assert len(server.requests) == 1


PASSING: dict[str, Reply] = {
    "throttled": refusal("ProvisionedThroughputExceededException"),
    "throttled, whole account": refusal("ThrottlingException"),
    "another transaction": refusal("TransactionInProgressException"),
    "internal error": refusal("InternalServerError", status=500),
    "unavailable": refusal("ServiceUnavailable", status=503),
    "an unknown 500": refusal("Novelty", status=500),
    "a proxy's page": answer(b"<html>Bad gateway</html>", 502),
    "closed before the answer": hang_up,
    "closed in the head": raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "closed in the body": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"Item"'),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "no status": raw(b"HTTP/1.1\r\n\r\n"),
    "a length that is no number": raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"),
    "a negative length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
    "an absurd length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}"),
    "a head without end": raw(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000),
    "a checksum that is no number": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amz-crc32: no\r\n\r\n{}"),
    "a wrong checksum": answer(ITEM, checksum=1),
    "half a JSON": answer(b'{"Item": {'),
    "JSON that is no object": answer(b"[1]"),
    "JSON that is no Unicode": answer(b'{"a": "\xff"}'),
}
"""Faults that pass, each of which another attempt repairs."""


@pytest.mark.parametrize("fault", PASSING)
def test_a_transient_fault_is_retried_after_a_wait(fault: str, slept: list[float]) -> None:
    with scripted(PASSING[fault], PASSING[fault], answer(ITEM)) as server:
        assert direct(server).call("GetItem", GET) == ITEM
        assert len(server.requests) == 3
        assert len(slept) == 2
        assert {tuple(sorted(body)) for _, body in server.requests} == {("Key", "TableName")}


@pytest.mark.parametrize("fault", PASSING)
def test_a_permanent_fault_raises_a_typed_error_with_its_cause(fault: str) -> None:
    with scripted(*[PASSING[fault]] * (ATTEMPTS + 1)) as server:
        with pytest.raises(PersistyError) as caught:
            direct(server).call("GetItem", GET)
        throttle = "throttled" in fault or "transaction" in fault
        assert type(caught.value) is (Throttled if throttle else BackendUnavailable)
        assert len(server.requests) == ATTEMPTS
        assert caught.value.__cause__ is not None or "checksum" in fault


def test_requests_are_sent_together_before_the_first_response_is_read() -> None:
    with scripted(*[answer(ITEM)] * 3) as server:
        client = direct(server)
        waits = [client.begin("GetItem", GET) for _ in range(3)]
        deadline = time.monotonic() + 5
        while len(server.requests) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(server.requests) == 3
        assert [wait() for wait in waits] == [ITEM] * 3
        assert server.connections == 3
        client.close()


@pytest.mark.parametrize("fault", PASSING)
def test_a_pipelined_request_is_retried_like_a_call(fault: str, slept: list[float]) -> None:
    with scripted(PASSING[fault], PASSING[fault], answer(ITEM)) as server:
        assert direct(server).begin("GetItem", GET)() == ITEM
        assert len(server.requests) == 3
        assert len(slept) == 2


def test_a_write_that_has_begun_and_is_not_to_be_sent_again_is_in_doubt() -> None:
    with scripted(hang_up, answer({})) as server:
        wait = direct(server).begin("PutItem", GET, once=True)
        with pytest.raises(BackendUnavailable) as caught:
            wait()
        assert caught.value.details == {"in_doubt": True}
        assert len(server.requests) == 1


def test_a_request_that_cannot_be_sent_raises_when_the_response_is_read() -> None:
    with socket.socket() as bound:  # no connection to it is accepted
        bound.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{bound.getsockname()[1]}"
        wait = DirectTransport(endpoint, "eu-west-1", lambda: Credentials("id", "secret")).begin(
            "PutItem", GET, once=True
        )
        with pytest.raises(BackendUnavailable) as caught:
            wait()
    assert caught.value.details == {}


def test_a_silent_server_times_out_and_the_request_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.1)
    with scripted(silence(1), answer(ITEM)) as server:
        assert direct(server).call("GetItem", GET) == ITEM


def test_a_reused_connection_that_times_out_is_not_treated_as_stale(
    monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.1)
    with scripted(answer({}), silence(1), answer(ITEM)) as server:
        client = direct(server)
        client.call("GetItem", GET)
        assert client.call("GetItem", GET) == ITEM
        assert len(slept) == 1


def test_a_closed_port_is_backend_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(BackendUnavailable):
        DirectTransport(f"http://127.0.0.1:{port}", "eu-west-1", lambda: Credentials("id", "secret")).call("Scan", {})


def test_a_server_without_tls_where_tls_is_expected_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.1)
    with scripted(*[raw(b"HTTP/1.1 200 OK\r\n\r\n")] * ATTEMPTS) as server:
        endpoint = server.endpoint.replace("http:", "https:")
        with pytest.raises(BackendUnavailable):
            DirectTransport(endpoint, "eu-west-1", lambda: Credentials("id", "secret")).call("Scan", {})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """Return a server's context for `localhost`, and the file of certificates that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, str(folder / "certificate.pem")


def test_tls_is_kept_alive_and_its_stale_connections_cost_one_retry_at_once(
    authority: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    context, trusted = authority
    large = {"Items": [{"id": {"S": "ü" * 1000}} for _ in range(500)]}
    monkeypatch.setenv("AWS_CA_BUNDLE", trusted)
    with scripted(answer(ITEM), then_hang_up(answer(large)), answer(ITEM), tls=context) as server:
        client = connect(f"dynamodb://eu-west-1?endpoint={server.endpoint}", app="a", stage="b").transport
        assert client.call("GetItem", GET) == ITEM
        assert client.call("Scan", {}) == large
        assert server.connections == 1
        time.sleep(0.05)
        assert client.call("GetItem", GET) == ITEM
        assert (server.connections, slept) == (2, [])
        client.close()


def test_a_server_with_an_untrusted_certificate_is_rejected(authority: tuple[ssl.SSLContext, str]) -> None:
    context, trusted = authority
    credentials = Credentials("id", "secret")
    with scripted(tls=context) as server:
        with pytest.raises(BackendUnavailable):
            DirectTransport(server.endpoint, "eu-west-1", lambda: credentials).call("GetItem", GET)
        elsewhere = server.endpoint.replace("localhost", "127.0.0.1")
        with pytest.raises(BackendUnavailable):
            DirectTransport(elsewhere, "eu-west-1", lambda: credentials, trusted).call("GetItem", GET)
        assert server.requests == []


def test_unreadable_certificates_are_an_error_immediately(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    with pytest.raises(BackendUnavailable, match="AWS_CA_BUNDLE"):
        connect("dynamodb://eu-west-1", app="a", stage="b")


def test_connections_that_went_stale_cost_one_retry_at_once(slept: list[float]) -> None:
    """As after a frozen Lambda function: the server has closed more idle connections than there are attempts."""
    idle = ATTEMPTS + 1
    barrier = threading.Barrier(idle)

    def together(connection: socket.socket) -> bool:
        barrier.wait()
        return then_hang_up(answer({}))(connection)

    with scripted(*[together] * idle, answer(ITEM)) as server:
        client = direct(server)
        threads = [threading.Thread(target=client.call, args=("GetItem", GET)) for _ in range(idle)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections == idle
        time.sleep(0.05)  # their closing arrives
        assert client.call("GetItem", GET) == ITEM
        assert (server.connections, slept) == (idle + 1, [])


def test_a_long_idle_connection_is_checked_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "IDLE_CHECK", 0.0)
    with scripted(then_hang_up(answer({})), answer(ITEM)) as server:
        client = direct(server)
        client.call("GetItem", GET)
        time.sleep(0.05)
        assert client.call("GetItem", GET) == ITEM
        assert len(server.requests) == 2


def test_a_connection_with_a_close_header_is_not_reused() -> None:
    with scripted(answer({}, close=True), answer(ITEM)) as server:
        client = direct(server)
        client.call("GetItem", GET)
        assert client.call("GetItem", GET) == ITEM
        assert server.connections == 2


def test_bytes_before_a_request_are_not_a_response() -> None:
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"

    def twice(connection: socket.socket) -> bool:
        connection.sendall(stray + b'{"Item":null}')
        return True

    with scripted(twice, answer(ITEM)) as server:
        client = direct(server)
        assert client.call("GetItem", GET) == {}
        assert client.call("GetItem", GET) == ITEM


def test_chunks_are_joined() -> None:
    chunked = (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2;x=y\r\n1}\r\n0\r\nTrailer: z\r\n\r\n'
    )
    with scripted(raw(chunked)) as server:
        assert direct(server).call("GetItem", GET) == {"a": 1}


def test_a_large_response_in_many_parts_is_joined() -> None:
    large = {"Items": [{"id": {"S": "ü" * 1000}} for _ in range(100)]}

    def piecewise(connection: socket.socket) -> bool:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return answer(large)(connection)

    with scripted(piecewise) as server:
        assert direct(server).call("Scan", {}) == large


@pytest.mark.parametrize("kind", ["InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"])
def test_a_wrong_clock_is_corrected_once_and_for_all(kind: str, slept: list[float]) -> None:
    server_time = time.time() + 7200
    with scripted(hang_up, refusal(kind, "Signature expired", date=server_time), answer(ITEM), answer({})) as server:
        client = direct(server)
        assert client.call("GetItem", GET) == ITEM
        assert client.call("GetItem", GET) == {}
        moments = [head.split("X-Amz-Date: ")[1][:11] for head, _ in server.requests]
        assert moments[2] == moments[3] == time.strftime("%Y%m%dT%H", time.gmtime(server_time))
        assert moments[1] != moments[2]
        assert len(slept) == 1  # after the lost connection, none for the clock


def test_a_wrong_secret_does_not_correct_the_clock() -> None:
    with scripted(refusal("InvalidSignatureException", "does not match")) as server:
        with pytest.raises(AwsError) as caught:
            direct(server).call("GetItem", GET)
        assert caught.value.kind == "InvalidSignatureException"
        assert len(server.requests) == 1


def test_a_transaction_has_the_same_token_in_retries_and_another_in_each_call() -> None:
    with scripted(hang_up, answer({}), answer({})) as server:
        client = direct(server)
        payload: dict[str, Any] = {"TransactItems": []}
        client.call("TransactWriteItems", payload)
        client.call("TransactWriteItems", payload)
        first, again, second = (body["ClientRequestToken"] for _, body in server.requests)
        assert first == again != second
        assert payload == {"TransactItems": []}


ATTEMPTS_BEFORE: dict[str, tuple[Reply, bool]] = {
    "a throttle": (PASSING["throttled"], False),
    "a lost answer": (hang_up, True),
    "an internal error": (PASSING["internal error"], True),
}


@pytest.mark.parametrize("before", ATTEMPTS_BEFORE)
def test_a_refusal_after_an_attempt_that_may_have_worked_is_in_doubt(before: str) -> None:
    reply, in_doubt = ATTEMPTS_BEFORE[before]
    with scripted(reply, refusal("ConditionalCheckFailedException")) as server:
        with pytest.raises(AwsError) as caught:
            direct(server).call("PutItem", {})
        assert caught.value.in_doubt is in_doubt


def test_waits_are_random_and_bounded() -> None:
    for attempt in range(12):
        waits = [backoff(attempt) for _ in range(200)]
        bound = min(BACKOFF_CAP, BACKOFF * 2**attempt)
        assert 0 <= min(waits) < bound / 4
        assert bound * 3 / 4 < max(waits) <= bound


def test_many_threads_share_a_transport() -> None:
    names = [f"{number}" for number in range(64)]
    lock = threading.Lock()
    found: set[str] = set()

    with scripted() as server:

        def one(connection: socket.socket, stream: Any) -> bool:
            length = 0
            while (line := stream.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            body = stream.read(length)
            return bool(body) and answer(body)(connection)

        server._one = one  # type: ignore[method-assign]
        client = direct(server)

        def call(name: str) -> None:
            for turn in range(5):
                payload = {"name": f"{name}-{turn}"}
                assert client.call("Echo", payload) == payload
            with lock:
                found.add(name)

        threads = [threading.Thread(target=call, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == set(names)
    assert server.connections <= len(names) * 5


def test_the_transport_loads_no_client_library() -> None:
    with scripted(answer(ITEM)) as server:
        script = (
            "import sys\n"
            "from persisty.backends.dynamodb.engine import connect\n"
            f"engine = connect('dynamodb://eu-west-1?endpoint={server.endpoint}', app='a', stage='b')\n"
            "assert engine.transport.call('GetItem', {}) == {'Item': {'id': {'S': '1'}}}\n"
            "print(*sys.modules)"
        )
        environment = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "PATH": ""}
        root = Path(__file__).parents[3]
        run = subprocess.run(
            [sys.executable, "-c", script], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split())
    assert not loaded & {"botocore", "boto3", "urllib3", "requests", "http.client", "ssl", "json", "asyncio"}
