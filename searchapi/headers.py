"""What goes with each answer to keep what is asked here, here. TLS and Strict-Transport-Security are the proxy's (docs/access.md)."""

from __future__ import annotations

from werkzeug.datastructures import Headers

from searchapi.limits import Allowance

# Bytes. Nothing here takes a body; some clients send an empty form or object with each request.
LARGEST_BODY = 1024

# Nothing from elsewhere, nothing inline, no referrer, no device; in no other page's frame or window, and not to be read from one.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    ("Content-Security-Policy", _POLICY),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
]
# By no proxy and no browser: what somebody asked is told to nobody else.
NOT_STORED = ("Cache-Control", "no-store")


def add(headers: Headers, endpoint: str | None, traceparent: str, allowance: Allowance | None) -> None:
    """Adds them. Nothing else here sets them, so none is looked for first: that took longer than all the rest of a request."""
    headers.extend(every(traceparent, allowance))
    if endpoint == "page.static":
        headers["Cache-Control"] = "no-cache"  # asked again each time, mostly 304: never an old script with a new page
    elif "Cache-Control" not in headers:
        headers.add(*NOT_STORED)


def every(traceparent: str, allowance: Allowance | None) -> list[tuple[str, str]]:
    """What every answer has."""
    own = [("traceparent", traceparent)]
    if allowance:
        own += [("RateLimit-Policy", allowance.policy), ("RateLimit", allowance.left)]
    return _HEADERS + own
