"""What goes with each answer to keep what is asked here, here. TLS and Strict-Transport-Security are the proxy's (docs/access.md)."""

from __future__ import annotations

from werkzeug.datastructures import Headers

# Bytes. Nothing here takes a body.
LARGEST_BODY = 1024

# Nothing from elsewhere, nothing inline, no referrer, no device; in no other page's frame or window, and not to be read from one.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def add(headers: Headers, endpoint: str | None) -> None:
    """Adds them, where the answer does not have its own."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if endpoint == "page.static":
        headers["Cache-Control"] = "no-cache"  # asked again each time, mostly 304: never an old script with a new page
