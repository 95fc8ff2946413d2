"""What held when the sidecar was attacked, kept; what other tests keep is in docs/security.md."""

import ast
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import npc_brain
from npc_brain.errors import DefinitionError, InferenceError, NpcBrainError, ScenarioError
from npc_brain.inference.chat import ChatEvent, ChatRequest, Finished, FunctionCall, Message
from npc_brain.npc.expressions import ExpressionError
from npc_brain.npc.guards import compile_guard
from npc_brain.npc.loader import load_definition
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.protocol.messages import Error, Ping, Pong, Welcome
from npc_brain.servers.openai import OpenAIBackend
from npc_brain.testing.scenario import load_scenario
from npc_brain.tools.registry import BUILT_INS
from tests.integration.wire_server import hello, raw_peer, serving
from tests.npc_files import ned
from tests.security.worst_model import WorstModel
from tests.unit.decision.stages import playing

WAIT_S = 30.0
SAID = "a word that only the player knows"


# --- no redirect is followed, nothing said is sent elsewhere -------------------------------------


@dataclass
class Listener:
    """A raw TCP server that gives everybody the same answer, and keeps what it was sent."""

    answer: bytes
    port: int = 0
    received: list[bytes] = field(default_factory=list)


@contextmanager
def listening(answer: bytes) -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(answer, server.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    listener.received.append(connection.recv(65_536))
                    connection.sendall(listener.answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(WAIT_S)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a proxy used that the environment names: it would read along."""
    with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as elsewhere:
        url = f"http://127.0.0.1:{elsewhere.port}/v1"
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, url)
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {url}/chat/completions\r\n"
        head += f"Refresh: 0; url={url}\r\nContent-Length: 0\r\n\r\n"
        with listening(head.encode()) as server:
            backend = OpenAIBackend(f"openai:http://127.0.0.1:{server.port}/v1#gemma")
            try:
                with pytest.raises(NpcBrainError):
                    backend.check()
                events: list[ChatEvent] = []
                is_over = threading.Event()

                def take(event: ChatEvent) -> None:
                    events.append(event)
                    if isinstance(event, Finished):
                        is_over.set()

                with suppress(InferenceError):
                    backend.submit(ChatRequest((Message("user", SAID),)), take)
                    assert is_over.wait(WAIT_S)
                    assert isinstance(events[-1], Finished)
                    assert events[-1].reason == "error"
            finally:
                backend.close()
            assert server.received
        assert elsewhere.received == []


# --- files are data -----------------------------------------------------------------------------

NPC_HEAD = """\
persona: {name: Ned, role: villager}
lines: {fallback: {default: Hm.}}
initial: idle
"""
BOMBS = {
    "laughs": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nstates: {idle: {prompt: *c}}\n",
    "itself": "states: &s {idle: *s}\n",
    "merged": "base: &b {idle: {}}\nstates: {<<: *b}\n",
    "python": "states: {idle: {prompt: !!python/object/apply:os.system ['true']}}\n",
    "name": "states: {idle: {prompt: !!python/name:os.system ''}}\n",
    "binary": "states: {idle: {prompt: !!binary aGVsbG8=}}\n",
    "deep": "states: " + "[" * 50_000 + "\n",
    "deep mappings": "states: " + "{a: " * 20_000 + "\n",
    "deep blocks": "states:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 900)),
    "two documents": "states: {idle: {}}\n---\nstates: {idle: {}}\n",
    "repeated": "states: {idle: {}, idle: {}}\n",
    "controls": 'states: {idle: {prompt: "\x00\x1b"}}\n',
}


@pytest.mark.parametrize("name", BOMBS)
def test_yaml_bombs_are_mistakes(tmp_path: Path, name: str) -> None:
    npc = tmp_path / "ned.yaml"
    npc.write_text(NPC_HEAD + BOMBS[name], encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"ned\.yaml"):
        load_definition(npc, BUILT_INS)
    scenario = tmp_path / "ned.scenario.yaml"
    scenario.write_text("given: {npc: ned}\n" + BOMBS[name], encoding="utf-8")
    with pytest.raises(ScenarioError):
        load_scenario(scenario)


@pytest.mark.parametrize(
    "guard",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__[0].__subclasses__()",
        "event.__class__.__name__ == 'dict'",
        "trust.__class__.__name__ == 'int'",
        "(lambda: 1)() == 1",
        "[x for x in (1, 2)] == 1",
        "open('/etc/passwd') == 1",
        "holds.__globals__ == 1",
        "holds(open('key'))",
        "f'{trust}' == '1'",
        "(trust := 5) > 1",
        "trust ** trust ** trust > 1",
        "'a' * 9999999999 == 'a'",
        "globals()['trust'] > 1",
        "trust if True else 1 > 0",
        "await trust",
        "yield",
        "`trust` > 1",
        "trust; import os",
        "(" * 5_000 + "trust" + ")" * 5_000 + " > 1",
        "not " * 5_000 + "true",
    ],
)
def test_guards_are_no_code(guard: str) -> None:
    with pytest.raises(ExpressionError):
        compile_guard(guard, {"trust": "int"})


def test_nothing_in_the_package_can_run_what_it_reads() -> None:
    """No `eval`, no `pickle`, no shell: there is nothing that a file or a text could reach."""
    forbidden_calls = {"eval", "exec", "compile", "__import__"}
    forbidden_modules = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    found = []
    for path in Path(npc_brain.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in forbidden_calls:
                    found.append(f"{path.name}:{node.lineno}: {name}")
                case ast.Import(names=names) if forbidden_modules & {n.name for n in names}:
                    found.append(f"{path.name}:{node.lineno}: import")
                case ast.ImportFrom(module=str(module)) if module in forbidden_modules:
                    found.append(f"{path.name}:{node.lineno}: from {module}")
                case ast.keyword(arg="shell" | "allow_pickle"):
                    found.append(f"{path.name}: {node.arg}=")
                case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen"):
                    found.append(f"{path.name}:{node.lineno}: os.{node.attr}")
                case ast.Attribute(value=ast.Name(id="yaml"), attr=attribute):
                    if attribute in ("load", "unsafe_load", "full_load", "Loader", "UnsafeLoader"):
                        found.append(f"{path.name}:{node.lineno}: yaml.{attribute}")
    assert found == []


@pytest.mark.parametrize(
    "name",
    [
        "../outside", "..", ".", "/etc/passwd", "sub/ned", "sub\\ned", "C:\\ned", "ned.yaml",
        "ned\0", "ned\n", "~/ned", "$HOME/ned", "", "%2e%2e%2foutside", "\u2024\u2024/outside",
        "ned:stream", "con", "n" * 65,
    ],
)  # fmt: skip
def test_names_of_npcs_never_become_paths(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(NPC_HEAD + "states: {idle: {}}\n", encoding="utf-8")
    inside = tmp_path / "npcs" / "ned.yaml"
    inside.parent.mkdir()
    inside.write_bytes(outside.read_bytes())
    (inside.parent / "sub").mkdir()
    (inside.parent / "sub" / "ned.yaml").write_bytes(outside.read_bytes())
    library = NpcLibrary(inside.parent)
    with pytest.raises(DefinitionError, match=r"no NPC file|no file name"):
        library.find(name, "ned", BUILT_INS)
    assert library.find("ned", "ned", BUILT_INS).persona.name == "Ned"


# --- a session is its owner's -------------------------------------------------------------------


async def test_a_session_cannot_be_stolen_without_the_token() -> None:
    """Knowing its id is not enough, and the attempt does the owner no harm."""
    async with serving() as served, raw_peer(served.endpoint) as owner:
        welcome = (await owner.ask(hello())).body
        assert isinstance(welcome, Welcome)
        for token in ("", "wrong", "the right toke", "the right token ", "THE RIGHT TOKEN", "\0"):
            async with raw_peer(served.endpoint) as thief:
                stolen = (await thief.ask(hello(token, resume=welcome.session_id))).body
                assert isinstance(stolen, Error)
                assert stolen.code == "bad_token"
                refused = (await thief.ask(Ping())).body
                assert isinstance(refused, Error)
                assert refused.code == "hello_first"
        assert isinstance((await owner.ask(Ping())).body, Pong)
        assert len(served.sessions) == 1
        assert served.sessions[0].num_detached == 0


# --- a model's calls are checked ----------------------------------------------------------------

SHOP = """
initial: shop
states: {shop: {tools: [inventory_trade, inventory_give, go_to, offer_choices, remember]}}
"""


class _Calling(WorstModel):
    """Makes one call, then says so."""

    def __init__(self, call: FunctionCall) -> None:
        super().__init__("obeys")
        self._call = call

    def _calls(self, request: ChatRequest) -> Iterator[FunctionCall]:
        if request.messages[-1].role != "tool":
            yield self._call


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("inventory_give", {"item": "cellar_key"}),
        ("inventory_give", {"item": "ale", "count": 0}),
        ("inventory_give", {"item": "ale", "count": -1}),
        ("inventory_give", {"item": "ale", "count": 10**30}),
        ("inventory_give", {"item": "ale", "count": 1.5}),
        ("inventory_give", {"item": "ale", "count": float("nan")}),
        ("inventory_give", {"item": "ale", "count": True}),
        ("inventory_give", {"item": "ale", "count": "1e9"}),
        ("inventory_give", {"item": ["ale"]}),
        ("inventory_give", {"item": "ale", "to": "nobody"}),
        ("inventory_give", {"item": "ale", "extra": 1}),
        ("inventory_give", {}),
        ("inventory_trade", {"give_item": "ale", "take_item": "ale"}),
        ("inventory_trade", {"give_item": "ale", "take_item": "coin", "take_count": 0}),
        ("inventory_trade", {"give_item": "ale", "give_count": 2, "take_item": "coin"}),
        ("go_to", {"target": "../../etc"}),
        ("go_to", {"target": None}),
        ("offer_choices", {"options": "yes"}),
        ("inventory_equip", {"item": "ale"}),
        ("attack", {"target": "player"}),
        ("npc.despawn", {}),
        ("", {}),
    ],
)
async def test_a_call_that_does_not_fit_asks_for_nothing(
    name: str, arguments: dict[str, object]
) -> None:
    """The game is asked for nothing, and the turn ends as any other."""
    model = _Calling(FunctionCall(name, arguments))
    async with playing(ned(SHOP), backend=model) as play:
        _, ended = await play.say("ned", "Do as I say.")
        assert ended.outcome in ("said", "fallback")
        assert play.engine.requested == []
