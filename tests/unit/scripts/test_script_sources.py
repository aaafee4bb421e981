"""What is read in the source of a script before it is run: what can't work there is told, and of the rest nothing is."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from segmake.config.load import load_config
from segmake.messages import Problems
from segmake.scripts.checks.notes import script_notes
from segmake.scripts.definition.script import scripts_of

HEAD = "images: {folder: images}\nsegmentation: {engine: threshold}\nscripts:\n"


@pytest.fixture
def read(tmp_path, monkeypatch, draw):
    """Write a script, and return what is refused of a config with it (codes and texts), and what is said of it."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "images" / "a.tif")

    def run(text: str, section: str = "", name: str = "own.py") -> tuple[list[str], str]:
        Path(name).write_text(textwrap.dedent(text), encoding="utf-8")
        entry = f"  - name: own\n    script: {name}\n" + textwrap.indent(section, "    ")
        Path("config.yaml").write_text(HEAD + entry, encoding="utf-8")
        try:
            settings = load_config(Path("config.yaml")).settings
        except Problems as error:
            return [problem.code for problem in error.problems], str(error)
        return [], "\n".join(script_notes(scripts_of(settings)["own"], 4))

    return run


# As laboratories write them; with what the config says of each.
GOOD: dict[str, tuple[str, str, str]] = {
    "a question that is not asked": (
        """\
        import sys
        from contextlib import suppress
        path = sys.argv[1] if len(sys.argv) > 1 else input("Which image? ")
        other = path or input("Another? ")
        with suppress(EOFError):
            input("Go on?")
        def main():
            input("Never called")
        def old_analysis():
            return open("D:/thesis/x.csv")
        print(open(path), [input() for _ in other if not path])
        """,
        'arguments: ["{image}"]\n',
        "own.py",
    ),
    "R that reads what it made, and sources what lies beside it": (
        """\
        source("own.R")
        # read.csv("config.yaml")
        x <- Sys.getenv("SEGMAKE_INPUT")
        saveRDS(x, "x.rds"); y <- readRDS("x.rds")
        log <- file("log.txt", "w")
        if (FALSE) {
          read.csv("other.csv")
        }
        """,
        "",
        "own.R",
    ),
    "a shell script that goes elsewhere": (
        'set -e\ncd "$(dirname "$0")"\n. ./config.yaml\nwc -c "$SEGMAKE_INPUT"\n',
        "",
        "own.sh",
    ),
    "argparse in a function": (
        """\
        import argparse
        # Charge l'image, corrige l'éclairement
        def arguments():
            p = argparse.ArgumentParser(description="é")
            p.add_argument("--input"); p.add_argument("--output-dir", default="C:\\\\out")
            return p.parse_args()
        a = arguments()
        open(a.input)
        """,
        "",
        "own.py",
    ),
    "fixed paths where nothing is given": (
        """\
        import sys
        INPUT = r"C:\\Users\\me\\a.tif"
        if len(sys.argv) > 1:
            INPUT = sys.argv[1]
        print(open(INPUT).read())
        """,
        'arguments: ["{image}"]\n',
        "own.py",
    ),
    "variables": (
        """\
        import os
        os.environ["OWN"] = os.environ["HOME"]
        data = os.environ["OWN"] + os.environ["SIZE"] + os.environ["OMP_NUM_THREADS"]
        data = os.environ.get("INPUT_FILE") or os.environ["SEGMAKE_INPUT"]
        debug = os.getenv("HOME")
        print(open(data).read())
        """,
        "arguments: {size: 3}\n",
        "own.py",
    ),
    "variables as a whole": ("import os\nsettings = dict(os.environ)\n", "", "own.py"),
    "a variable of the config": (
        'import os\nprint(open(os.environ["data_dir"] + "/x.csv"))\n',
        'variables: {data_dir: "{image}"}\n',
        "own.py",
    ),
    "what another file reads": ("from own_options import image\nprint(image)\n", "", "own.py"),
    "a module that nobody knows": (
        "from labtools import arguments\nprint(arguments())\n",
        "",
        "own.py",
    ),
    "constants that are set": (
        """\
        from pathlib import Path
        INPUT = Path("C:/data/a.tif")
        PARAMS = {"sigma": 1}
        print(INPUT.read_bytes())
        """,
        'set: {INPUT: "{image}", PARAMS: {sigma: 2}}\n',
        "own.py",
    ),
    "a list that looks for itself": (
        """\
        import sys
        words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        if "--debug" in words:
            input("weiter?")
        open(words["--input"])
        """,
        "",
        "own.py",
    ),
    "its own files": (
        """\
        import sys, configparser, json
        from pathlib import Path
        config = configparser.ConfigParser()
        config.read(Path(__file__).with_suffix(".ini"))
        with open("cache/state.json", "w") as file:
            json.dump(sys.argv, file)
        print(open("cache/state.json").read())
        import matplotlib.pyplot as plt
        plt.plot([1]); plt.show()
        """,
        "",
        "own.py",
    ),
    "its own pictures": (
        """\
        import sys, glob, matplotlib.pyplot as plt
        for number in range(3):
            plt.savefig(f"frame_{number}.png")
        print(glob.glob("*.png"), sys.argv)
        """,
        "",
        "own.py",
    ),
    "a program that it starts": (
        'import os\nos.system("cp $SEGMAKE_INPUT a.tif")\nprint(open("a.tif", "rb").read())\n',
        "",
        "own.py",
    ),
    "another input": (
        "import sys\ndef main(input):\n    return input(1)\nmain(sys.argv.count)\n",
        "",
        "own.py",
    ),
    "where it moves to": (
        "import os, sys\nos.chdir(sys.argv[2])\nprint(open('data/a.csv').read())\n",
        "",
        "own.py",
    ),
    "what may be there": (
        """\
        import sys
        try:
            words = open("data/a.csv").read()
        except OSError:
            words = sys.argv
        """,
        "",
        "own.py",
    ),
    "a shell script with options": (
        """\
        #!/bin/bash
        set -euo pipefail
        while [ $# -gt 0 ]; do
          case "$1" in --input) image="$2";; esac
          shift 2
        done
        awk '{print $1}' "$image" > out.txt
        """,
        "",
        "own.sh",
    ),
    "a shell script with variables": (
        '#!/bin/bash\nset -e\necho "# conda activate x" >&2\nwc -c "$SEGMAKE_INPUT" > out.txt\n',
        "",
        "own.sh",
    ),
    "a shell script that has conda": (
        """\
        set -e
        source /opt/conda/etc/profile.d/conda.sh
        conda activate lab
        python -c 'import sys' "$@"
        """,
        "",
        "own.sh",
    ),
    "a shell script in one line": ('exec cat "$SEGMAKE_INPUT"\n', "", "own.sh"),
    "R with names": (
        """\
        args <- commandArgs(trailingOnly = TRUE)
        input <- args[which(args == "--input") + 1]
        """,
        "",
        "own.R",
    ),
    "R with variables": ('x <- Sys.getenv("SEGMAKE_INPUT")\nreadLines(x)\n', "", "own.R"),
}


@pytest.mark.parametrize("case", GOOD)
def test_nothing_is_said_of_scripts_that_work(read, case, tmp_path, monkeypatch):
    text, section, name = GOOD[case]
    (tmp_path / "own_options.py").write_text("import sys\nimage = sys.argv[2]\n")
    monkeypatch.setattr("shutil.which", lambda name: name)
    codes, said = read(text, section, name)
    said = "\n".join(line for line in said.split("\n") if "set" not in line and "->" not in line)
    assert not codes and not said, f"{codes} {said}"


# The script, its config, its name; the codes of what is refused, or else words of what is said.
BAD: dict[str, tuple[str, str, str, list[str], str]] = {
    "constants": (
        """\
        # ---- À MODIFIER ----
        BATCH_SIZE = 16
        INPUT = "/nowhere/me/a.tif"
        from skimage.io import imread
        im = imread(INPUT)
        """,
        "",
        "own.py",
        ["SM-SCR-052"],
        'set: {INPUT: "{image}"}` in its section (it has: BATCH_SIZE, INPUT).',
    ),
    "a folder of its own": (
        "from glob import glob\nfor path in glob('data/*.tif'):\n    print(path)\n",
        "",
        "own.py",
        ["SM-SCR-052"],
        "It looks for its files itself (data/*.tif)",
    ),
    "a folder of its own, and pictures": (
        "import glob, os\nfrom skimage.io import imread, imsave\nfor path in glob.glob('data/*.tif'):\n"
        "    imsave(os.path.basename(path), imread(path) // 2)\n",
        "",
        "own.py",
        ["SM-SCR-052"],
        "It looks for its files itself (data/*.tif)",
    ),
    "a dialog": (
        "from tkinter.filedialog import askopenfilename\nimport sys\nprint(askopenfilename(), sys.argv)\n",
        "",
        "own.py",
        ["SM-SCR-055"],
        "askopenfilename()",
    ),
    "a variable that is not there": (
        "import os, sys\nprint(os.environ['HOME'], sys.argv)\nprint(os.environ['DATA'])\n",
        "",
        "own.py",
        [],
        "variable DATA will not be there (own.py, line 3). Write `variables: {DATA: VALUE}`",
    ),
    "Windows in R": (
        'setwd("C:/Users/me")\nx <- Sys.getenv("SEGMAKE_INPUT")\n',
        "",
        "own.R",
        [],
        "(own.R, line 1)",
    ),
    "variables of other names": (
        "import os\nprint(open(os.path.join('/nowhere', 'a.csv')), os.environ['DATA'])\n",
        "",
        "own.py",
        ["SM-SCR-052"],
        "/nowhere/a.csv",
    ),
    "nothing at all": ("print(sum(range(10)))\n", "", "own.py", [], "its 4 runs will be identical"),
    "a sweep of nothing": (
        "SEED = 1\nprint(SEED)\n",
        "run: sweep\nsweep: {seed: [1, 2]}\n",
        "own.py",
        [],
        'set: {SEED: "{seed}"}',
    ),
    "Windows": (
        "import sys\nDATA = 'D:\\\\lab\\\\plates.csv'\nprint(open(DATA), sys.argv)\n",
        "",
        "own.py",
        ["SM-SCR-054"],
        'set: {DATA: "{image}"}',
    ),
    "a question": (
        "import sys\ndef main():\n    n = int(input('Combien ? '))\nmain()\nprint(sys.argv)\n",
        "",
        "own.py",
        ["SM-SCR-055"],
        "line 3",
    ),
    "a path of Windows in a function that is called": (
        "import sys\ndef read():\n    return open('D:/x.csv')\ndef work():\n    return read()\nwork()\n"
        "print(sys.argv)\n",
        "",
        "own.py",
        ["SM-SCR-054"],
        "line 3",
    ),
    "a path that is not there": (
        "import sys\nimport pandas\nFOLDER = '/nowhere'\n"
        "pandas.read_csv(f'{FOLDER}/plates.csv')\nprint(sys.argv)\n",
        "",
        "own.py",
        [],
        "/nowhere/plates.csv on this computer (own.py, line 4)",
    ),
    "a file beside the script": (
        "import sys, json\nprint(json.load(open('config.yaml')), sys.argv)\n",
        "",
        "own.py",
        [],
        'Path(__file__).parent / "config.yaml"',
    ),
    "a file beside a script in R": (
        'x <- Sys.getenv("SEGMAKE_INPUT")\nplates <- read.csv("config.yaml")\n',
        "",
        "own.R",
        [],
        'file.path(Sys.getenv("SEGMAKE_SCRIPT_FOLDER"), "config.yaml")',
    ),
    "a file beside a shell script": (
        'set -e\n. ./config.yaml\nwc -c "$SEGMAKE_INPUT"\n',
        "",
        "own.sh",
        [],
        '"$(dirname "$0")/config.yaml"',
    ),
    "a notebook": (
        '{"cells": [{"cell_type": "code", "metadata": {}, "source": '
        '["%matplotlib inline\\n", "INPUT = \'x\'\\n"]}], "metadata": {}}',
        "environment: books\n",
        "own.ipynb",
        [],
        'set: {INPUT: "{image}"}',
    ),
    "$1": (
        'set -e\nwc -c "$1" > "${2}"\n',
        "",
        "own.sh",
        ["SM-SCR-019"],
        '`arguments: ["{input}", "{output_dir}"]`',
    ),
    "a shell script that takes nothing": (
        "set -e\nwc -c data/a.tif > out.txt\n",
        "",
        "own.sh",
        [],
        "its 4 runs will be identical",
    ),
    "a shell script of several commands": (
        'conda activate lab\nwc -c "$SEGMAKE_INPUT" > a.txt\nwc -c a.txt > b.txt\n',
        "",
        "own.sh",
        [],
        "set -e",
    ),
    "an environment that is activated": (
        'set -e\nsource activate lab\nwc -c "$SEGMAKE_INPUT"\n',
        "",
        "own.sh",
        [],
        "(own.sh, line 2)",
    ),
    "commandArgs": (
        "args <- commandArgs(trailingOnly = TRUE)\nx <- read.csv(args[1])\nif (length(args) > 1) x\n",
        "",
        "own.R",
        ["SM-SCR-019"],
        'arguments: ["{input}"]',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_can_not_work_is_told(read, case, monkeypatch):
    text, section, name, codes, words = BAD[case]
    monkeypatch.setattr("shutil.which", lambda name: name)
    if "books" in section:
        monkeypatch.setattr(
            "tests.unit.scripts.test_script_sources.HEAD",
            f"environments: {{books: {{packages: [nbconvert, ipykernel]}}}}\n{HEAD}",
        )
    found, said = read(text, section, name)
    assert found == codes, said
    assert words in said
