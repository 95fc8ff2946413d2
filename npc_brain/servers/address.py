"""Where a server is: what stands after `--model`, taken apart and checked."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from npc_brain.errors import UsageError

SCHEME = "openai:"
"""What `--model` begins with when a server is meant."""

_HINT = "write openai:http://127.0.0.1:8080/v1, and #NAME behind it if the server has many models"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server's base URL, as in `http://127.0.0.1:8080/v1`.

    Attributes:
        is_secure: Whether it is spoken to with TLS.
        host: Name or address, without brackets.
        port: 1 to 65535.
        path: What precedes `/chat/completions`; no slash at its end.
        model: Which of the server's models to ask; empty takes its first.
    """

    is_secure: bool
    host: str
    port: int
    path: str
    model: str = ""

    @property
    def url(self) -> str:
        """The base URL, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.is_secure}://{host}:{self.port}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent there stays on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def is_server(model: str) -> bool:
    """Whether a value of `--model` names a server."""
    return model.startswith(SCHEME)


def parse_address(text: str) -> ServerAddress:
    """The address in `openai:URL` or `openai:URL#MODEL`.

    Raises UsageError when the URL is not a plain http or https one.
    """
    url = text.removeprefix(SCHEME)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url} is not a URL: {error}", hint=_HINT) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"got the server {url!r}, wanted an http or https URL", hint=_HINT)
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"the URL of {parts.hostname} has a user, a password or a query",
            hint="put an API key into the environment variable NPC_BRAIN_OPENAI_KEY",
        )
    is_secure = parts.scheme == "https"
    return ServerAddress(
        is_secure=is_secure,
        host=parts.hostname,
        port=port or (443 if is_secure else 80),
        path=parts.path.rstrip("/").removesuffix("/chat/completions"),
        model=unquote(parts.fragment),
    )
