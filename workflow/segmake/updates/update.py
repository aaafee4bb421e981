"""Brings the clone that SegMake lies in to a newer version, or back, with the user's edits and the environments.

git moves last of all that can fail. What follows belongs to the new version: its set-up brings the main environment up
to date, and its code merges the config. Where an update is, is noted before each step: the same command goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from segmake.config.yaml_lines import read_yaml
from segmake.core import installation
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import write_atomically
from segmake.messages import Problem, Problems, say
from segmake.updates import news
from segmake.updates.at_work import results_in, run_in, run_with
from segmake.updates.clone import Clone, GitError, open_clone
from segmake.updates.edits import CONFIG, Edits, checksum, content, put
from segmake.updates.record import Edit, Notes, Record

# Whoever killed the update may have killed its git as well, which leaves this in the way.
_INDEX_LOCK = "index.lock"
_PATIENCE_SECONDS = 10.0


def check() -> str:
    """Ask for what is new, and return it in words; nothing is changed."""
    clone = open_clone()
    notes = Notes(clone.notes)
    if record := notes.under_way():
        return say("update.half", version=record.version, commit=record.after[:7])
    newest = clone.fetch()
    clone.refuse_own_commits(newest)
    return "\n".join(_told(clone, newest))


def update(*, yes: bool, back: bool) -> int:
    """Bring SegMake to the newest version, or back to that before the last update; return the exit code.

    What is at work then is the other version: this process ends in it.

    Parameters
    ----------
    yes : bool
        Whether to go on without a question.
    back : bool

    Raises
    ------
    Problem
        What `open_clone` and `Clone.fetch` raise; ``SM-UPD-007`` to ``SM-UPD-010`` where git can't go on,
        ``SM-UPD-011`` where the set-up fails, ``SM-UPD-012`` and ``SM-UPD-013`` where there is nothing to go back to.
    """
    clone = open_clone()
    notes = Notes(clone.notes)
    with notes.locked():
        record = notes.under_way()
        again = record is not None
        _refuse_while_at_work(clone)
        if record and back and not record.back:
            # It is what is to be undone, whatever its environments are.
            _move(clone, notes, record, again=True)
            notes.close(record)
            record, again = None, False
        if record is None:
            begun = _begin_back(clone, notes) if back else _begin(clone, notes, yes=yes)
            if isinstance(begun, int):
                return begun
            record = begun
        else:
            print(say("update.goes_on", version=record.version, commit=record.after[:7]))
        _move(clone, notes, record, again=again)
        if not record.has("main"):
            _set_up("none")
            record.stage = "main"
            notes.note(record)
    return _continue_as_new()


def _refuse_while_at_work(clone: Clone) -> None:
    prefixes = [installation.environments() / "main", clone.root / ".venv"]
    if who := run_in(clone.root) or run_with(prefixes):
        raise Problem("SM-UPD-009", who=who)


def _told(clone: Clone, newest: str) -> list[str]:
    """Return lines that say what is new, and what would be computed again."""
    head = clone.commit("HEAD")
    version = news.version_of(clone, head)
    if not _is_behind(clone, newest):
        return [say("update.current", version=version, commit=head[:7])]
    there = {"version": news.version_of(clone, newest), "commit": newest[:7]}
    lines = [say("update.news", before=version, commit_before=head[:7], **there)]
    lines += news.describe_changes(clone, head, newest)
    again = news.describe_again(clone, head, newest)
    lines += [say("update.again"), *again] if again else [say("update.nothing_again")]
    lines += news.describe_gone(clone, head, newest)
    lines += news.describe_errors(clone, head, newest)
    return [*lines, *news.describe_environments(clone, head, newest, engines_here())]


def _is_behind(clone: Clone, newest: str) -> bool:
    return clone.git("rev-list", "--count", f"HEAD..{newest}").strip() != "0"


def engines_here() -> list[str]:
    """Return the engines that have an environment, made by the set-up."""
    files = installation.environment_file("imaging").parent.glob("*.yaml")
    place = installation.environments()
    return sorted(file.stem for file in files if (place / file.stem / "bin").is_dir())


def _begin(clone: Clone, notes: Notes, *, yes: bool) -> Record | int:
    """Begin an update; return an exit code where there is none to begin."""
    clone.refuse_half_done()
    newest = clone.fetch()
    clone.refuse_own_commits(newest)
    print("\n".join(_told(clone, newest)), flush=True)
    if not _is_behind(clone, newest):
        _set_up("none")
        return bring_engines_up_to_date()
    print(say("update.others"))
    if not yes and not confirmed("update.ask"):
        print(say("update.left"))
        return 1
    return _kept(clone, notes, newest)


def confirmed(question: str, **values: object) -> bool:
    """Ask, and return whether the user said yes; where nobody can answer, nobody did."""
    if not sys.stdin.isatty():
        return False
    return input(say(question, **values)).strip().lower() in ("y", "yes", "o", "oui")


def _begin_back(clone: Clone, notes: Notes) -> Record:
    clone.refuse_half_done()
    past = notes.past()
    if not past:
        raise Problem("SM-UPD-012", where=str(clone.root))
    last = past[-1]
    if clone.commit("HEAD") != last.after:
        raise Problem(
            "SM-UPD-013", where=str(clone.root), commit=last.after[:7], before=last.before[:7]
        )
    version = news.version_of(clone, last.before)
    print(say("update.back", version=version, commit=last.before[:7]), flush=True)
    return _kept(clone, notes, last.before, last)


def _kept(clone: Clone, notes: Notes, after: str, last: Record | None = None) -> Record:
    """Keep all edits, and note that an update has begun.

    Parameters
    ----------
    clone, notes
    after : str
        The commit to go to.
    last : Record, optional
        The update to go back from.
    """
    before = clone.commit("HEAD")
    folder = f"{time.strftime('%Y%m%d-%H%M%S')}-{before[:7]}"
    record = Record(before, after, news.version_of(clone, after), folder, back=last is not None)
    earlier: dict[str, Edit] = {edit.path: edit for edit in last.edits} if last else {}
    Edits(clone, notes, record).keep(
        config_in_use=(results_in(clone.root) / ".segmake").is_dir(),
        earlier=earlier,
        earlier_folder=notes.folder / last.folder if last else notes.folder,
    )
    notes.note(record)
    return record


def _move(clone: Clone, notes: Notes, record: Record, *, again: bool) -> None:
    """Let git move to the other version, and put the user's files into their places there.

    Parameters
    ----------
    clone, notes, record
    again : bool
        Whether an attempt was interrupted, nobody knows where.
    """
    edits = Edits(clone, notes, record)
    if not record.has("moved"):
        try:
            if again:
                _wait_for_git(clone)
                edits.rescue()
                notes.note(record)
                edits.clear()
                clone.git("reset", "--quiet", "--hard", record.after)
            else:
                _go(clone, notes, record, edits)
        except GitError as error:
            raise clone.refusal(error) from None
        record.stage = "moved"
        notes.note(record)
    if not record.has("placed"):
        edits.put_back()
        edits.seal()
        record.stage = "placed"
        notes.note(record)
        for line in _said_of(record):
            print(line)


def _go(clone: Clone, notes: Notes, record: Record, edits: Edits) -> None:
    """Move where nothing has disturbed it; where git refuses, all is as before."""
    edits.clear()
    notes.note(record)
    how = ("reset", "--keep") if record.back else ("merge", "--ff-only")
    try:
        clone.git(*how, "--quiet", record.after)
    except GitError:
        edits.undo()
        notes.forget()
        raise


def _wait_for_git(clone: Clone) -> None:
    """Wait for a git that goes on after the update was killed; one that was killed with it leaves its lock."""
    lock = clone.root / clone.git("rev-parse", "--git-path", _INDEX_LOCK).strip()
    end = time.monotonic() + _PATIENCE_SECONDS
    while lock.exists() and time.monotonic() < end and _git_works(clone):
        time.sleep(0.2)
    if lock.exists() and not _git_works(clone):
        lock.unlink(missing_ok=True)


def _git_works(clone: Clone) -> bool:
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            if process.info["name"] == "git" and Path(process.cwd()).samefile(clone.root):
                return True
    return False


def _said_of(record: Record) -> list[str]:
    """Return a line for each file of the user's of which another stands in its place."""
    kept = [e for e in record.edits if e.copy and e.how in ("clash", "untracked")]
    return [say(f"update.{edit.how}", path=edit.path, copy=edit.copy) for edit in kept]


def _set_up(engine: str) -> None:
    """Bring an environment up to date, with the set-up that is there now.

    Raises
    ------
    Problem
        ``SM-UPD-011``
    """
    root = installation.home()
    words = ["bash", str(root / "scripts" / "setup.sh"), "--brief", "--engine", engine]
    if (installation.environments() / "main" / ".segmake-requirements.txt").exists():
        words.append("--dev")
    sys.stdout.flush()
    if subprocess.run(words, cwd=root, check=False).returncode:
        raise Problem("SM-UPD-011", where=str(root))


def bring_engines_up_to_date() -> int:
    """Bring the environment of each engine that is there up to date."""
    for engine in engines_here():
        _set_up(engine)
    return 0


def _continue_as_new() -> int:
    """Become a process of the version that is there now."""
    python = installation.environments() / "main" / "bin" / "python"
    words = [str(python) if python.exists() else sys.executable, "-P", "-m", "segmake"]
    sys.stdout.flush()
    environment = {**os.environ, "PYTHONPATH": str(installation.PACKAGE.parent)}
    os.execve(words[0], [*words, "update", "--continue"], environment)  # noqa: S606


def go_on() -> int:
    """Do what only the new version can: merge the config, and bring the engines up to date."""
    clone = open_clone()
    notes = Notes(clone.notes)
    with notes.locked():
        record = notes.under_way()
        if record is None:
            return 0
        if not record.has("main"):
            # A run of another process has begun it in between.
            raise Problem("SM-UPD-014")
        if not record.has("config"):
            for edit in record.edits:
                if edit.path == CONFIG and edit.how == "config":
                    _merge_kept(clone, edit)
            record.stage = "config"
            notes.note(record)
        bring_engines_up_to_date()
        notes.close(record)
    done = "update.is_back" if record.back else "update.done"
    print(say(done, version=record.version, commit=record.after[:7]))
    return 0


def _merge_kept(clone: Clone, edit: Edit) -> None:
    """Bring the config that an update has put back into the form of the new version, and say so."""
    place, source = clone.root / CONFIG, clone.root / edit.copy
    lines, text = _merge(source, edit.copy)
    there = content(place)
    if text is not None and there not in (text.encode(), content(source)):
        # The user has edited it since: that is what counts.
        source = source.with_name(f"{source.stem}-{time.strftime('%H%M%S')}{source.suffix}")
        put(place, source)
        lines, text = _merge(source, source.relative_to(clone.root).as_posix())
    if text is not None:
        _write(place, text)
        edit.left = checksum(text.encode())
    print("\n".join(lines))


def _merge(source: Path, shown: str) -> tuple[list[str], str | None]:
    """Return what to say of merging a config into the form of this version, and the text; None where it can't be.

    Parameters
    ----------
    source : Path
    shown : str
        What it is called in words.
    """
    from segmake.updates.settings import means_the_same, merged_config

    try:
        merged = merged_config(source)
    except (Problem, Problems) as problem:
        return [say("update.config_unread", path=shown, problem=problem)], None
    if not means_the_same(source, merged.text):
        return [say("update.config_left", path=CONFIG)], None
    lines = [say("update.config", path=CONFIG, copy=shown)]
    lines += [say("update.not_taken", setting=each, copy=shown) for each in merged.unknown]
    return lines, merged.text


def _write(place: Path, text: str) -> None:
    with write_atomically(place) as part:
        part.write_text(text, encoding="utf-8")
        if place.exists():
            os.chmod(part, place.stat().st_mode & 0o777)


def take_settings(file: Path) -> str:
    """Bring the settings of a file into the clone's config, and return what to say.

    Parameters
    ----------
    file : Path

    Raises
    ------
    Problem
        ``SM-UPD-003`` if the clone can only be read.
    Problems
        If the file can't be read as a config.
    """
    file = file.absolute()
    read_yaml(file)
    place = installation.home() / DEFAULT_CONFIG
    if installation.is_shared():
        raise Problem("SM-UPD-003", where=str(place), owner=place.owner())
    lines, text = _merge(file, str(file))
    if text is not None:
        if kept := _kept_config(place, file):
            lines.append(say("update.config_kept", path=CONFIG, copy=kept))
        _write(place, text)
    return "\n".join(lines)


def _kept_config(place: Path, file: Path) -> str:
    """Keep the config that is there, unless it is as the version has it; return the name of the copy."""
    there = content(place)
    with suppress(GitError, Problem, OSError):
        if there == Clone(installation.home()).content("HEAD", CONFIG):
            return ""
    if there is None or there == content(file):
        return ""
    kept = place.with_name(f"config.before-{time.strftime('%Y-%m-%d-%H%M%S')}.yaml")
    with write_atomically(kept) as part:
        part.write_bytes(there)
    return kept.relative_to(installation.home()).as_posix()
