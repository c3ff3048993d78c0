"""What a hub is asked and what is made of its answers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import hub
from chatdesk.library.connection import Connection, Transient
from tests.library.hub_models import CONFIG, QUICK, connect, sharded, single, small_files, wanted
from tests.library.hub_server import COMMIT, TOKEN, Model, Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        running.models["owner/small"] = single()
        yield running


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    made = connect(server)
    yield made
    made.close()


def fault_of(hub_connection: Connection, name: str = "owner/small", revision: str = "main") -> UserError:
    with pytest.raises(UserError) as raised:
        hub.repository(hub_connection, name, revision)
    assert "{" not in str(raised.value)
    return raised.value


def test_search_finds_what_can_be_run(server: Server, connection: Connection) -> None:
    small = server.models["owner/small"].listed
    server.models["owner/big-base"] = Model({}, listed={**small, "tags": [], "safetensors": {"total": 8_000_000_000}})
    server.models["owner/strange"] = Model({}, listed={"config": {"model_type": "strange", "architectures": ["X"]}})
    server.models["owner/packed"] = Model({}, listed={"config": {**CONFIG, "quantization_config": {"bits": 4}}})
    server.models["owner/unknown"] = Model({}, listed={})
    server.models["owner/odd"] = Model({}, listed={"config": {"model_type": 3}, "tags": None, "downloads": {}})
    found = hub.search(connection, " owner ")
    assert [each.name for each in found] == ["owner/small", "owner/big-base"]
    assert found[0] == hub.Found(
        "owner/small", "LlamaForCausalLM", 10, 3, 300_000, "apache-2.0", False, True, "2026-01-02T03:04:05.000Z"
    )
    assert [each.name for each in hub.search(connection, "owner", kind="base")] == ["owner/big-base"]
    assert [each.name for each in hub.search(connection, "owner", most_parameters=10**9)] == ["owner/small"]
    query = server.asked[0].query
    assert (query["search"], query["pipeline_tag"], query["sort"]) == (["owner"], ["text-generation"], ["downloads"])
    assert query["filter"] == ["safetensors"]
    assert hub.search(connection, "nothing like it") == []


def test_the_files_that_are_needed(server: Server, connection: Connection) -> None:
    found = hub.repository(connection, "owner/small")
    model = server.models["owner/small"]
    assert {file.path for file in found.files} == wanted(model)
    assert (found.commit, found.licence, found.parameters) == (COMMIT, "apache-2.0", 300_000)
    assert found.files[-1] == hub.RemoteFile("model.safetensors", 600_000, model.digest("model.safetensors"))
    assert found.size_bytes == sum(len(model.files[path]) for path in wanted(model))


def test_the_index_says_which_weights(server: Server, connection: Connection) -> None:
    server.models["owner/parts"] = sharded()
    assert {file.path for file in hub.repository(connection, "owner/parts").files} == wanted(
        server.models["owner/parts"]
    )


def test_a_wrong_index_is_noticed(server: Server, connection: Connection) -> None:
    server.models["owner/parts"] = sharded()
    server.faults = ["flip"]
    assert fault_of(connection, "owner/parts").fault is Fault.HUB_ANSWER


@pytest.mark.parametrize(
    "name", ["../etc/passwd", "a/../b", "", "a/b/c", "a b/c", "a\\b", "owner/", "/name", "owner/na--me", "http://x/y"]
)
def test_names_that_are_none(server: Server, connection: Connection, name: str) -> None:
    assert fault_of(connection, name).fault is Fault.BAD_VALUE
    assert server.asked == []


@pytest.mark.parametrize("revision", ["../../main", "", "a b", ".hidden", "a//b", "refs/../x"])
def test_revisions_that_are_none(server: Server, connection: Connection, revision: str) -> None:
    assert fault_of(connection, revision=revision).fault is Fault.BAD_VALUE
    assert server.asked == []


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"pytorch_model.bin": b"", "config.json": b"{}"}, Fault.ONLY_PICKLE),
        ({"model.gguf": b""}, Fault.ONLY_GGUF),
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": b""}, Fault.IS_ADAPTER),
        ({"config.json": b"{}", "model.safetensors": b""}, Fault.NO_TOKENIZER),
        ({**small_files(), "config.json": b" " * 2**20 + b"{}", "model.safetensors": b""}, Fault.LIMIT_EXCEEDED),
        ({**small_files(), "model.safetensors.index.json": b'{"weight_map": {}}', "a.safetensors": b""},
         Fault.BROKEN_CONFIG),
        ({**small_files(), "model.safetensors.index.json": b'{"weight_map": {"a": "../a.safetensors"}}',
          "../a.safetensors": b""}, Fault.UNSAFE_PATH),
        ({**small_files(), "model.safetensors.index.json": b'{"weight_map": {"a": "CON.safetensors"}}',
          "CON.safetensors": b""}, Fault.UNSAFE_PATH),
        ({**small_files(), "additional_chat_templates/../../x.jinja": b"", "model.safetensors": b""},
         Fault.UNSAFE_PATH),
        ({**small_files(), "additional_chat_templates/Con.jinja": b"", "model.safetensors": b""}, Fault.UNSAFE_PATH),
        ({**small_files(), "model.safetensors.index.json": b'{"weight_map": {"a": "b.bin"}}', "b.bin": b"",
          "c.safetensors": b""}, Fault.ONLY_PICKLE),
    ],
)  # fmt: skip
def test_repositories_that_hold_no_checkpoint(
    server: Server, connection: Connection, files: dict[str, bytes], fault: Fault
) -> None:
    server.models["owner/odd"] = Model(files)
    assert fault_of(connection, "owner/odd").fault is fault


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("html", Fault.HUB_ANSWER),
        ("truncated", Fault.HUB_ANSWER),
        ("list", Fault.HUB_ANSWER),
        ("huge", Fault.HUB_ANSWER),
        ("loop", Fault.HUB_ANSWER),
        ("deep", Fault.HUB_ANSWER),
        ("hang", Fault.HUB_UNREACHABLE),
        ("500", Fault.HUB_SERVER),
        ("503:1", Fault.HUB_SERVER),
        ("429:7", Fault.HUB_RATE_LIMIT),
        ("418", Fault.HUB_ANSWER),
        ("403", Fault.HUB_GATED),
    ],
)
def test_a_hub_that_misbehaves(server: Server, connection: Connection, answer: str, fault: Fault) -> None:
    server.api_faults = [answer]
    error = fault_of(connection)
    assert error.fault is fault
    if answer == "429:7":
        assert isinstance(error, Transient)
        assert error.wait_s == 7.0
        assert "7 seconds" in str(error)
    assert hub.repository(connection, "owner/small").commit == COMMIT  # the next question is answered


def test_what_is_not_there(server: Server, connection: Connection) -> None:
    assert fault_of(connection, "owner/other").fault is Fault.HUB_NOT_FOUND
    error = fault_of(connection, revision="old")
    assert (error.fault, error.fields["revision"]) == (Fault.HUB_NO_REVISION, "old")


def test_no_network() -> None:
    with serve() as gone:
        connection = connect(gone)
    try:
        error = fault_of(connection)
    finally:
        connection.close()
    assert error.fault is Fault.HUB_UNREACHABLE
    assert "Connection refused" in str(error)


def test_offline_asks_nothing(server: Server) -> None:
    connection = connect(server, offline=True)
    assert fault_of(connection).fault is Fault.HUB_OFFLINE
    with pytest.raises(UserError):
        hub.search(connection, "small")
    assert server.asked == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "huggingface.co",
        "ftp://hub",
        "file:///etc",
        "http://",
        "https://[::1",
        "https://hf..co",
        f"https://{'a' * 64}.co",
    ],
)
def test_addresses_that_are_none(endpoint: str) -> None:
    with pytest.raises(UserError) as raised:
        Connection(endpoint)
    assert raised.value.fault is Fault.BAD_VALUE


def with_header(length: int) -> Model:
    """One tensor, and a header of ``length`` bytes."""
    model = single()
    header = json.dumps({"model.embed_tokens.weight": {"dtype": "BF16", "shape": [64, 8], "data_offsets": [0, 1024]}})
    header = header.ljust(length)
    model.files["model.safetensors"] = length.to_bytes(8, "little") + header.encode() + bytes(1024)
    return model


@pytest.mark.parametrize(("length", "fault"), [(200, ""), (300_000, ""), (200, "no-range"), (300_000, "no-range")])
def test_a_preview_reads_the_headers_alone(server: Server, connection: Connection, length: int, fault: str) -> None:
    server.models["owner/small"] = with_header(length)
    found = hub.repository(connection, "owner/small")
    server.faults = [fault, fault]
    preview = hub.preview(connection, found)
    assert (preview.parameters, preview.dtype, preview.weight_bytes) == (512, "bfloat16", 1024)


@pytest.mark.parametrize("fault", ["flip-head", "wrong-range", "html", "cut:100"])
def test_a_preview_of_what_is_none(server: Server, connection: Connection, fault: str) -> None:
    server.models["owner/small"] = with_header(300) if fault != "flip-head" else single()
    found = hub.repository(connection, "owner/small")
    server.faults = [fault] if fault != "flip-head" else []
    with pytest.raises(UserError) as raised:
        hub.preview(connection, found)
    faults = (Fault.HUB_ANSWER, Fault.HUB_UNREACHABLE, Fault.BROKEN_SAFETENSORS)
    assert raised.value.fault in faults


def test_a_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    through = Connection("http://hub.invalid", limits=QUICK)
    assert hub.repository(through, "owner/small").commit == COMMIT
    through.close()
    assert {each.headers["host"] for each in server.asked} == {"hub.invalid"}


def test_the_card(server: Server, connection: Connection) -> None:
    assert "# A model <img src=x>" in hub.card(connection, "owner/small")
    server.models["owner/bare"] = Model({})
    assert hub.card(connection, "owner/bare") == ""


# -- the token --------------------------------------------------------------------------------------------------------


def test_private_and_gated_models_need_the_token(server: Server) -> None:
    server.models["owner/private"] = single()
    server.models["owner/private"].is_private = True
    server.models["owner/gated"] = sharded()
    server.models["owner/gated"].is_gated = True
    without, with_it = connect(server), connect(server, token=lambda host: TOKEN)
    wrong = connect(server, token=lambda host: "hf_wrong")
    try:
        assert fault_of(without, "owner/private").fault is Fault.HUB_NOT_FOUND
        error = fault_of(without, "owner/gated")
        assert (error.fault, error.fields["url"]) == (Fault.HUB_GATED, f"{server.url}/owner/gated")
        assert fault_of(wrong).fault is Fault.HUB_BAD_TOKEN
        assert hub.repository(with_it, "owner/private").commit == COMMIT
        assert hub.repository(with_it, "owner/gated").is_gated
    finally:
        for each in (without, with_it, wrong):
            each.close()


def test_the_token_goes_to_the_hub_alone(server: Server) -> None:
    connection = connect(server, token=lambda host: TOKEN)
    hub.search(connection, "small")
    path = hub.resolve_path("owner/small", COMMIT, "model.safetensors")
    assert connection.read(path) == server.models["owner/small"].files["model.safetensors"]
    connection.close()
    seen = [(each.place, "authorization" in each.headers) for each in server.asked]
    assert seen == [("hub", False), ("hub", True), ("store", False)]  # a search needs none


@pytest.mark.parametrize(
    ("target", "is_followed", "has_token"),
    [
        ("https://hub.example/moved", True, True),
        ("/moved", True, True),
        ("https://hub.example:8443/moved", True, False),
        ("https://hub.example.evil.example/moved", True, False),
        ("https://hub.example@evil.example/moved", True, False),
        ("http://hub.example/moved", False, False),
        ("ftp://hub.example/moved", False, False),
        ("", False, False),
        ("https://hub..example/moved", False, False),
    ],
)
def test_where_a_redirect_may_lead(target: str, is_followed: bool, has_token: bool) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        if len(seen) == 1:
            return httpx2.Response(302, headers={"Location": target})
        return httpx2.Response(200, content=b"here")

    connection = Connection("https://hub.example", token=lambda host: TOKEN)
    connection._client = httpx2.Client(transport=httpx2.MockTransport(answer))
    try:
        if is_followed:
            assert connection.read("/file") == b"here"
        else:
            with pytest.raises(UserError) as raised:
                connection.read("/file")
            assert raised.value.fault is Fault.HUB_ANSWER
    finally:
        connection.close()
    assert seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert [TOKEN in str(request.headers.raw) for request in seen[1:]] == ([has_token] if is_followed else [])


def test_no_token_over_a_line_that_others_can_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatdesk.library.connection._LOOPBACK", ())
    connection = connect(server, token=lambda host: TOKEN)
    hub.repository(connection, "owner/small")
    connection.close()
    assert "authorization" not in server.asked[0].headers


# -- the official client ----------------------------------------------------------------------------------------------

OFFICIAL = """
import sys
from huggingface_hub import HfApi, snapshot_download
name, cache = sys.argv[1:]
[listed] = HfApi().list_models(search="small", filter=["safetensors"], sort="downloads", limit=5)
info = HfApi().model_info(name, files_metadata=True)
sizes = {each.rfilename: each.size for each in info.siblings}
print(listed.id, info.sha, sizes["model.safetensors"], snapshot_download(name, cache_dir=cache))
"""


def test_the_official_client_understands_this_server(server: Server, tmp_path: Path) -> None:
    env = {**os.environ, "HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-c", OFFICIAL, "owner/small", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    name, commit, size, folder = done.stdout.split()
    assert (name, commit, size) == ("owner/small", COMMIT, "600000")
    assert (Path(folder) / "model.safetensors").read_bytes() == server.models["owner/small"].files["model.safetensors"]


def test_limits_are_kept_for_the_whole_of_an_answer(server: Server) -> None:
    """Bytes that keep coming, too slowly for anyone."""
    server.faults = ["drip:10"]
    connection = connect(server)
    with pytest.raises(Transient) as raised:
        connection.read(hub.resolve_path("owner/small", COMMIT, "tokenizer.json"))
    connection.close()
    assert raised.value.fields["reason"] == "it sends too slowly"
    assert QUICK.answer_s < 5


def test_a_close_while_a_question_is_about_to_be_sent(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    started = connection._started

    def closed() -> object:
        client = started()
        connection.close()
        return client

    monkeypatch.setattr(connection, "_started", closed)
    assert fault_of(connection).fault in (Fault.CANCELLED, Fault.HUB_UNREACHABLE)
