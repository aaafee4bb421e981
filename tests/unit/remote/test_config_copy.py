"""The copy of a config for another computer: the same lines, with other paths."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segmake.cli import main
from segmake.config.yaml_lines import read_yaml
from segmake.core.settings import Images
from segmake.core.site_paths import Share
from segmake.images.set_image import other_files
from segmake.remote.config_copy import ConfigCopy, apart, make_copy, sign_of
from segmake.remote.laptop_paths import Laptop
from segmake.remote.luggage import Luggage, config_problems, pack, pack_one

# What the package for laptops lacks.
HEAVY = ["numpy", "scipy", "pandas", "snakemake", "tifffile", "nd2", "matplotlib", "skimage", "yte"]

THERE = "/home/marie/day 1"
CONFIG = """\
# Mine
images:
  folder: [images, "{away}/monday",   # two
    /data/of/the/cluster, smb://server/lab/me]
  include: ["**/*pos*.tif"]
segmentation: {{engine: cellpose3, model: cyto3}}
lists: &lists
  file: lists/requirements.txt
environments:
  lab: {{<<: *lists, python: "3.11"}}
  old: {{existing: /opt/env}}
scripts:
  - name: one
    script: code/one.py
    files: ["data/*.dat"]
    arguments:
      table: "{away}/table.csv"
      model: "{{project}}/models/mine"
      words: "results/cells.csv, and it's 5 > 3"
      word: images
      other: /data/of/the/cluster/x
  - {{name: two, script: 'segmake:gillespie.py', run: sweep, sweep: {{file: design.csv}}}}
  - name: three
    script: {away}/three.py
    run: once
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment's folder, with a folder beside it on the same laptop."""
    folder, away = tmp_path / "day 1", tmp_path / "away"
    files = """
        day 1/images/pos1.tif day 1/images/pos1.txt day 1/images/film.avi day 1/images/neg.tif
        day 1/images/s/pos2.ome.tif day 1/images/s/c2.ome.tif day 1/images/s/x.companion.ome day 1/images/.hidden_pos.tif
        away/monday/pos3.tif away/table.csv away/three.py away/secret.py
        day 1/lists/requirements.txt day 1/lists/more.txt day 1/code/one.py day 1/code/sub/used.py
        day 1/code/colours.csv day 1/code/.git/HEAD day 1/code/env/pyvenv.cfg day 1/code/env/x.py
        day 1/code/__pycache__/one.pyc day 1/code/data/a.dat day 1/models/mine day 1/design.csv
        day 1/results/cells.csv day 1/results/corrections/pos1_masks.tif day 1/private.txt
    """
    for name in files.split("\n"):
        for path in name.replace("day 1/", "day_1/").split():
            file = tmp_path / path.replace("day_1", "day 1")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("")
    (folder / "lists/requirements.txt").write_text("-r more.txt\nnumpy\n")
    (away / "three.py").write_text("import beside\n")
    (away / "beside.py").write_text("")
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text(CONFIG.format(away=away))
    monkeypatch.chdir(folder)
    return folder


def copied(experiment: Path) -> tuple[ConfigCopy, Luggage, str]:
    """Return the copy, what is sent, and what the folder beside the experiment is called over there."""
    laptop = Laptop(experiment, Path.home(), [Share("/srv/lab", ("smb://server/lab",))])
    config = Path("config/config.yaml")
    made = make_copy(config, laptop, THERE)
    away = laptop.called(str(experiment.parent / "away"))
    return made, pack(config, made.named, laptop), away


def test_paths_are_called_as_over_there_and_lines_stay(experiment: Path) -> None:
    made, luggage, away = copied(experiment)
    monday = next(name for name in luggage.folders if name.endswith("/monday"))
    own = Path("config/config.yaml").read_text()
    written, lines, _ = read_yaml(Path("config/config.yaml"), made.body)
    assert written["images"]["folder"] == ["images", monday, "/data/of/the/cluster", "/srv/lab/me"]
    one, two, three = written["scripts"]
    assert one["arguments"] == {
        "table": f"{THERE}/{away}/table.csv",
        "model": "{project}/models/mine",
        "words": "results/cells.csv, and it's 5 > 3",
        "word": "images",
        "other": "/data/of/the/cluster/x",
    }
    assert (one["script"], two["script"]) == ("code/one.py", "segmake:gillespie.py")
    assert three["script"] == f"{away}/three.py"
    assert written["environments"]["old"]["existing"] == "/opt/env"
    assert lines == read_yaml(Path("config/config.yaml"), own)[1]
    changed = [
        number
        for number, (one, other) in enumerate(
            zip(own.splitlines(), made.body.splitlines(), strict=True), 1
        )
        if one != other
    ]
    assert changed == [3, 4, 17, 24]
    assert "# two" in made.body


def test_one_image_is_sent_with_all_of_its_files(experiment: Path) -> None:
    """The files that the names put together, and the index that says what the pages of NDTiff are."""
    folder = experiment / "images" / "day"
    folder.mkdir()
    names = ["a_c1.tif", "a_c2.tif", "NDTiff.index"]
    for name in (*names, "b_c1.tif"):
        (folder / name).write_text("")
    first, images = folder / "a_c1.tif", Images(pattern="{name}_c{channel}.tif")
    laptop = Laptop(experiment, Path.home())
    luggage, name = pack_one(first, [], laptop, other_files(first, images))
    assert name == "images/day/a_c1.tif"
    assert sorted(luggage.paths) == sorted(f"images/day/{each}" for each in names)
    assert other_files(first, Images()) == []


def test_what_is_sent(experiment: Path) -> None:
    _, luggage, away = copied(experiment)
    monday = next(name for name in luggage.folders if name.endswith("/monday"))
    assert sorted(luggage.paths) == sorted(
        [
            *("images/pos1.tif", "images/pos1.txt", f"{monday}/pos3.tif"),
            *("images/s/pos2.ome.tif", "images/s/c2.ome.tif", "images/s/x.companion.ome"),
            *("lists/requirements.txt", "lists/more.txt"),
            *("code/one.py", "code/sub/used.py", "code/colours.csv", "code/data/a.dat"),
            *(f"{away}/table.csv", f"{away}/three.py", f"{away}/beside.py"),
            *("models/mine", "design.csv", "results/corrections/pos1_masks.tif"),
        ]
    )
    assert all(os.path.isfile(path) for path in luggage.paths.values())
    images = {name for name in luggage.paths if name.startswith(("images/", monday))}
    assert luggage.guarded == set(luggage.paths) - images
    assert luggage.left == []


def test_a_copy_knows_whether_it_was_edited(experiment: Path) -> None:
    made, _, _ = copied(experiment)
    copy = ConfigCopy(f"{made.body}# the last line\n").with_note(
        "laptop", Path("day\n1/config.yaml")
    )
    body, sign = apart(copy)
    assert body == f"{made.body}# the last line\n" and sign_of(body) == sign
    edited, sign = apart(copy.replace("cyto3", "cyto2"))
    assert sign_of(edited) != sign
    # Without the note, whose language may be another one.
    assert edited == f"{made.body.replace('cyto3', 'cyto2')}# the last line\n"
    assert apart("images: {}\n") == ("images: {}\n", "")


def test_only_what_is_wrong_here_is_told_here(experiment: Path) -> None:
    config = Path("config/config.yaml")
    text = config.read_text().replace("lists: &lists\n  file", "lists: &lists\n  filed")
    config.write_text(text.replace("cyto3}", "cyto5, min_size: many}"))
    made, _, _ = copied(experiment)
    codes = sorted(
        (problem.code, problem.where.line) for problem in config_problems(config, made.named)
    )
    assert ("SM-CFG-002", 6) in codes
    # The model is no file here: it may be one of the other computer's.
    assert not [code for code, _ in codes if code in ("SM-CFG-011", "SM-CFG-012", "SM-SIT-007")]


def test_a_laptop_needs_no_numpy_and_no_snakemake_for_it(experiment: Path) -> None:
    program = f"""
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import segmake.cli.of_remote, segmake.remote.fetching, segmake.remote.running, segmake.remote.sending
from segmake.remote.config_copy import make_copy
from segmake.remote.laptop_paths import Laptop
from segmake.remote.luggage import config_problems, pack

config, laptop = Path("config/config.yaml"), Laptop(Path.cwd(), Path.home())
named = make_copy(config, laptop, "/there").named
config_problems(config, named)
print(len(pack(config, named, laptop).paths))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "18\n", done.stderr


def test_without_what_speaks_ssh_it_is_told_what_to_install(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    for name in [name for name in sys.modules if name.startswith("segmake.places.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "segmake.remote.session", raising=False)
    assert main(["remote", "status"]) == 1
    assert "SM-REM-052" in capsys.readouterr().err
