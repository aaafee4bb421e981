"""What others try on the page, over real HTTP: other pages, other names, other users of the computer, other files."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from starlette.routing import Route

from segmake.page.application import Application
from segmake.page.connection import Connection
from segmake.page.desk import Desk
from segmake.page.guard import Guard
from segmake.page.opening import own_command
from segmake.page.work import Work
from segmake.page.works import Works
from segmake.places.here import Here
from tests.page.browser import Page, served
from tests.page.patience import PATIENCE_S, until
from tests.projects import ROOT


class Visitor:
    """Sends what it wants to a page, and remembers the last answer."""

    def __init__(self, page: Page, cookie: str = "") -> None:
        self.host = page.root.removeprefix("http://")
        self.cookie = cookie

    def ask(
        self, path: str, method: str = "GET", body: str | bytes = b"", **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """Return the status, the text and the headers of an answer."""
        address, _, port = self.host.partition(":")
        connection = http.client.HTTPConnection(address, int(port), timeout=PATIENCE_S)
        sent = {"Cookie": self.cookie, **{n.replace("_", "-"): v for n, v in headers.items()}}
        connection.request(method, path, body, {name: text for name, text in sent.items() if text})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}

    def csrf(self, path: str = "/settings") -> str:
        """Return what the forms of the page bring along."""
        return re.findall(r'name="csrf" value="(\w+)"', self.ask(path)[1])[0]

    def post(self, path: str, values: dict[str, str], **headers: str) -> tuple[int, str]:
        """Send a form as the page itself does."""
        own = {"Origin": f"http://{self.host}", "Content_Type": "application/x-www-form-urlencoded"}
        return self.ask(path, "POST", urlencode(values), **{**own, **headers})[:2]


@pytest.fixture(scope="module")
def open_page(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Page]:
    with served(shutil.copytree(made, tmp_path_factory.mktemp("attacked") / "growth")) as page:
        page.process.own_cookie = page.cookie()  # type: ignore[attr-defined]
        yield page


@pytest.fixture
def owner(open_page: Page) -> Visitor:
    return Visitor(open_page, open_page.process.own_cookie)  # type: ignore[attr-defined]


# What stands for a part of an address, so that there is something at it.
PARTS = {"code": "SM-CFG-001", "name:path": "page.css"}


@pytest.fixture(scope="module")
def routes(open_page: Page) -> list[Route]:
    """All addresses of the page's application, also those that somebody adds later."""
    folder = open_page.folder
    connection = Connection(folder, open_page.config)
    here = Work(Here(), str(folder), own_command(), str(folder))
    desk = Desk(folder, open_page.config, Works(here, connection), connection)
    found = Application(desk, Guard(None), lambda: None, 1).starlette.routes
    return [each for each in found if isinstance(each, Route) and "anything" not in each.path]


def addresses(routes: list[Route], method: str) -> list[str]:
    """Return the addresses that answer to a method."""
    fill = lambda part: PARTS.get(part[1], "x")  # noqa: E731
    found = [re.sub(r"{([^}]+)}", fill, each.path) for each in routes if method in each.methods]
    assert len(found) > 10
    return found


def test_nobody_sees_anything_without_the_cookie(open_page: Page, routes: list[Route]) -> None:
    for cookie in ("", "segmake-0=guess", "segmake=; x", '"'):
        visitor = Visitor(open_page, cookie)
        answers = [(path, *visitor.ask(path)[:2]) for path in addresses(routes, "GET")]
        answers += [(path, *visitor.post(path, {})) for path in addresses(routes, "POST")]
        for path, status, text in answers:
            assert status == 403 and "SM-PAG-006" in text, path
            assert "growth" not in text and 'name="csrf"' not in text, path


def test_the_address_lets_in_once(open_page: Page, owner: Visitor) -> None:
    token = open_page.address.partition("?")[2]
    for path in (f"/?{token}", "/?token=", "/?token=x", f"/?{token}&{token}"):
        assert Visitor(open_page).ask(path)[0] == 403
    assert owner.ask("/")[0] == 200


# sends a request from an address of this computer, by IPv4 or as IPv6 programs do
ASKS = """
import socket, sys
family, sender, host, port, path = sys.argv[1:]
line = socket.socket(getattr(socket, family))
line.bind((sender, 0))
line.connect((host, int(port)))
line.sendall(f"GET {path} HTTP/1.0\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n".encode())
print(line.recv(40).decode())
"""


@pytest.mark.skipif(
    not (hasattr(os, "geteuid") and os.geteuid() == 0 and Path("/proc/net/tcp").exists()),
    reason="another user can be had only by root, on Linux",
)
def test_another_user_who_saw_the_address_is_not_let_in(experiment: Path) -> None:
    senders = ("127.0.0.1", "127.1.2.3")
    ways = [("AF_INET", sender, "127.0.0.1") for sender in senders]
    if Path("/proc/net/tcp6").exists():
        ways += [("AF_INET6", f"::ffff:{sender}", "::ffff:127.0.0.1") for sender in senders]
    with served(experiment) as page:
        port, path = page.root.rpartition(":")[2], f"/?{page.address.partition('?')[2]}"
        program = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
        for family, sender, host in ways:
            command = [program, "-c", ASKS, family, sender, host, port, path]
            said = subprocess.run(
                command, user=65534, cwd="/", capture_output=True, text=True, check=True
            ).stdout
            assert said.startswith("HTTP/1.1 403"), (family, sender)
        assert Visitor(page).ask(path)[0] == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_pages(experiment: Path) -> None:
    with served(experiment) as page:
        _, text, headers = Visitor(page).ask(f"/?{page.address.partition('?')[2]}")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(headers["set-cookie"].split("; "))
        assert "token" not in text and "growth" not in text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "127.0.0.1:1", "", "localhost", "[::1]:{port}", "user@127.0.0.1:{port}", "127.0.0.1:{port}:1", "127.0.0.1:{port}#"],
)  # fmt: skip
def test_a_name_that_was_led_here_is_refused(owner: Visitor, host: str) -> None:
    port = owner.host.partition(":")[2]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE_S) as line:
        named = host.format(port=port)
        head = f"GET /settings HTTP/1.1\r\nHost: {named}\r\nCookie: {owner.cookie}\r\nConnection: close\r\n\r\n"
        line.sendall(head.encode())
        said = b"".join(iter(lambda: line.recv(65536), b""))
    assert said.split()[1] in (b"400", b"403") and b"growth" not in said


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://{host}"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_what_another_page_sends_is_refused(
    open_page: Page, owner: Visitor, routes: list[Route], headers: dict[str, str]
) -> None:
    before = open_page.config.read_bytes()
    values = {"csrf": owner.csrf(), "do": "save", "segmentation.min_size": "77"}
    sent = {name: text.format(host=owner.host) for name, text in headers.items()}
    answers = [(path, *owner.post(path, values, **sent)) for path in addresses(routes, "POST")]
    # A form is sent with its origin; whoever types an address has none.
    looked_at = addresses(routes, "GET") if any(sent.values()) else ()
    answers += [(path, *owner.ask(path, **sent)[:2]) for path in looked_at]
    for path, status, text in answers:
        assert status == 403 and "SM-PAG-005" in text, path
        assert "growth" not in text and 'name="csrf"' not in text, path
    assert open_page.config.read_bytes() == before and open_page.process.poll() is None


@pytest.mark.parametrize("given", ["", "x", "é", "0" * 64])
def test_a_form_without_the_secret_of_the_page_is_refused(
    open_page: Page, owner: Visitor, routes: list[Route], given: str
) -> None:
    before = open_page.config.read_bytes()
    values = {"csrf": given, "do": "save", "segmentation.min_size": "77"}
    for path in addresses(routes, "POST"):
        assert owner.post(path, values)[0] == 403, path
    assert open_page.config.read_bytes() == before and open_page.process.poll() is None


def test_nothing_is_changed_by_an_address_alone(
    open_page: Page, owner: Visitor, routes: list[Route]
) -> None:
    before = files_of(open_page)
    values = {"segmentation.min_size": "77", "csrf": owner.csrf(), "environments": "{a: {}}"}
    looked_at = addresses(routes, "GET")
    for path in addresses(routes, "POST"):
        for do in ("save", "start", "here"):
            status = owner.ask(f"{path}?{urlencode(values | {'do': do})}")[0]
            # Of the folders to choose from one says for what.
            assert status == (200 if path in looked_at and path != "/folders" else 404), path
    assert files_of(open_page) == before and open_page.process.poll() is None


def files_of(page: Page) -> dict[Path, bytes]:
    """Return what the files of an experiment hold."""
    found = (each for each in page.folder.rglob("*") if each.is_file())
    return {each: each.read_bytes() for each in found if ".snakemake" not in each.parts}


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/%2e%2e/core/files.py", "/static//etc/passwd",
        "/static/pictures/../../guard.py", "/picture/..%2f..%2fetc%2fpasswd", "/picture//etc/passwd", "/etc/passwd",
        "/help/..%2f..", "/help/page.nav", "/trial/x", "/static/", "/help/SM-XXX-001",
    ],
)  # fmt: skip
def test_no_other_file_is_shown(owner: Visitor, path: str) -> None:
    status, text, _ = owner.ask(path)
    assert status == 404 and "SM-PAG-007" in text and "root:" not in text and "import" not in text


@pytest.mark.parametrize("name", ["/etc/passwd", "../../secret.tif", "{images}/../secret.tif"])
def test_only_images_of_the_experiment_are_opened(owner: Visitor, images: Path, name: str) -> None:
    (images.parent / "secret.tif").write_bytes((images / "a.tif").read_bytes())
    wait_for_images(owner)
    path = quote(name.format(images=images))
    status, text, _ = owner.ask(f"/cells?image={path}")
    assert status == 404 and "SM-PAG-008" in text and "/picture/" not in text
    sent = {"csrf": owner.csrf(), "image": name.format(images=images), "do": "try"}
    assert owner.post("/cells", sent)[0] == 404


def test_names_of_images_are_shown_as_text(owner: Visitor) -> None:
    wait_for_images(owner)
    text = owner.ask("/cells")[1]
    assert "&lt;b&gt; &amp; &#39;c&#39;.tif" in text and "<b> &" not in text


def test_what_is_typed_is_shown_as_text(owner: Visitor) -> None:
    typed = '"><script>alert(1)</script>'
    values = {"csrf": owner.csrf(), "do": "show", "segmentation.diameter": typed, "filter": typed}
    for path in ("/cells", "/settings"):
        status, text = owner.post(path, values)
        assert status == 200 and "<script>alert" not in text
    own = {"Origin": f"http://{owner.host}"}
    status, text, headers = owner.ask("/check", "POST", urlencode(values), **own)
    # What is told in words is no HTML, and the script puts it in as text.
    assert status == 200 and headers["content-type"] == "application/json"
    assert "<script>alert" not in json.loads(text)["difference"]


def test_every_answer_keeps_others_out(owner: Visitor, routes: list[Route]) -> None:
    for path in (*addresses(routes, "GET"), "/nothing"):
        headers = owner.ask(path)[2]
        rules = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff" and "server" not in headers
        assert headers["referrer-policy"] == "same-origin"


def test_no_page_has_a_script_or_a_style_of_its_own(owner: Visitor, routes: list[Route]) -> None:
    for path in addresses(routes, "GET"):
        _, text, headers = owner.ask(path)
        if not headers.get("content-type", "").startswith("text/html"):
            continue
        own = r"<style|\sstyle=|<script(?! src=\"/static/)|\son\w+=|javascript:"
        assert not re.search(own, text), path
        assert set(re.findall(r'(?:src|href|action)="([^"/#][^"]*)"', text)) == set(), path


def test_a_form_that_does_not_end_is_refused(owner: Visitor) -> None:
    assert owner.post("/check", {"csrf": owner.csrf(), "x": "y" * 1_100_000})[0] == 403


def test_a_language_leads_to_no_other_page(owner: Visitor) -> None:
    refused = (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/close",
        "/cells/?image=a",
    )
    leading = {"/cells?image=a b&token=x&saved=1": "/cells?image=a+b", "/cells?x\r\ny": "/cells"}
    for back, place in {**dict.fromkeys(refused, "/"), **leading}.items():
        values = {"csrf": owner.csrf(), "language": "fr", "back": back}
        own = {"Origin": f"http://{owner.host}"}
        _, _, headers = owner.ask("/language", "POST", urlencode(values), **own)
        assert headers["location"] == place


def test_others_of_this_computer_reach_neither_the_socket_nor_the_port(
    experiment: Path, tmp_path: Path
) -> None:
    path = tmp_path / "page.socket"
    with served(experiment, "--socket", str(path)) as page:
        assert "token=" in page.address and stat.S_IMODE(path.lstat().st_mode) == 0o600
        token = page.address.strip().rpartition("token=")[2]
        said = by_socket(path, f"GET /?token={token}")
        assert " 200 " in said.splitlines()[0]
        # No browser reaches a page that this one would open.
        cookie = f"Cookie: {re.findall('set-cookie: ([^;]+)', said)[0]}"
        csrf = re.findall(r'name="csrf" value="(\w+)"', by_socket(path, "GET /settings", cookie))[0]
        values = {"csrf": csrf, "do": "open", "folder": str(experiment)}
        more = (cookie, "Origin: http://localhost:40123")
        assert "SM-PAG-039" in by_socket(path, "POST /experiments", *more, body=urlencode(values))
        other = [sys.executable, "-m", "segmake", "page", str(experiment), "--socket", str(path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
        refused = subprocess.run(
            other, capture_output=True, text=True, env=environment, check=False
        )
        assert refused.returncode == 1 and refused.stderr.startswith("SM-PAG-003")
    assert not path.exists()


def by_socket(path: Path, asked: str, *headers: str, body: str = "") -> str:
    """Return the answer to a request through a tunnel, which has any port."""
    lines = [f"{asked} HTTP/1.0", "Host: localhost:40123", f"Content-Length: {len(body)}", *headers]
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE_S)
        line.connect(str(path))
        line.sendall(("\r\n".join(lines) + f"\r\n\r\n{body}").encode())
        return b"".join(iter(lambda: line.recv(65536), b"")).decode()


def test_nothing_that_was_asked_for_is_written_down(experiment: Path) -> None:
    with served(experiment) as page:
        token = page.address.rpartition("=")[2]
        visitor = Visitor(page, page.cookie())
        visitor.ask("/settings")
        visitor.ask("/settings?secret=letmein")
        secret = visitor.cookie.partition("=")[2]
        visitor.post("/close", {"csrf": visitor.csrf()})
        assert page.process.wait(PATIENCE_S) == 0
        said = page.process.stdout.read() if page.process.stdout else ""
    places = (experiment.parent, Path(os.environ["XDG_CACHE_HOME"]))
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    written = [said, *(file.read_text(errors="replace") for file in files)]
    assert not [text for text in written if token in text or secret in text or "letmein" in text]


def wait_for_images(owner: Visitor) -> None:
    """Wait until all images were looked at."""
    until(lambda: "3 images</p>" in owner.ask("/cells")[1], "the images to be looked at")
