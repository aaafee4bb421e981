"""OpenSSH's server on the loopback, with a user of this machine to log in as: password, key, second factor."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import random
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.users import User, shown_to_users, users
from tests.users import why_not as no_users

PASSWORD = "Grüße aus dem Labor 7"
PACKAGES = {
    "sshd": "openssh-server",
    "tcsh": "tcsh",
    "fish": "fish",
    "google-authenticator": "libpam-google-authenticator",
}

# The account's password, then the number that a telephone would show; OpenSSH asks PAM under its own program's name.
PAM = """\
auth required pam_unix.so
auth required pam_google_authenticator.so [authtok_prompt={asks}]
account required pam_unix.so
session required pam_unix.so
"""

CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
UsePAM {pam}
PermitRootLogin no
PasswordAuthentication {password}
KbdInteractiveAuthentication {second}
AuthenticationMethods {methods}
{sftp}
StrictModes yes
MaxStartups 100
MaxSessions 50
{more}
"""


def why_not() -> str | None:
    """Return why no server can be started here, or None."""
    if reason := no_users():
        return reason
    missing = [name for name in PACKAGES if not shutil.which(name)]
    if missing and not shutil.which("apt-get"):
        return f"this machine lacks {', '.join(missing)}"
    return None


def install() -> None:
    """Install what is missing, from Debian's packages."""
    missing = [package for name, package in PACKAGES.items() if not shutil.which(name)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        patient = ("-o", "DPkg::Lock::Timeout=300", "-y", "-qq", "--no-install-recommends")
        for words in (("update", "-qq"), ("install", *patient, *missing)):
            subprocess.run(["apt-get", *words], check=True, env=environment, capture_output=True)


@dataclass
class Server:
    """A server, which can be stopped and started again.

    Attributes
    ----------
    user : User
        Who may log in.
    port : int
    folder : Path
        With its host key and log.
    """

    user: User
    folder: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    secret: str = field(default_factory=lambda: base64.b32encode(secrets.token_bytes(20)).decode())

    @property
    def host(self) -> str:
        """What the user types."""
        return f"{self.user.name}@127.0.0.1:{self.port}"

    def start(
        self,
        *,
        methods: str = "publickey password",
        second: bool = False,
        sftp: str = "Subsystem sftp /usr/lib/openssh/sftp-server",
        more: str = "",
        segmake: bool = False,
    ) -> None:
        """Start the server, with the ways to log in that it takes.

        Parameters
        ----------
        methods : str
        second : bool
            Whether it asks for a number besides.
        more : str
            Further lines of its config.
        segmake : bool
            Whether who logs in can run this SegMake, wherever it lies.
        """
        # The program's name is that of PAM's rules for it.
        program = self.folder / _program(second=second)
        if not program.exists():
            shutil.copy(str(shutil.which("sshd")), program)
        config = self.folder / "sshd_config"
        text = CONFIG.format(
            port=self.port,
            folder=self.folder,
            pam="yes" if second else "no",
            password="no" if second else "yes",
            second="yes" if second else "no",
            methods=methods,
            sftp=sftp,
            more=more,
        )
        config.write_text(text)
        log = self.folder / "log"
        command = [str(program), "-D", "-f", str(config), "-E", str(log)]
        if segmake:
            command = shown_to_users(*command, folder=self.folder)
        self.processes.append(subprocess.Popen(command))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise TimeoutError(log.read_text())

    def stop(self) -> None:
        """Kill the server and all of its connections, as when a computer goes away; what they started stays."""
        for process in self.processes:
            children = subprocess.run(
                ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
            ).stdout.split()
            process.kill()
            process.wait()
            for child in children:
                grandchildren = subprocess.run(
                    ["pgrep", "-P", child], capture_output=True, text=True, check=False
                ).stdout.split()
                for one in [child, *grandchildren]:
                    # The login's own two processes, and none below: a command ends as its pipes close.
                    with suppress(ProcessLookupError):
                        os.kill(int(one), signal.SIGKILL)
        self.processes.clear()

    def new_host_key(self) -> None:
        """Give the server another key, as when a computer is set up anew."""
        key = self.folder / "host_key"
        for file in (key, key.with_suffix(".pub")):
            file.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)

    def permit(self, public_key: str) -> None:
        """Let a key in."""
        folder = self.user.home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "authorized_keys").write_text(public_key)
        for path in (folder, folder / "authorized_keys"):
            shutil.chown(path, self.user.name)
        (folder / "authorized_keys").chmod(0o600)

    def set_shell(self, shell: str) -> None:
        """Give the user another login shell."""
        subprocess.run(["usermod", "--shell", str(shutil.which(shell)), self.user.name], check=True)

    def token(self) -> str:
        """Return the number that the user's telephone shows now (RFC 6238)."""
        digest = hmac.new(
            base64.b32decode(self.secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1
        ).digest()
        at = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1000000:06d}"

    def set_up_token(self, asks: str = "Verification code: ") -> None:
        """Ask for a number from now on, as a computing centre does."""
        Path("/etc/pam.d", _program(second=True)).write_text(PAM.format(asks=asks))
        file = self.user.home / ".google_authenticator"
        file.write_text(f'{self.secret}\n" TOTP_AUTH\n')
        file.chmod(0o400)
        shutil.chown(file, self.user.name)


def _program(*, second: bool) -> str:
    """Return what the server is called; with a second factor, PAM has rules for this name."""
    return f"segmake-{'token' if second else 'sshd'}-{os.getpid()}"


def _free_port() -> int:
    """Return a free port that the system gives to nobody by itself, since the server is stopped now and then."""
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            return port
    raise OSError("there is no free port")


@contextmanager
def server() -> Iterator[Server]:
    """Make a user and a server that is not started yet; both are gone afterwards."""
    install()
    Path("/run/sshd").mkdir(exist_ok=True)
    rules = Path("/etc/pam.d", _program(second=True))
    # Not below a folder that everybody may write to: OpenSSH believes no key there.
    folder = Path(tempfile.mkdtemp(prefix="segmake-sshd-", dir="/var/lib"))
    with users("laptop") as (_, (user,)):
        subprocess.run(
            ["chpasswd"],
            input=f"{user.name}:{PASSWORD}\n".encode(),
            check=True,
            capture_output=True,
        )
        made = Server(user, folder, _free_port())
        made.new_host_key()
        try:
            yield made
        finally:
            made.stop()
            subprocess.run(["pkill", "-KILL", "-u", user.name], check=False)
            rules.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
