"""The page's one way to another computer: what a login asks, answers that never come, and logins after a loss."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import Problem
from segmake.page.computer import seen_of
from segmake.page.connection import Connection
from segmake.page.questions import Question, Questions
from segmake.remote.known_computers import Computer, remember
from segmake.remote.patience import patiently
from segmake.remote.remembered import PlaceFile, write_place
from segmake.remote.setup.setting_up import Wishes, set_up
from segmake.remote.setup.way_there import Way
from tests.ssh.conftest import Answers, make_key
from tests.ssh.server import PASSWORD, Server


@pytest.fixture
def place(over_there: Server, experiment: Path, shared: Path) -> PlaceFile:
    """Where the experiment is computed: over there, by the institute's SegMake."""
    folder = over_there.user.home / "segmake-experiments" / "day 1"
    folder.mkdir(parents=True)
    shutil.chown(folder, over_there.user.name)
    found = PlaceFile(over_there.host, str(folder), f"{shared}/.venv/bin/segmake")
    remember(Computer(over_there.host))
    write_place(experiment, found)
    return found


@pytest.fixture
def connection(experiment: Path, place: PlaceFile) -> Connection:
    return Connection(experiment, experiment / DEFAULT_CONFIG)


async def asked(connection: Connection) -> Question:
    """Return the question that the page shows, as soon as there is one."""
    for _ in range(1200):
        if question := connection.questions.waiting:
            return question
        await asyncio.sleep(0.05)
    raise AssertionError("nothing was asked")


async def works(connection: Connection) -> str:
    """Return the user's name over there."""
    session = await connection.session()
    return (await session.computer.run(["id", "-un"])).text.strip()


async def refused(work: Coroutine[Any, Any, Any]) -> str:
    """Return the code of what something fails with."""
    with pytest.raises(Problem) as told:
        await work
    return told.value.code


async def agree_and_type(connection: Connection, typed: str | Callable[[], str]) -> None:
    """Say that it is the right computer, and type something."""
    question = await asked(connection)
    assert question.kind == "agree" and "fingerprint" in question.text
    connection.questions.answer(question.key, "yes")
    while (question := await asked(connection)).kind == "agree":
        await asyncio.sleep(0.05)
    assert question.kind == "secret"
    connection.questions.answer(question.key, typed() if callable(typed) else typed)


def test_one_login_serves_all_and_what_it_asks_is_answered_once(
    over_there: Server, connection: Connection
) -> None:
    over_there.start()

    async def go() -> None:
        many = [asyncio.create_task(works(connection)) for _ in range(5)]
        await agree_and_type(connection, PASSWORD)
        assert await asyncio.gather(*many) == [over_there.user.name] * 5
        assert connection.questions.waiting is None
        # Nothing of it is kept: not in the question, nor anywhere in what the page holds.
        assert PASSWORD not in repr(vars(connection.questions))
        # The connection is lost; the next call asks again, and says why.
        over_there.stop()
        over_there.start()
        lost = patiently(lambda: works(connection), lambda words: None, over_there.host)
        again = asyncio.create_task(lost)
        question = await asked(connection)
        assert question.kind == "secret" and "was lost" in question.text
        connection.questions.answer(question.key, PASSWORD)
        assert await again == over_there.user.name
        await connection.close()

    asyncio.run(go())


def test_a_second_factor_is_asked_on_the_page(over_there: Server, connection: Connection) -> None:
    over_there.set_up_token()
    over_there.start(methods="keyboard-interactive", second=True)

    async def go() -> None:
        task = asyncio.create_task(works(connection))
        await agree_and_type(connection, PASSWORD)
        await asyncio.sleep(0.3)
        connection.questions.answer((await asked(connection)).key, over_there.token())
        assert await task == over_there.user.name
        await connection.close()

    asyncio.run(go())


def test_where_nobody_answers_nothing_hangs_and_nothing_is_asked_again_and_again(
    over_there: Server, connection: Connection
) -> None:
    # Long enough to come to a question, on a machine that has much else to do.
    over_there.start(more="LoginGraceTime 20")

    async def go() -> None:
        connection.questions.answer("of another window", "yes")
        first = asyncio.create_task(refused(works(connection)))
        connection.questions.answer((await asked(connection)).key, "yes")
        others = [asyncio.create_task(refused(works(connection))) for _ in range(3)]
        # The computer over there has waited long enough for a password.
        assert await first == "SM-PAG-030"
        assert await asyncio.gather(*others) == ["SM-PAG-031"] * 3
        assert connection.questions.waiting is None
        assert await refused(works(connection)) == "SM-PAG-031"
        # Once somebody is there, and would rather not.
        over_there.stop()
        over_there.start()
        connection.questions.ask_again()
        task = asyncio.create_task(refused(works(connection)))
        connection.questions.answer((await asked(connection)).key, None)
        assert await task == "SM-PAG-032"
        # Nobody for what the page itself waits for.
        connection.questions = Questions(patience_s=0.2)
        await connection.close()
        assert await refused(works(connection)) == "SM-PAG-030"
        # And at last, the answer.
        connection.questions = Questions()
        await connection.close()
        task = asyncio.create_task(works(connection))
        connection.questions.answer((await asked(connection)).key, PASSWORD)
        assert await task == over_there.user.name
        await connection.close()

    asyncio.run(go())


def test_after_wrong_passwords_nothing_is_asked_until_somebody_wants_it(
    over_there: Server, connection: Connection
) -> None:
    over_there.start()

    async def go() -> None:
        task = asyncio.create_task(refused(works(connection)))
        await agree_and_type(connection, "wrong")
        for _ in range(2):
            await asyncio.sleep(0.3)
            connection.questions.answer((await asked(connection)).key, "wrong")
        assert await task == "SM-SSH-034"
        assert await refused(works(connection)) == "SM-PAG-031"
        await connection.close()

    asyncio.run(go())


def test_what_was_typed_at_the_login_of_a_set_up_is_told_afterwards(
    over_there: Server, experiment: Path, wishes: Wishes
) -> None:
    over_there.start()
    host_key = (over_there.folder / "host_key.pub").read_text()
    known = Path("~/.ssh/known_hosts").expanduser()
    known.write_text(f"[127.0.0.1]:{over_there.port} {host_key}")

    async def go(asking: Answers) -> tuple[bool | None, bool]:
        way = Way(asking, lambda words: None, host=over_there.host, stay=True)
        await set_up(way, wishes, experiment)
        connection = Connection(experiment, experiment / DEFAULT_CONFIG)
        await connection.go_on_with(way.place)
        found = (await seen_of(connection)).found
        await connection.close()
        assert found is not None
        return found.typed, found.key_refused

    # No key is wanted: the password will be asked for at each login.
    assert asyncio.run(go(Answers([PASSWORD], agreed=False))) == (True, True)
    # The key takes its place.
    assert asyncio.run(go(Answers([PASSWORD, ""]))) == (False, False)


def test_what_is_wrong_with_the_computer_is_told_as_everywhere(
    over_there: Server, connection: Connection, experiment: Path, place: PlaceFile
) -> None:
    over_there.permit(make_key())
    over_there.start()

    async def go() -> None:
        task = asyncio.create_task(refused(works(connection)))
        connection.questions.answer((await asked(connection)).key, "no")
        assert await task == "SM-SSH-004"
        assert await refused(works(connection)) == "SM-PAG-031"
        connection.questions.ask_again()
        task2 = asyncio.create_task(works(connection))
        connection.questions.answer((await asked(connection)).key, "yes")
        assert await task2 == over_there.user.name
        # The experiment was moved meanwhile, by a command or in another window.
        write_place(experiment, PlaceFile("nobody@nowhere.invalid", place.folder, place.segmake))
        assert await refused(works(connection)) == "SM-SSH-001"
        (experiment / "segmake.place").unlink()
        assert await works(connection) != over_there.user.name
        await connection.close()

    asyncio.run(go())
