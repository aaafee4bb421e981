"""Who may use the page: the browser that opened the address with the token, and no page of anybody else in it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from segmake.messages import Problem
from segmake.page.peers import is_of_another_user

# What a form, or a request of the script, has to bring.
FORM_FIELD, HEADER = "csrf", "x-segmake-csrf"

# Nothing from outside, nothing inline, in no frame. A form is sent with its origin only where the referrer may be:
# with `no-referrer` browsers say "null", which a page of anybody else in a frame says as well.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
    "Cache-Control": "no-store",
}

_WELCOME = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>SegMake</title>
<link rel="icon" href="/static/segmake.svg" type="image/svg+xml"></head>
<body><p><a href="/">SegMake</a></p></body></html>
"""

_HOST = "127.0.0.1"
_OWN = re.compile(r"(127\.0\.0\.1|localhost)(?::([0-9]{1,5}))?")


class Guard:
    """Lets in who has the token, once, and then who has the cookie.

    Parameters
    ----------
    port : int or None
        The port that is served; None behind a socket, to which a tunnel leads from any port.
    """

    def __init__(self, port: int | None) -> None:
        self._port = port
        self.token: str | None = secrets.token_urlsafe(32)
        self._secret = secrets.token_urlsafe(32)
        # Browsers send the cookies of all ports of a computer to each of them.
        self._cookie = f"segmake-{secrets.token_hex(4)}"

    @property
    def csrf(self) -> str:
        """What forms of the page bring along: no other page can know it."""
        return hmac.new(self._secret.encode(), b"form", hashlib.sha256).hexdigest()

    def admit(self, request: Request) -> Response | None:
        """Return None for a request that may be answered, or the answer to one that opens the page.

        Raises
        ------
        Problem
            ``SM-PAG-005`` for what comes from elsewhere, ``SM-PAG-006`` without the cookie, or for another user.
        """
        self._refuse_other_hosts(request)
        asked = parse_qs(request.url.query).get("token", [""])[0]
        # The address may be a link in a terminal that is itself a page.
        if request.method == "GET" and self.token and _equal(asked, self.token):
            self._refuse_other_users(request)
            self.token = None
            return self._welcome()
        self._refuse_elsewhere(request)
        if not self._has_cookie(request):
            raise Problem("SM-PAG-006")
        return None

    def refuse_forged(self, given: str) -> None:
        """Refuse a form, or a request of a script, that is not the page's own.

        Raises
        ------
        Problem
            ``SM-PAG-005``
        """
        if not _equal(given, self.csrf):
            raise Problem("SM-PAG-005")

    def _refuse_other_hosts(self, request: Request) -> None:
        """Refuse a name that somebody else has lead here (DNS rebinding)."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            raise Problem("SM-PAG-005")

    def _refuse_other_users(self, request: Request) -> None:
        """Refuse whoever has read the token where the browser was started: all users see the words of a command."""
        if self._port is None or request.client is None:
            return
        if is_of_another_user((request.client.host, request.client.port), (_HOST, self._port)):
            raise Problem("SM-PAG-006")

    def _refuse_elsewhere(self, request: Request) -> None:
        """Refuse what a page of anybody else asks for."""
        # What no page asked for, such as an address that was typed, has "none".
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Problem("SM-PAG-005")
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{request.headers['host']}":
            raise Problem("SM-PAG-005")
        if request.method not in ("GET", "HEAD") and origin is None:
            raise Problem("SM-PAG-005")

    def _is_own(self, host: str) -> bool:
        found = _OWN.fullmatch(host)
        return found is not None and self._port in (None, int(found[2] or 80))

    def _has_cookie(self, request: Request) -> bool:
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return False
        found = cookies.get(self._cookie)
        return found is not None and _equal(found.value, self._secret)

    def _welcome(self) -> Response:
        """Return what takes the token out of the address, and gives the cookie in its place."""
        # Not a redirect: on that, after a link of another page, browsers would not send the cookie.
        answer = HTMLResponse(_WELCOME)
        answer.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", path="/")
        return answer


def protected(response: Response) -> Response:
    """Return an answer with what keeps browsers from doing with it what is not meant."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())
