"""Lists of packages as people have them: every line is understood, or refused with its file and line."""

from __future__ import annotations

import pytest

from segmake.environments.solving.environment_files import environment_files
from segmake.environments.solving.package_lists import apart
from segmake.messages import Problems

HASHES = "--hash=sha256:00 \\\n    --hash=sha256:11"


@pytest.fixture
def listed(configure, tmp_path, monkeypatch):
    """Return what an environment's section comes to; files are written beside first."""
    monkeypatch.chdir(tmp_path)

    def read(section: dict, **files: str) -> dict:
        for name, text in files.items():
            (tmp_path / name.replace("_txt", ".txt").replace("_yml", ".yml")).write_text(text)
        config = configure(environments={"a": section})
        if config.list_faults["a"]:
            raise Problems(config.list_faults["a"])
        found = config.settings["environments"]["a"]
        return {key: found[key] for key in ("python", "packages", "conda") if found[key]}

    return read


def problems(listed, section: dict, **files: str) -> list[tuple[str, str]]:
    with pytest.raises(Problems) as caught:
        listed(section, **files)
    return [(one.code, one.where.rpartition("/")[2]) for one in caught.value.problems]


def test_the_requirements_of_a_laboratory(listed):
    text = f"""# ours
numpy==1.26.4 \\
    {HASHES}
pandas[excel]>=2.1,<3 ; python_version < "3.13"  # tables
typing-extensions; python_version < "3.8"
-r more.txt
torch==1.13.1+cu117
sklearn
numpy pandas matplotlib
"""
    found = listed({"file": "requirements.txt"}, requirements_txt=text, more_txt="tqdm\n")
    assert found["python"] == "3.11"
    assert found["packages"][:4] == [
        "numpy==1.26.4",
        "pandas[excel]>=2.1,<3",
        "tqdm",
        "torch==1.13.1",
    ]
    assert found["packages"][4:] == ["sklearn", "numpy", "pandas", "matplotlib"]


CONDA = """name: lab
channels: [conda-forge]
dependencies:
  - python=3.10
  - _libgcc_mutex=0.1=main
  - numpy=1.26.4=py310hb13e2d6_0
  - conda-forge::scikit-image
  - cudatoolkit=11.8
  - nettle=3.9
  - libjpeg-turbo=3.0
  - xorg-libxau
  - r-base=4.3.1=h1
  - librosa
  - pip:
      - tifffile==2024.2.12
      - tomli; python_version < "3.11"
"""


def test_an_environment_of_conda_brings_its_python(listed):
    found = listed({"file": "environment.yml"}, environment_yml=CONDA)
    assert found["python"] == "3.10"
    packages = ["numpy=1.26.4", "scikit-image", "librosa", "tifffile==2024.2.12", "tomli"]
    assert found["packages"] == packages
    assert found["conda"] == ["r-base=4.3.1"]


def test_a_python_that_contradicts_is_refused_with_its_line(listed):
    section = {"file": "environment.yml", "python": "3.12"}
    found = problems(listed, section, environment_yml=CONDA)
    assert ("SM-ENV-031", "environment.yml, line 4") in found


@pytest.mark.parametrize(
    ("words", "python"),
    [("python=3.10", "3.10"), ("python==3.12.4", "3.12"), ("python>=3.9,<3.12", "3.11")],
)
def test_python_in_a_list(listed, words, python):
    assert listed({"packages": ["tqdm", words]}) == {"python": python, "packages": ["tqdm"]}


def test_python_2_is_refused(listed):
    assert problems(listed, {"packages": ["tqdm", "python=2.7"]})[0][0] == "SM-ENV-031"


def test_everything_wrong_with_all_lists_is_told_at_once_with_its_line(
    configure, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.txt").write_text("numpy\n\npandsa\n-e .\n", encoding="utf-8")
    (tmp_path / "two.txt").write_text(
        "git+https://example.org/a.git@abc\nDeLTA\n", encoding="utf-8"
    )
    environments = {"a": {"file": "one.txt"}, "b": {"file": "two.txt"}, "c": {"file": "no.txt"}}
    with pytest.raises(Problems) as caught:
        environment_files(configure(environments=environments), kept=tmp_path / "kept")
    found = {(one.code, one.where.rpartition("/")[2]) for one in caught.value.problems}
    assert found == {
        ("SM-ENV-019", "one.txt, line 3"),
        ("SM-ENV-033", "one.txt, line 4"),
        ("SM-ENV-070", "two.txt, line 1"),
        ("SM-ENV-071", "two.txt, line 1"),
        ("SM-ENV-076", "two.txt, line 1"),
        ("SM-ENV-037", "two.txt, line 2"),
        ("SM-ENV-032", "config.yaml, line 1"),
    }


def test_lists_that_include_each_other_end(listed):
    found = problems(listed, {"file": "a.txt"}, a_txt="-r b.txt\n", b_txt="-r a.txt\n")
    assert [code for code, _ in found] == ["SM-ENV-032"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "python=3.10\n"])
def test_an_empty_list_is_told(listed, text):
    assert problems(listed, {"file": "a.txt"}, a_txt=text)[0][0] == "SM-ENV-032"


@pytest.mark.parametrize(
    ("line", "packages"),
    [
        ("numpy pandas matplotlib", ["numpy", "pandas", "matplotlib"]),
        ("numpy==1.26.4 pandas>=2", ["numpy==1.26.4", "pandas>=2"]),
        ("numpy, pandas", ["numpy", "pandas"]),
        ("numpy pandsa", ["numpy", "pandsa"]),
        ("scikit image", ["scikit image"]),
        ("PyTorch 2.4", ["PyTorch 2.4"]),
        ("numpy>=1.26 <2", ["numpy>=1.26 <2"]),
        ("pytorch lightning", ["pytorch lightning"]),
        ("torch geometric", ["torch geometric"]),
    ],
)
def test_several_packages_on_a_line(line, packages):
    assert apart(line) == packages


def test_a_plain_list_is_the_same_in_a_file(listed):
    written = listed({"packages": ["PyTorch 2.4", "numpy<2"]})
    assert written["packages"] == ["PyTorch 2.4", "numpy<2"]
    assert listed({"file": "list.txt"}, list_txt="PyTorch 2.4\nnumpy<2  # old\n") == written


# As `conda env export` writes it where PyTorch came from its own channel.
EXPORTED = """name: lab
channels: [pytorch, nvidia, conda-forge]
dependencies:
  - _openmp_mutex=4.5=2_gnu
  - pip=24.0=pyhd8ed1ab_0
  - python=3.11
  - pytorch=2.3.1=py3.11_cuda12.1_cudnn8.9.2_0
  - pytorch-cuda=12.1=ha16c6d3_5
  - cuda-cupti=12.1.105=0
  - cuda-python=12.8
  - libcublas=12.1.0.26=0
  - libnetcdf=4.9.2=nompi_h9612171_113
  - hdf5=1.14.3=nompi_hdf9ad27_105
  - yaml=0.2.5=h7f98852_2
  - igraph=0.10.13=h6f1f9d8_0
  - python-igraph=0.11.6=py311h1234_0
  - qt-material
  - mysql-connector-python
  - libpysal
  - msgpack-python=1.0.8=py311h52f7536_0
  - python-graphviz=0.20.3=pyh717bed2_0
  - faiss-cpu
  - pyg=2.5.3
  - ninja=1.12.1=h297d8ca_0
  - numpy-base=1.26
  - ffmpeg=4.3=hf484d3e_0
  - gdal
  - graphviz
  - perlin-noise
"""


def test_what_an_export_of_conda_comes_to(listed):
    found = listed({"file": "environment.yml"}, environment_yml=EXPORTED)
    assert found["packages"] == [
        "pytorch=2.3.1",
        "cuda-python=12.8",
        "python-igraph=0.11.6",
        "qt-material",
        "mysql-connector-python",
        "libpysal",
        "msgpack=1.0.8",
        "graphviz=0.20.3",
        "faiss-cpu",
        "torch-geometric=2.5.3",
        "pypi:ninja=1.12.1",
        "perlin-noise",
    ]
    assert found["conda"] == ["ffmpeg=4.3", "gdal", "graphviz"]


def test_what_is_left_out_is_told_when_versions_are_found_and_not_again(
    configure, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    text = "channels: [bioconda, conda-forge]\ndependencies: [pip, six=1.17.0=py_0, libpng, tbb]\n"
    (tmp_path / "environment.yml").write_text(text)

    def told() -> list[str]:
        config = configure(environments={"a": {"file": "environment.yml"}})
        environment_files(config, kept=tmp_path / "kept")
        return [line for line in capsys.readouterr().err.splitlines() if "left out" in line]

    (line,) = told()
    for word in ("libpng, tbb", "the channels bioconda", "builds of packages (there is 1)"):
        assert word in line
    assert "pip," not in line
    assert told() == []
    (tmp_path / "requirements.txt").write_text("six==1.16.0\n")
    config = configure(environments={"a": {"file": "requirements.txt"}})
    environment_files(config, kept=tmp_path / "kept")
    assert "left out" not in capsys.readouterr().err


def test_many_names_that_are_left_out_are_one_line(configure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = "".join(f"  - libexample{number}\n" for number in range(90))
    (tmp_path / "environment.yml").write_text(f"dependencies:\n  - six\n{names}")
    said = configure(environments={"a": {"file": "environment.yml"}}).list_remarks["a"]
    assert "libexample0" in said and "78 more" in said and "libexample89" not in said
