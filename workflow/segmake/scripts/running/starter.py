"""Starts the users' scripts with mounts of their own: a small program, which needs nothing but Python itself.

A process that holds libraries and threads takes long to be copied, and must not be, before what comes next is begun. So
this one waits for orders from a job of SegMake, and ends with it. What it is told over a socket is JSON with its length
in front, and two open files: one for what the script says, and one for what this program says of it, a line each:
``pid NUMBER``; ``space NUMBER`` if it has mounts of its own, else ``space``; ``error NUMBER`` if it can't be started;
``exit NUMBER``, as a process in Python has it, in the end.

Where all orders come with the same mounts (``stays``), it takes these for itself, once: scripts that take milliseconds
would else wait for mounts longer than they work.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
from contextlib import suppress

LENGTH = struct.Struct("!Q")

_libc = ctypes.CDLL(None, use_errno=True)

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _WITH_ALL_BELOW, _SLAVE = 1, 1 << 5, 1 << 12, 1 << 14, 1 << 19
# What statvfs says of a mount, and what mount takes: who has no rights may not change it.
_KEPT = {2: 2, 4: 4, 8: 8, 1024: 1 << 10, 2048: 1 << 11, 4096: 1 << 21}

# Ctrl-C and scancel are for who gives the orders.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# What is as it is at a program's start in what is started.
_DEFAULT = (*_IGNORED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)


def serve(orders: socket.socket) -> None:
    """Start what is ordered, and tell how each ends, until nobody orders any more."""
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    running: dict[int, int] = {}
    space: str | None = None
    while True:
        ready, _, _ = select.select([orders.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(running)
        if orders.fileno() in ready:
            order = _take(orders)
            if order is None:
                return
            if order[0].get("stays") and space is None:
                space = ""
                with suppress(OSError):
                    space = _close(**order[0]["mounts"])
            if space is None:
                _start(*order, running)
            elif not _spawn(*order, running, space):
                order[0]["space"] = space
                _start(*order, running)


def _spawn(order: dict, said: int, told: int, running: dict[int, int], space: str) -> bool:
    """Start a script with the mounts of this process, without a copy of it; return whether that went well."""
    words, variables = order["words"], order["variables"]
    try:
        os.chdir(order["folder"])
        number = os.posix_spawn(
            _found(words[0], variables),
            words,
            variables,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ],
            setsid=True,
            setsigdef=_DEFAULT,
        )
    except (OSError, NotImplementedError):
        return False
    finally:
        # The folder may be removed by then.
        os.chdir("/")
    os.write(told, f"pid {number}\nspace {space}\n".encode())
    os.close(said)
    running[number] = told
    return True


def _found(program: str, variables: dict[str, str]) -> str:
    """Return the path of a program, as `os.execvpe` finds it."""
    if os.path.dirname(program):
        return program
    places = (os.path.join(folder, program) for folder in os.get_exec_path(variables))
    return next((place for place in places if os.access(place, os.X_OK)), program)


def _take(orders: socket.socket) -> tuple[dict, int, int] | None:
    start, files, _, _ = socket.recv_fds(orders, LENGTH.size, 2, socket.MSG_CMSG_CLOEXEC)
    if not start:
        return None
    data = bytearray()
    while len(data) < LENGTH.unpack(start)[0]:
        more = orders.recv(1 << 20)
        if not more:
            # Who ordered was killed meanwhile.
            return None
        data += more
    return json.loads(data), *files


def _start(order: dict, said: int, told: int, running: dict[int, int]) -> None:
    number = os.fork()
    if number == 0:
        try:
            _become(order, said, told)
        except OSError as error:
            os.write(told, f"error {error.errno}\n".encode())
        finally:
            os._exit(127)
    os.close(said)
    running[number] = told


def _become(order: dict, said: int, told: int) -> None:
    """Turn this process into the script."""
    os.setsid()
    # By itself: what is said of it later must not come before this.
    os.write(told, f"pid {os.getpid()}\n".encode())
    signal.set_wakeup_fd(-1)
    for number in _DEFAULT:
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, file in enumerate((nothing, said, said)):
        os.dup2(file, place)
    space = ""
    # Whatever goes wrong, the script is run, and its images are looked at.
    with suppress(OSError):
        space = order["space"] if "space" in order else _close(**order["mounts"])
    # The folder as it is under the new mounts.
    os.chdir(order["folder"])
    os.write(told, f"space {space}\n".encode())
    os.execvpe(order["words"][0], order["words"], order["variables"])  # noqa: S606


def _close(opened: list[str], closed: list[str], below: list[str], beside: list[str]) -> str:
    """Let all but some folders only be read by this process; return the number of its namespace, if that went well.

    Parameters
    ----------
    opened : list of str
        ResultPaths that stay as they are.
    closed : list of str
        Files and folders that can only be read, with all in them but for what is opened.
    below : list of str
        Where other disks are mounted in these.
    beside : list of str
        Files and folders in what is opened that can only be read; one may have been removed meanwhile.
    """
    if not _new_mounts():
        return ""
    good = all([_bind(path) for path in (*opened, *closed)])
    good &= all([_make_read_only(path) for path in (*closed, *below)])
    for path in beside:
        if _bind(path):
            _make_read_only(path)
    return str(os.stat("/proc/self/ns/mnt").st_ino) if good else ""


def _tell_ends(running: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while True:
            number, status = os.waitpid(-1, os.WNOHANG)
            if number == 0:
                return
            told = running.pop(number, None)
            if told is not None:
                with suppress(OSError):
                    os.write(told, f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
                os.close(told)


def _new_mounts() -> bool:
    """Give this process a table of mounts of its own, and return whether that was allowed.

    An ordinary user gets one with a namespace of users in which there is but this one.
    """
    if _libc.unshare(_NEW_MOUNTS) != 0:
        user, group = os.geteuid(), os.getegid()
        # root would lose its rights to the files of others.
        if user == 0 or _libc.unshare(_NEW_USER | _NEW_MOUNTS) != 0:
            return False
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            file = os.open(f"/proc/self/{name}", os.O_WRONLY)
            try:
                os.write(file, text.encode())
            finally:
                os.close(file)
    # What is mounted outside meanwhile is seen, and nothing of it seen outside.
    return _mount(None, "/", _WITH_ALL_BELOW | _SLAVE)


def _bind(path: str) -> bool:
    """Mount a file or folder onto itself, with all that is mounted below it; return whether that was allowed."""
    return _mount(path, path, _BIND | _WITH_ALL_BELOW)


def _make_read_only(path: str) -> bool:
    """Let nothing be written through a mount, and return whether that was allowed."""
    said = os.statvfs(path).f_flag
    kept = sum(flag for known, flag in _KEPT.items() if said & known)
    return _mount(None, path, _BIND | _REMOUNT | _READ_ONLY | kept)


def _mount(source: str | None, target: str, flags: int) -> bool:
    what = None if source is None else os.fsencode(source)
    return _libc.mount(what, os.fsencode(target), None, ctypes.c_ulong(flags), None) == 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
