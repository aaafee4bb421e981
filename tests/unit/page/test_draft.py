"""What stands in a form and what it makes of the file: nothing is lost, nothing else is changed, nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.config.edit import proposed
from segmake.config.template import commented_config, suggested
from segmake.messages import LANGUAGES, Problems, speaking
from segmake.page.desk import card_of, taken_from_cards
from segmake.page.draft import SettingsFile
from segmake.page.fields import all_fields, field_of, sections

RICH = """\
images:
  folder: [/data/monday, "/data/tue's: day"]
  include: ["**/*.nd2", "a b.tif"]
  channel: [Phase, "3"]
  time: [1, 100, 10]
  pixel_size_um: 6.5e-2
segmentation:
  engine: cellpose3
  model: bact_phase_cp3
  diameter: 007
  flow_threshold: 0.40
  normalize: {percentile: [1, 99], tile_norm_blocksize: 100}
  bsize: null
  gpu: auto
outputs: [rois, ome_zarr]
measurements: {properties: [], background: local}
overlays: {color: "#00ff00", contrast: [1, 99.5]}
scripts:
  # mine
  - name: growth  # of each
    script: growth.py
    arguments: {threshold: 1e-3, note: "a: b", list: [1, no]}
environments:
  growth: {python: "3.10", packages: [pandas, "numpy<3"]}
cluster: {hours: "0:30", sbatch_options: ["--exclusive"], cuda_driver: 12.2}
tracking: {max_distance: 20}
"""


def written(tmp_path: Path, text: str) -> SettingsFile:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode())
    return SettingsFile(path)


@pytest.mark.parametrize("text", [RICH, RICH.replace("\n", "\r\n"), "\ufeff" + RICH])
def test_what_a_form_shows_of_each_setting_means_what_the_file_says(
    tmp_path: Path, text: str
) -> None:
    file = written(tmp_path, text)
    shown = file.as_it_is().shown
    for name, field in all_fields().items():
        # null says the same as nothing where that is the default; what is shown empty is not sent.
        if shown[name]:
            plan = proposed(file.path, {name: field.meant(shown[name].replace("\n", "\r\n"))})
            assert plan.after == plan.before, (name, shown[name])
    draft = file.draft(shown, file.first)
    assert (draft.values, draft.changes, draft.difference) == ({}, [], [])


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_every_setting_has_a_field_with_words_in_both_languages(spoken: str) -> None:
    with speaking(spoken):
        fields = all_fields()
        assert len(fields) > 70 and all(field.title and field.text for field in fields.values())
        assert {field.kind for field in fields.values()} == {
            *("switch", "choice", "number", "lines", "text", "yaml")
        }
        assert [section.name for section in sections()][:2] == ["images", "segmentation"]
    with speaking("fr"):
        assert all_fields()["segmentation.diameter"].title.startswith("Diamètre")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("segmentation.diameter", "segmentation.diameter"),
        ("images.folder.1", "images.folder"),
        ("scripts.0.arguments.x", "scripts"),
        ("segmentation.normalize.percentile", "segmentation.normalize"),
        ("nothing.like.it", ""),
        ("", ""),
    ],
)
def test_what_is_wrong_is_told_at_its_field(key: str, name: str) -> None:
    assert field_of(key) == name


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("12,5", "12.5"),
        (" 30 ", "30"),
        ("", None),
        ("null", "null"),
        ("1e1", "1e1"),
        ("estimate", "estimate"),
    ],
)
def test_numbers_are_understood_as_people_type_them(
    tmp_path: Path, typed: str, said: str | None
) -> None:
    file = written(tmp_path, "images: {folder: x}\nsegmentation:\n  diameter: 99\n")
    draft = file.draft({"segmentation.diameter": typed}, file.first)
    file.save(draft)
    expected = f"  diameter: {said}" if said else "  #diameter: null"
    assert file.path.read_text().splitlines()[2] == expected


def test_what_was_not_touched_stays_as_others_wrote_it_meanwhile(tmp_path: Path) -> None:
    file = written(tmp_path, "images: {folder: x}\nsegmentation:\n  diameter: 9\n  min_size: 15\n")
    form = file.as_it_is().shown | {"segmentation.diameter": "20"}
    version = file.first
    file.path.write_text("images: {folder: y}\nsegmentation:\n  diameter: 9\n  min_size: 77\n")
    draft = file.draft(form, version)
    assert draft.version != version and set(draft.values) == {"segmentation.diameter"}
    marked = [(line.mark, line.text.strip()) for line in file.changed_since(version) if line.mark]
    assert ("+", "min_size: 77") in marked and ("-", "min_size: 15") in marked
    file.save(draft)
    assert file.path.read_text().splitlines()[2:] == ["  diameter: 20", "  min_size: 77"]


def test_a_card_sets_engine_and_model_and_puts_back_what_has_no_effect_then(tmp_path: Path) -> None:
    text = (
        "images: {folder: x}\nsegmentation:\n  engine: cellpose3\n  model: bact_phase_cp3\n"
        "  cellprob_threshold: 1\n  min_size: 20\n"
    )
    file = written(tmp_path, text)
    now = file.as_it_is()
    assert card_of(now) == "cellpose3/bact_phase_cp3"
    same = taken_from_cards({"card": card_of(now), **now.shown}, now)
    assert file.draft(same, file.first).values == {}
    typed = taken_from_cards({"card": "threshold/", **now.shown}, now)
    draft = file.draft(typed, file.first)
    assert not draft.fresh and card_of(draft) == "threshold/"
    file.save(draft)
    said = [line.strip() for line in file.path.read_text().splitlines()[2:]]
    assert said[0] == "engine: threshold" and said[3] == "min_size: 20"
    assert all(line.startswith("#") for line in said[1:3])


def test_a_config_of_the_template_is_changed_in_one_line(tmp_path: Path) -> None:
    file = written(tmp_path, commented_config("fr", schema_address="x", values=suggested()))
    before = file.path.read_text().splitlines()
    for name in ("segmentation.niter", "segmentation.flow_threshold", "cluster.gpu_model"):
        version, _ = file.now()
        file.save(file.draft({name: "2000" if "niter" in name else "1"}, version))
    after = file.path.read_text().splitlines()
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 3


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"images: {folder: x\n", "SM-CFG-066"),
        (b"- a\n- b\n", "SM-CFG-004"),
        (None, "SM-CFG-007"),
    ],
)
def test_a_file_that_says_no_settings_is_told(
    tmp_path: Path, content: bytes | None, code: str
) -> None:
    file = written(tmp_path, "images: {folder: x}\n")
    file.path.unlink()
    if content is not None:
        file.path.write_bytes(content)
    for ask in (file.as_it_is, lambda: file.draft({"results": "y"}, file.first)):
        with pytest.raises(Problems) as told:
            ask()
        assert [problem.code for problem in told.value.problems] == [code]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"images: {folder: x}\nimages: {folder: y}\n",
        b"images: {folder: \xe9}\n",
        b"images:\nsegmentation: 3\n",
    ],
)
def test_a_file_with_other_faults_is_shown_with_them(tmp_path: Path, content: bytes) -> None:
    file = written(tmp_path, "images: {folder: x}\n")
    file.path.write_bytes(content)
    draft = file.as_it_is()
    assert draft.all_problems and set(draft.shown) == set(all_fields())


def test_other_line_ends_are_no_change_and_a_forgotten_text_is_all_of_it(tmp_path: Path) -> None:
    file = written(tmp_path, "images: {folder: x}\n")
    file.path.write_bytes(b"images: {folder: x}\r\n")
    assert file.changed_since(file.first) == []
    assert [(line.mark, line.text) for line in file.changed_since("another")] == [
        ("+", "images: {folder: x}")
    ]
