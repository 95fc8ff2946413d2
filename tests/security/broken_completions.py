"""Completions that a server should never send: bytes, or what to do with the connection."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

Json = dict[str, Any]
Send = Callable[[bytes], object]
"""Writes bytes to the client; raises ConnectionError once it has gone."""
Completion = bytes | Callable[[Send], None]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
CHUNKED = HEAD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
MEGABYTE = 1 << 20


def piece(content: Any = None, reason: Any = None, **delta: Any) -> Json:
    if content is not None:
        delta["content"] = content
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


def said(*contents: Any, end: bytes = DONE) -> bytes:
    return HEAD + sse(*map(piece, contents), piece(reason="stop")) + end


def called(**parts: Any) -> bytes:
    call = {"index": 0, "type": "function", **parts}
    return HEAD + sse(piece(tool_calls=[call]), piece(reason="tool_calls")) + DONE


def function(name: Any, arguments: Any) -> bytes:
    return called(function={"name": name, "arguments": arguments})


def counted(**usage: Any) -> bytes:
    return HEAD + sse(piece("Well met."), piece(reason="stop"), {"usage": usage}) + DONE


def repeated(head: bytes, data: bytes, num_bytes: int = 32 * MEGABYTE) -> Completion:
    """`data` over and over, as fast as it is taken."""
    block = data * (65_536 // len(data) + 1)

    def send_all(send: Send) -> None:
        send(head)
        for _ in range(num_bytes // len(block)):
            send(block)

    return send_all


def slowly(head: bytes, data: bytes, pause_s: float = 0.02, times: int = 150) -> Completion:
    """`data` a byte at a time, never long enough apart to time out."""

    def send_all(send: Send) -> None:
        send(head)
        for number in range(times):
            send(data[number % len(data) :][:1])
            time.sleep(pause_s)

    return send_all


def one_by_one(data: bytes) -> Completion:
    def send_all(send: Send) -> None:
        for number in range(len(data)):
            send(data[number : number + 1])

    return send_all


def tokens_without_end(text: str, times: int = 200) -> Completion:
    """A stream of small pieces of a line, as a model gives them."""
    chunk = sse(piece(text))

    def send_all(send: Send) -> None:
        send(HEAD)
        for _ in range(times):
            send(chunk)
            time.sleep(0.005)

    return send_all


HTTP: dict[str, Completion] = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "half a status": b"HTTP/1.1 2",
    "a status that is no number": b"HTTP/1.1 OK 200\r\n\r\n",
    "an odd version": b"HTTP/9.9 200 OK\r\n\r\n",
    "a line break only": b"\r\n",
    "a status without end": repeated(b"HTTP/1.1 200 ", b"x"),
    "headers without end": repeated(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "a header without end": repeated(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "dripping headers": slowly(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "100 and then nothing": b"HTTP/1.1 100 Continue\r\n\r\n",
    "100 without end": repeated(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "206": b"HTTP/1.1 206 Partial\r\nContent-Type: text/event-stream\r\n\r\n" + said("Hm.")[60:],
    "a redirect": b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/v1\r\n\r\n",
    "a redirect to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "400 with markup": b'HTTP/1.1 400 Bad\r\n\r\n{"error": {"message": "<script>\\ud800"}}',
    "500 without end": repeated(b"HTTP/1.1 500 No\r\n\r\n", b"out of memory "),
    "500 with deep JSON": b"HTTP/1.1 500 No\r\n\r\n" + b'{"error": ' * 50_000,
    "503 for ever": b"HTTP/1.1 503 No\r\nRetry-After: 99999999999999999999\r\n\r\n",
    "a length that is too long": HEAD[:-2] + b"Content-Length: 99999\r\n\r\n" + sse(piece("Hm")),
    "a length that is too short": HEAD[:-2] + b"Content-Length: 9\r\n\r\n" + said("Hm.")[50:],
    "a negative length": HEAD[:-2] + b"Content-Length: -1\r\n\r\n",
    "a chunk of odd size": CHUNKED + b"zz\r\ndata: 1\r\n",
    "a chunk of absurd size": CHUNKED + b"f" * 40 + b"\r\n" + sse(piece("Hm")),
    "a chunk of negative size": CHUNKED + b"-5\r\n" + sse(piece("Hm")),
    "half a chunk": CHUNKED + b"ff\r\ndata: {",
    "a chunk size without end": repeated(CHUNKED, b"0"),
    "gzip that was not asked for": HEAD[:-2]
    + b"Content-Encoding: gzip\r\n\r\n"
    + gzip.compress(sse(piece("Hm.")) + DONE),
    "a gzip bomb": JSON_HEAD[:-2]
    + b"Content-Encoding: gzip\r\n\r\n"
    + gzip.compress(b"\0" * 64 * MEGABYTE, 9)[:60_000],
    "a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Log in</html>",
    "two answers": HEAD + sse(piece("Hm")) + HEAD + sse(piece("Hm")),
}

FRAMING: dict[str, Completion] = {
    "no events": HEAD,
    "only comments": repeated(HEAD, b": ping\n\n"),
    "only line breaks": repeated(HEAD, b"\n"),
    "only an end mark": HEAD + DONE,
    "end marks": HEAD + DONE * 1000,
    "an end mark in the middle": HEAD + sse(piece("Well")) + DONE + sse(piece("*met*")),
    "data without end": repeated(HEAD + b"data: ", b"x"),
    "ten megabytes in one piece": HEAD + sse(piece("x" * (10 * MEGABYTE))),
    "other fields": HEAD + b"event: error\nid: 7\nretry: 9\nfoo\n\n",
    "no field name": HEAD + b'{"choices": []}\n\n',
    "nulls": HEAD + b"\0" * 4096,
    "binary": HEAD + bytes(range(256)) * 32,
    "UTF-16": HEAD + said("Well met.")[len(HEAD) :].decode().encode("utf-16"),
    "Latin-1": HEAD + b'data: {"choices": [{"delta": {"content": "caf\xe9"}}]}\n\n',
    "half a character": HEAD + b'data: {"choices": [{"delta": {"content": "\xf0\x9f"}}]}\n\n',
    "byte by byte": one_by_one(HEAD + sse(piece("Well"), piece("*met"))),
    "dripping": slowly(HEAD, sse(piece("Well met"))),
    "silence": slowly(HEAD, b" ", pause_s=0.2, times=10),
    "broken off in a line": HEAD + sse(piece("Well met")) + b'data: {"choi',
    "broken off in text": HEAD + sse(piece("Well met, my")),
}

SHAPES: dict[str, Completion] = {
    **{
        f"a chunk that is {name}": HEAD + b"data: " + text + b"\n\n" + DONE
        for name, text in {
            "a number": b"7",
            "null": b"null",
            "a list": b"[[]]",
            "text": b'"hi"',
            "empty": b"{}",
            "broken": b'{"choices": [',
            "NaN": b"NaN",
            "deep": b"[" * 100_000,
            "deep and whole": b'{"a":' * 900 + b"1" + b"}" * 900,
            "a long number": b"1" * 6000,
        }.items()
    },
    **{
        f"choices that are {name}": HEAD + sse({"choices": value}) + DONE
        for name, value in {
            "a number": 5,
            "a map": {"0": 1},
            "null": None,
            "empty": [],
            "text": "x",
            "lists": [[[]]],
        }.items()
    },
    **{
        f"a delta that is {name}": HEAD + sse({"choices": [{"delta": value}]}) + DONE
        for name, value in {"a number": 5, "a list": [1], "text": "x", "true": True}.items()
    },
    **{
        f"content that is {name}": said(value)
        for name, value in {
            "a number": 5,
            "a map": {"text": "x"},
            "lists": [[["x"]]],
            "parts of odd types": [{"text": 5}, {"text": {"a": 1}}, {"type": "image"}, 7, None],
            "true": True,
        }.items()
    },
    "a reason that is a map": HEAD + sse(piece("Hm", reason={"a": 1})),
    "an error in the middle": HEAD + sse(piece("Well"), {"error": {"message": "GPU lost"}}),
    "an error of odd type": HEAD + sse({"error": [[{"msg": [1, 2, {"detail": None}]}]]}),
    "a whole answer of odd type": JSON_HEAD + b'{"choices": [{"message": 5}]}',
    "a whole answer without end": repeated(JSON_HEAD, b" "),
    "a list": JSON_HEAD + b"[]",
}

NUMBERS: dict[str, Completion] = {
    "9e18 tokens": counted(prompt_tokens=9 * 10**18, completion_tokens=9 * 10**18),
    "10^400 tokens": counted(prompt_tokens=10**400, completion_tokens=1),
    "negative tokens": counted(prompt_tokens=-5, completion_tokens=-(2**63)),
    "tokens as text": counted(prompt_tokens="9", completion_tokens="x"),
    "tokens as a float": counted(prompt_tokens=1e308, completion_tokens=0.5),
    "tokens as true": counted(prompt_tokens=True, completion_tokens=False),
    "infinite tokens": HEAD + sse(piece("Well met.")) + b'data: {"usage": {"prompt_tokens": 1e999}}'
    b"\n\n" + sse(piece(reason="stop")) + DONE,
    "usage that is a list": HEAD + sse({"usage": [1], "choices": []}) + DONE,
    "cached tokens of odd type": counted(prompt_tokens_details={"cached_tokens": [9]}),
    "an index of 10^18": called(index=10**18, function={"name": "x", "arguments": "{}"}),
    "an index of odd type": called(index=[1], function={"name": "x", "arguments": "{}"}),
}

CALLS: dict[str, Completion] = {
    "an unknown function": function("format_disk", "{}"),
    "a name of odd type": function(["x"], "{}"),
    "a name without end": function("x" * 100_000, "{}"),
    "arguments of odd type": function("inventory_list", 5),
    "arguments as a list": function("inventory_list", "[1, 2]"),
    "broken arguments": function("inventory_find", '{"item": "ale'),
    "deep arguments": function("inventory_find", '{"item": ' * 5000),
    "arguments without end": function("inventory_find", '{"item": "' + "x" * 100_000 + '"}'),
    "absurd counts": function("inventory_give", '{"item": "ale", "count": 1' + "0" * 400 + "}"),
    "NaN as a count": function("inventory_give", '{"item": "ale", "count": NaN}'),
    "half a character as an item": function("inventory_find", '{"item": "\\ud800"}'),
    "no function": called(),
    "a function of odd type": called(function=[1]),
    "a function that is null": called(function=None, id=5),
    "calls that are a number": HEAD + sse(piece(tool_calls=5), piece(reason="tool_calls")) + DONE,
    "calls that are text": HEAD + sse(piece(tool_calls="give"), piece(reason="stop")) + DONE,
    "ten thousand calls": HEAD
    + sse(
        *(piece(tool_calls=[{"index": n, "function": {"name": "x"}}]) for n in range(10_000)),
        piece(reason="tool_calls"),
    ),
    "a call in marks": said('<tool_call>{"name": "x", "arguments": [[[[]]]]}</tool_call>'),
    "half a call in marks": said('<tool_call>{"name": "inv'),
    "a deep call in marks": said("<tool_call>" + "[" * 5000 + "</tool_call>"),
    "a call without end": tokens_without_end("<|tool_call>call:inventory_give{item:"),
    "calls in calls": said("<|tool_call>" * 3000),
    "a call after text": HEAD
    + sse(
        piece("Well met. Sit."),
        piece(tool_calls=[{"index": 0, "function": {"name": "emote", "arguments": "{}"}}]),
        piece(reason="tool_calls"),
    ),
}

TEXTS: dict[str, Completion] = {
    "nothing said": said("", "", ""),
    "only spaces": said(" " * 10_000),
    "only line breaks": said("\n" * 10_000),
    "only markup": said("<b></b>" * 3000),
    "only control tokens": said("<|im_end|><|im_start|>system\n<|eot_id|></s>" * 500),
    "only a thought": said("<think>", "hm " * 3000),
    "a thought without end": tokens_without_end("<think>hm "),
    "thoughts": said("<think>hm</think>" * 3000),
    "ends of thoughts": said("</think><channel|>" * 3000),
    "open brackets": said("(" * 100_000),
    "open tags": said("<" * 100_000),
    "stars": said("*" * 100_000),
    "quotation marks": said('"' * 100_000),
    "backslashes": said("\\" * 100_000),
    "combining marks": said("\u0301" * 100_000),
    "a letter with a hundred thousand marks": said("a" + "\u0301" * 100_000),
    "zero width": said("\u200b\u200d\ufeff" * 20_000),
    "right to left": said("\u202e\u202d" * 10_000 + "evil"),
    "half characters": said("\ud800" * 1000),
    "control characters": said("".join(map(chr, range(32))) * 500 + "Hm."),
    "no sentence end": said("word " * 20_000),
    "no spaces": said("x" * 200_000),
    "dots": said("." * 100_000),
    "a line without end": tokens_without_end("and then "),
    "a bracket without end": tokens_without_end("(x"),
    "many small pieces": HEAD + sse(piece("x")) * 20_000,
    "markup in the middle": said("Well <b>met</b> <|im_end|> {x} [y] | *nods* \x07friend."),
    "emoji": said("\N{GRINNING FACE}" * 5000),
    "JSON in text": said('{"say": "' + "x" * 50_000),
    "escapes in JSON": said('{"say": "\\ud800\\u0000<|im_end|>'),
    "deep JSON in text": said("{" * 20_000),
    "numbers in JSON": said("1 " * 20_000),
    "two roles": HEAD + sse(piece("Hm.", role="system"), piece("x", role=["user"])) + DONE,
}

KINDS: dict[str, dict[str, Completion]] = {
    "HTTP": HTTP,
    "framing": FRAMING,
    "shape": SHAPES,
    "number": NUMBERS,
    "call": CALLS,
    "text": TEXTS,
}


def completions() -> Iterator[tuple[str, Completion]]:
    """All of them by name."""
    for kind, cases in KINDS.items():
        for name, completion in cases.items():
            yield f"{kind}: {name}", completion


def play(completion: Completion, send: Send) -> None:
    """Send one, until it is over or the client has gone."""
    with suppress(OSError):
        if isinstance(completion, bytes):
            for start in range(0, len(completion), 65_536):
                send(completion[start : start + 65_536])
        else:
            completion(send)
