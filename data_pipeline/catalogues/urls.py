"""URLs of servers, in the letters that a request takes."""

from string import punctuation
from urllib.parse import quote, urljoin, urlsplit, urlunsplit


def plain_path(path: str) -> str:
    """The path with spaces and letters beyond ASCII percent-encoded; what is encoded already stays."""
    return quote(path, safe=punctuation)


def server_url(text: str, base: str = "") -> str | None:
    """A server's base URL, without a trailing slash; None for what is no http(s) URL.

    base: what a relative URL is relative to.
    """
    try:
        parts = urlsplit(urljoin(base, text))
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        host = parts.netloc.encode("idna").decode("ascii")
    except ValueError:  # brackets that do not close, a port that is no number, a label that is too long
        return None
    if not sound or plain_path(host) != host:
        return None
    return urlunsplit((parts.scheme, host, plain_path(parts.path), plain_path(parts.query), "")).rstrip("/")
