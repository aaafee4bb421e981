"""The first part of making a computer ready: which one it is, the login, a key, and an entry in the SSH settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from segmake.messages import Problem, say
from segmake.places.asking import Asking
from segmake.places.host_keys import HostKeys
from segmake.places.login import Login, Taken, in_parts
from segmake.places.there import There
from segmake.remote.handed_out import HandedOut, read_handed_out
from segmake.remote.known_computers import (
    Computer,
    bare,
    known_computer,
    known_computers,
    true_name,
    under_another_name,
)
from segmake.remote.setup import own_key
from segmake.remote.setup.key_there import close_to_others, other_keys, put_in
from segmake.remote.setup.own_key import OwnKey
from segmake.remote.setup.ssh_config import (
    Entry,
    add_entry,
    has_entry,
    is_one_computers,
    short_name,
)
from segmake.remote.setup.typed_host import typed_host, with_port

Tell = Callable[[str], None]

# What a login says where no key is let in and no password is taken.
NO_KEY = "SM-SSH-007"
CHANGED_KEY = ("SM-SSH-005", "SM-SSH-033")


# What SSH's settings take for a name, and for no pattern.
NAME = re.compile(r"[\w.-]+")


@dataclass
class Way:
    """How to get to a computer, as far as it is made.

    Parameters
    ----------
    asking : Asking
        Whom to ask.
    tell : callable
        Is told what is found and done, a line or more at a time.
    host, through, name : str
        As they were typed: the computer, the one to go over, and what to call it.
    port : int
        The port of the computer, whichever that is; 0 for what its name says.
    site : Path, optional
        The institute's file.
    yes : bool
        Whether all is agreed to; an unknown computer is asked about all the same.
    stay : bool
        Whether the login is kept once all is made, for whoever goes on with it.

    Attributes
    ----------
    computer : Computer
        What is known of it.
    place : There
        The computer, once somebody is logged in.
    """

    asking: Asking
    tell: Tell
    host: str = ""
    through: str = ""
    name: str = ""
    port: int = 0
    site: Path | None = None
    yes: bool = False
    stay: bool = False
    computer: Computer = field(init=False)
    place: There = field(init=False)

    async def go(self) -> None:
        """Log in; where that took a password, put a key in place of it, and give the computer a name.

        Raises
        ------
        Problem
            What a login says; ``SM-REM-030`` to ``SM-REM-039``.
        """
        if self.name and not NAME.fullmatch(self.name):
            raise Problem("SM-REM-039", name=self.name)
        await self._choose()
        await self._log_in()
        await self._care_for_keys()

    async def agrees(self, question: str) -> bool:
        """Return whether the user says yes, or has said so to all."""
        return self.yes or await self.asking.agrees(question)

    async def answer(self, question: str, default: str) -> str:
        """Return what the user types; the default for nothing.

        Raises
        ------
        Problem
            ``SM-REM-059`` if they leave (Ctrl-D).
        """
        if self.yes and default:
            return default
        asked = f"{question}\n  {say('reach.enter', default=default)}" if default else question
        return (await self._typed(asked, shown=True)).strip() or default

    async def _typed(self, question: str, *, shown: bool = False) -> str:
        typed = await self.asking.secret(question, shown=shown)
        if typed is None:
            raise Problem("SM-REM-059")
        return typed

    # Which computer

    async def _choose(self) -> None:
        handed_out = read_handed_out(self.site) if self.site else HandedOut()
        known = [each.host for each in known_computers()]
        known_of_institute = [
            each.host for each in known_computers() if handed_out.host == each.handed_out.host != ""
        ]
        host = self.host or next(iter(known_of_institute), handed_out.host)
        if not host:
            if len(known) > 1:
                self.tell(say("reach.known", computers=", ".join(known)))
            typed = await self.answer(say("reach.which"), known[0] if known else "")
            host = typed_host(typed)
        if not host:
            raise Problem("SM-REM-030")
        computer = known_computer(with_port(host, self.port))
        if self.site:
            computer = replace(computer, handed_out=handed_out)
        self.computer = computer
        if contact := computer.handed_out.contact:
            self.tell(say("reach.contact", contact=contact))
        await self._ask_user_name()
        await self._find_under_another_name()
        self.tell(say("reach.computer", host=self.computer.host))

    async def _ask_user_name(self) -> None:
        """Ask for the user's name there, unless it was typed or is in the SSH settings."""
        host, login = self.computer.host, self._login(self.computer.host)
        options = login.options()
        if "@" in host or options.config.get("User"):
            return
        if hint := self.computer.handed_out.user_name:
            self.tell(say("reach.user_hint", hint=hint))
        known = await under_another_name(self.computer, any_user=True)
        usual = in_parts(known.host)[0] if known else ""
        user = await self.answer(say("reach.user", host=host), usual or options.username)
        self.computer = replace(self.computer, host=f"{user}@{host}")

    async def _find_under_another_name(self) -> None:
        """Take a computer for the one that it is, whatever it was called this time."""
        typed = self.computer
        if typed.host in [each.host for each in known_computers()] or self.through:
            return
        if known := await under_another_name(typed):
            self.computer = replace(known, handed_out=typed.handed_out) if self.site else known
            self.tell(say("reach.same", typed=typed.host, host=known.host))

    def _login(self, host: str, **more: Any) -> Login:
        entry = self.computer.entry if host == self.computer.host else ""
        return replace(self.computer, host=host, entry=entry).login(self.asking, **more)

    # The login

    async def _log_in(self) -> None:
        login = self._login(self.computer.host, through=self.through)
        if jumps := login.jumps():
            self.tell(say("reach.over", jumps=", ".join(jumps)))
        self.place = There(login)
        try:
            await self.place.run(["true"])
        except Problem as problem:
            await self.place.close()
            if problem.code == NO_KEY:
                await self._hand_in_key(problem.where)
            self._tell_of_institute(problem)
            raise
        self.tell(say("reach.logged_in", host=self.computer.host))

    def _tell_of_institute(self, problem: Problem) -> None:
        """Raise that a computer shows another key than the institute's file has."""
        if problem.code not in CHANGED_KEY:
            return
        options = self._login(problem.where).options()
        file = HostKeys((), self.computer.handed_out.host_keys)
        if file.trusted(options.host, "", options.port)[0]:
            values = {name: problem.values[name] for name in ("host", "fingerprint", "known")}
            contact = self.computer.handed_out.contact or say("site.nobody")
            raise Problem("SM-REM-032", where=problem.where, contact=contact, **values)

    async def _hand_in_key(self, host: str) -> None:
        """Raise what to do with a key where nothing else is taken; without a key, return."""
        key = next(own_key.usable_keys(), None)
        if key is None:
            self.tell(say("reach.keys_alone", host=host))
            if not await self.agrees(say("reach.may_make", host=host)):
                return
            key = await self._make_key()
        contact = self.computer.handed_out.contact or say("reach.centre")
        raise Problem("SM-REM-034", where=host, host=host, public=key.public, contact=contact)

    # The key

    async def _care_for_keys(self) -> None:
        await self._look_at_rights()
        login = self.place.login
        key = None
        if login.keys_refused:
            self.tell(say("reach.why_key", host=self.computer.host))
            if await self.agrees(say("reach.may_put_in", hosts=", ".join(login.keys_refused))):
                key = await self._own_key()
                for host in login.keys_refused:
                    if host == login.host:
                        await self._let_in(self.place, key)
                    else:
                        await self._let_in_on_the_way(host, key)
        else:
            self.tell(say("reach.typed" if login.had_to_type else "reach.by_key"))
        self._name_computer(login, key)
        if key:
            await self._try(key)

    async def _look_at_rights(self) -> None:
        """Tell what others may read or write of the user's keys here, and put it right."""
        for path in own_key.too_open():
            if await self.agrees(say("reach.too_open_here", path=path)):
                own_key.close(path)

    async def _own_key(self) -> OwnKey:
        for key in own_key.usable_keys():
            if not key.locked or await self.agrees(say("reach.may_use", path=key.name)):
                self.tell(say("reach.key_here", path=key.name))
                return key
        return await self._make_key()

    async def _make_key(self) -> OwnKey:
        key = own_key.make_key("" if self.yes else await self._passphrase())
        self.tell(say("reach.key_made", path=key.name))
        return key

    async def _passphrase(self) -> str:
        """Return the passphrase for a new key, typed twice; empty for none."""
        question = say("reach.passphrase")
        while first := await self._typed(question):
            if first == await self._typed(say("reach.passphrase_again")):
                return first
            question = say("reach.passphrase_differs")
        return ""

    async def _let_in(self, place: There, key: OwnKey) -> None:
        """Put a key into the list of a computer."""
        open_to_others = await put_in(place, key.public)
        self.tell(say("reach.put_in", host=place.name))
        if others := await other_keys(place, key.public):
            names = {"host": place.name, "number": len(others), "keys": ", ".join(others)}
            self.tell(say("reach.other_keys", **names))
        if open_to_others:
            await self._close_there(place, open_to_others)

    async def _let_in_on_the_way(self, host: str, key: OwnKey) -> None:
        """Put a key into the list of a computer on the way; there may be no shell, and the login works without."""
        place = self.place.on_the_way(host)
        login = place.login
        try:
            await self._let_in(place, key)
        except Problem as problem:
            self.tell(str(problem))
            return
        if not _is_offered(key, login) and not has_entry(login.config, bare(host)):
            add_entry(login.config, _entry((bare(host),), login, key))

    async def _close_there(self, place: There, paths: list[str]) -> None:
        names = {"host": place.name, "paths": ", ".join(paths)}
        agreed = await self.agrees(say("reach.too_open_there", **names))
        if not agreed or not await close_to_others(place, paths):
            self.tell(str(Problem("SM-REM-038", where=place.name, **names)))

    # The name

    def _name_computer(self, login: Login, key: OwnKey | None) -> None:
        """Give the computer an entry in the SSH settings, unless it has one by which all is reached.

        From now on it is called as on each other laptop; the entry is this one's own way to it.
        """
        options = login.options()
        self.computer = replace(self.computer, host=true_name(login))
        typed = login.entry or bare(login.host)
        complete = (key is None or _is_offered(key, login)) and (
            not self.through or options.tunnel == self.through
        )
        if has_entry(login.config, typed) and complete:
            self.tell(say("reach.entry_there", name=typed))
            self.computer = replace(self.computer, entry=typed)
            return
        names = [self._free_name(login, self.name or short_name(options.host) or "cluster")]
        if is_one_computers(options.host) and not has_entry(login.config, options.host):
            names.append(options.host)
        add_entry(login.config, _entry(tuple(dict.fromkeys(names)), login, key))
        self.tell(say("reach.entry_made", name=names[0], file=login.config))
        self.computer = replace(self.computer, entry=names[0])

    def _free_name(self, login: Login, wanted: str) -> str:
        numbered = (f"{wanted}-{number}" for number in range(2, 100))
        return next(name for name in (wanted, *numbered) if not has_entry(login.config, name))

    async def _try(self, key: OwnKey) -> None:
        """Log in with nothing but the key: no second number is asked for, which most centres refuse so soon."""
        self.tell(say("reach.trying", path=key.name))
        taken = await self.place.login.takes_key(key.path)
        if taken != Taken.NOT:
            alone = taken == Taken.ALONE
            words = "reach.key_works" if alone else "reach.key_and_more"
            self.tell(say(words, host=self.computer.host))
            return
        contact = self.computer.handed_out.contact or say("reach.centre")
        names = {"host": self.computer.host, "public": key.public, "contact": contact}
        self.tell(str(Problem("SM-REM-036", where=self.computer.host, **names)))


def _entry(names: tuple[str, ...], login: Login, key: OwnKey | None) -> Entry:
    """Return what SSH is to know so that it logs in as `login` does, with a key."""
    options = login.options()
    way = ",".join(login.jumps())
    file = key.name if key else ""
    return Entry(names, options.host, options.username, options.port, way, file)


def _is_offered(key: OwnKey, login: Login) -> bool:
    """Return whether SSH offers a key by itself where an entry says what it does."""
    named = cast(list[str], login.options().config.get("IdentityFile", []))
    if named:
        return key.path in [Path(name).expanduser() for name in named]
    return key.path.name in own_key.USUAL
