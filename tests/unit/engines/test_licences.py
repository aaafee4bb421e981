"""What is said of the licences of engines and models."""

from __future__ import annotations

import pytest

from segmake.core.settings import segmentation_of
from segmake.engines import BUILTIN_MODELS
from segmake.engines.licences import licences, licences_of, warning


def test_every_engine_and_every_model_that_it_brings_has_one_entry():
    for engine, models in {**BUILTIN_MODELS, "threshold": ()}.items():
        assert len(list(licences_of(segmentation_of({"engine": engine, "model": None})))) == 1
        for model in models:
            assert len(list(licences_of(segmentation_of({"engine": engine, "model": model})))) == 2
    named = [(one.engine, model) for one in licences() for model in one.models]
    assert len(named) == len(set(named))
    known = {(e, m) for e, models in BUILTIN_MODELS.items() for m in models}
    own = {("cellpose3", "segmake_demo_cp3")}
    assert {(e, m) for e, m in named if e and m != "*"} <= known | own
    # What is not free for every use is explained, in both languages.
    assert all(one.use == "any" or {"en", "fr"} <= one.note.keys() for one in licences())


@pytest.mark.parametrize(
    ("engine", "model", "words"),
    [
        ("omnipose", "bact_phase_omni", "Licence of omnipose: Omnipose NonCommercial"),
        ("omnipose", "/models/my own", "Licence of omnipose: Omnipose NonCommercial"),
        ("cellpose", "cpsam_v2", "Licence of cpsam_v2: BSD-3-Clause (weights); trained on data"),
        ("cellpose3", "cyto3", "CC BY-NC; commercial use is unclear"),
        ("cellpose3", "yeast_BF_cp3", ""),
        ("cellpose3", "resources/models/segmake_demo_cp3", ""),
        ("cellpose3", "/models/cyto3 of ours", ""),
        ("threshold", None, ""),
    ],
)
def test_what_is_not_free_for_every_use_is_named(engine, model, words, monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    said = warning(segmentation_of({"engine": engine, "model": model}))
    assert words in said and bool(said) == bool(words)
