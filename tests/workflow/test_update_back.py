"""`segmake update --back`: to the version before, once and again, with what was edited since."""

from __future__ import annotations

from tests.workflow.updates import CONFIG, NEWS, OTHER_DEFAULT, Installation, git, own_commits


def test_back_twice_and_forward_again(installed: Installation) -> None:
    zero = installed.head()
    own = installed.edit(CONFIG, "diameter: null", "diameter: 22")
    script = installed.edit(
        "scripts/template.py", installed.read("scripts/template.py").splitlines()[0], "# mine"
    )
    one = installed.publish(
        OTHER_DEFAULT,
        ("scripts/template.py", script.splitlines()[-1], "# theirs"),
        version="0.3.0",
    )
    installed.update()
    merged = installed.read(CONFIG)
    installed.publish((CONFIG, "# ---", "# new ---"), ("environment.yml", "name:", "# new\nname:"))
    installed.update()
    installed.update("--back")
    assert installed.head() == one and installed.read(CONFIG) == merged
    assert "environments" not in git(installed.root, "status", "--porcelain")
    installed.update("--back")
    assert installed.head() == zero
    assert installed.read(CONFIG) == own and installed.read("scripts/template.py") == script
    lines = [line.split()[-1] for line in installed.read(".environments/called.txt").splitlines()]
    assert lines[0] == lines[-1] and len(set(lines)) == 2
    installed.refused("SM-UPD-012", "--back")
    installed.update()
    assert installed.settings()["segmentation"]["diameter"] == 22


def test_back_keeps_what_was_edited_since(installed: Installation) -> None:
    installed.publish(OTHER_DEFAULT)
    installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.update()
    text = installed.read(CONFIG)
    installed.write(CONFIG, text.replace("diameter: 22", "diameter: 33"))
    installed.update("--back")
    settings = installed.settings()["segmentation"]
    assert (settings["diameter"], settings["min_size"]) == (33, 15)


def test_back_from_where_somebody_has_moved_it_is_refused(installed: Installation) -> None:
    installed.publish(NEWS)
    installed.update()
    own_commits(installed)
    head = installed.head()
    installed.refused("SM-UPD-013", "--back")
    assert installed.head() == head


def test_a_file_that_was_kept_aside_is_back_in_its_place(installed: Installation) -> None:
    installed.publish(("scripts/new.txt", "", "theirs"))
    installed.write("scripts/new.txt", "mine")
    installed.update()
    installed.update("--back")
    assert installed.read("scripts/new.txt") == "mine"
