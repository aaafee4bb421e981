"""What scripts/setup.sh does for a user, without installing anything."""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "awk bash cat cut dirname env flock grep head ln mkdir readlink rm sed sha256sum tail touch"
)


@pytest.fixture
def clone(tmp_path):
    """A clone of SegMake in a folder with a space and accents: what the set-up reads of it."""
    folder = tmp_path / "clé n° 1" / "segmake"
    for name in ("scripts", "profiles", "workflow/envs", "workflow/segmake/messages"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("environment.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copy(ROOT / "workflow/segmake/__init__.py", folder / "workflow/segmake")
    (folder / "workflow/segmake/adapter").mkdir()
    shutil.copy(
        ROOT / "workflow/segmake/adapter/installed.py",
        folder / "workflow/segmake/adapter/installed.py",
    )
    return folder


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def bare(tmp_path):
    """A folder of commands for the PATH: what any Linux has, without a Python and without conda."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in COMMANDS.split():
        (folder / name).symlink_to(shutil.which(name))
    return folder


def setup(clone, home, *options, cwd="/", **variables):
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"} | variables
    return subprocess.run(
        [shutil.which("bash"), clone / "scripts/setup.sh", *options],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def executable(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


# ---- profiles


def test_profiles_are_registered(clone, home):
    done = setup(clone, home, "--profiles-only")
    assert done.returncode == 0, done.stderr
    for name in ("local", "slurm"):
        link = home / ".config/snakemake" / name
        assert link.is_symlink()
        assert link.resolve() == clone / "profiles" / name
        assert f"`snakemake --profile {name}` now works" in done.stdout


def test_snakemake_finds_the_registered_profile(clone, home, tmp_path):
    setup(clone, home, "--profiles-only")
    (tmp_path / "Snakefile").write_text("rule all:\n    shell: 'true'\n")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "local", "-n"],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    # A profile that is not found would be refused.
    assert "SM-CMD-012" not in done.stderr


def test_profiles_registered_again_say_nothing(clone, home):
    setup(clone, home, "--profiles-only")
    done = setup(clone, home, "--profiles-only")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_profiles_go_where_xdg_says(clone, home, tmp_path):
    setup(clone, home, "--profiles-only", XDG_CONFIG_HOME=str(tmp_path / "xdg"))
    assert (tmp_path / "xdg/snakemake/slurm").resolve() == clone / "profiles/slurm"
    assert not (home / ".config").exists()


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_foreign_profile_is_kept(clone, home, tmp_path, kind):
    own = home / ".config/snakemake/slurm"
    real = own if kind == "folder" else tmp_path / "lab/slurm"
    real.mkdir(parents=True)
    (real / "profile.yaml").write_text("executor: slurm\n")
    if kind == "link":
        own.parent.mkdir(parents=True)
        own.symlink_to(real)
    done = setup(clone, home, "--profiles-only")
    assert done.returncode == 0
    assert "SM-SET-006" in done.stderr
    assert "--profile profiles/slurm" in done.stderr
    assert own.resolve() == real
    assert (real / "profile.yaml").read_text() == "executor: slurm\n"
    assert (home / ".config/snakemake/local").resolve() == clone / "profiles/local"


def test_profile_of_another_clone_is_moved_and_said(clone, home, tmp_path):
    other = tmp_path / "older"
    shutil.copytree(ROOT / "profiles", other / "profiles")
    link = home / ".config/snakemake/slurm"
    link.parent.mkdir(parents=True)
    link.symlink_to(other / "profiles/slurm")
    done = setup(clone, home, "--profiles-only")
    assert link.resolve() == clone / "profiles/slurm"
    assert str(other / "profiles/slurm") in done.stdout


@pytest.mark.parametrize(
    ("target", "replaced"), [("gone/profiles/slurm", True), ("gone/cluster", False)]
)
def test_broken_link_is_replaced_only_if_it_led_to_a_clone(clone, home, tmp_path, target, replaced):
    link = home / ".config/snakemake/slurm"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / target)
    done = setup(clone, home, "--profiles-only")
    assert link.readlink() == (clone / "profiles/slurm" if replaced else tmp_path / target)
    assert ("SM-SET-006" in done.stderr) is not replaced


def test_home_that_cannot_be_written_is_no_obstacle(clone, home):
    (home / ".config").write_text("a file where the folder should be")
    done = setup(clone, home, "--profiles-only")
    assert done.returncode == 0
    assert done.stderr.count("SM-SET-007") == 2


# ---- what it says


def test_french(clone, home):
    done = setup(clone, home, "--profiles-only", SEGMAKE_LANG="fr")
    assert "fonctionne désormais" in done.stdout
    assert "préparer" in setup(clone, home, "--help", LC_ALL="fr_FR.UTF-8").stdout


@pytest.mark.parametrize(("options", "code"), [(["--enigne"], "001"), (["--engine", "x"], "002")])
def test_wrong_options_are_refused(clone, home, options, code):
    done = setup(clone, home, *options)
    assert done.returncode == 1
    assert done.stderr.startswith(f"SM-SET-{code}\n")
    assert options[-1] in done.stderr


def test_engines_are_named(clone, home):
    assert "cellpose, cellpose3, omnipose, none" in setup(clone, home, "--engine", "x").stderr


def test_no_text_is_missing(clone):
    """Each section that the scripts name is in the catalogue."""
    texts = tomllib.loads((clone / "workflow/segmake/messages/setup.toml").read_text("utf-8"))
    named = subprocess.run(
        [
            "grep",
            "-ohE",
            r"(say|fail|fail_with_log|problem) (SM-|[a-z]+\.)[A-Za-z0-9._-]+",
            *sorted(map(str, (clone / "scripts").glob("*.sh"))),
        ],
        capture_output=True,
        encoding="utf-8",
    ).stdout.splitlines()
    used = {line.split()[1] for line in named}
    assert used == set(texts)


def test_every_text_fits_on_one_line_for_awk():
    lines = (ROOT / "workflow/segmake/messages/setup.toml").read_text("utf-8").splitlines()
    for line in lines:
        assert not line or line[0] in "#[" or (' = "' in line and line.endswith('"')), line
        assert "\\" not in line.replace("\\n", "").replace('\\"', ""), line


# ---- environments


def test_without_python_and_conda(clone, home, bare):
    """A pyenv shim that shows a command but does not run it counts as none."""
    executable(bare / "python3.11", "echo 'pyenv: command not found' >&2; exit 127")
    done = setup(clone, home, PATH=str(bare))
    assert done.returncode == 1
    assert "SM-SET-003\n" in done.stderr
    assert "module avail" in done.stderr
    assert not (clone / ".venv").exists()


def test_python_that_cannot_make_environments(clone, home, bare):
    executable(bare / "python3.12", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    done = setup(clone, home, PATH=str(bare))
    assert done.returncode == 1
    assert "SM-SET-004\n" in done.stderr
    assert "python3.12" in done.stderr


@pytest.fixture
def conda(bare, tmp_path):
    """A stand-in for conda and for the Python that it installs: both write down what they are asked.

    The real conda can't be had on the machine of the tests: no channel is reachable from there.
    """
    python = tmp_path / "python"
    executable(
        python,
        f'echo "python $*" >>"{tmp_path}/asked"',
        f'case "$2" in */installed.py) exec "{sys.executable}" "$@" ;; esac',
        f'case "$*" in *"pip install"*) test ! -e "{tmp_path}/offline" || exit 1 ;; esac',
        f'case "$*" in *"pip install"*==*) test ! -e "{tmp_path}/pip" || . "{tmp_path}/pip" ;; esac',
        'case "$*" in *segmake.environments.making.engine_fit*) echo "$PWD/workflow/envs/$3.yaml" ;; esac',
        f'case "$*" in *segmake.engines.*) test ! -e "{tmp_path}/unfit" || exit 1 ;; esac',
    )
    (bare / "cp").symlink_to(shutil.which("cp"))
    segmake = tmp_path / "conda/envs/segmake"
    executable(
        bare / "conda",
        f'echo "conda $*" >>"{tmp_path}/asked"',
        'case "$1 $2" in',
        "'env create')",
        f'    prefix="{segmake}"; test "$5" = -n || prefix=$6',
        '    mkdir -p "$prefix/bin" "$prefix/conda-meta"',
        f'    test ! -e "{tmp_path}/kill" || {{ kill -9 $PPID; exit; }}',
        f'    cp "{python}" "$prefix/bin/python" ;;',
        f'\'run -n\') test -e "{segmake}/bin/python" && echo "{segmake}" ;;',
        "esac",
    )
    return tmp_path


def asked(conda):
    """Return what conda and Python were asked that changes something."""
    record = conda / "asked"
    lines = record.read_text("utf-8").splitlines() if record.exists() else []
    record.unlink(missing_ok=True)
    return [line for line in lines if " env " in line or " pip install " in line]


def test_conda_makes_both_environments(clone, home, bare, conda):
    done = setup(clone, home, PATH=str(bare))
    assert done.returncode == 0, done.stderr
    create_main, install_main, package, create_engine, install_engine = asked(conda)
    assert create_main == f"conda env create -f {clone}/environment.yml -n segmake"
    engine = clone / ".environments/cellpose3"
    assert create_engine == f"conda env create -f {clone}/workflow/envs/cellpose3.yaml -p {engine}"
    # The pins come from the files, all in one call.
    assert "snakemake==" in install_main
    assert "torch==" in install_engine
    assert package.endswith("--editable .")
    assert "conda activate segmake" in done.stdout
    assert (clone / ".environments/main").resolve() == conda / "conda/envs/segmake"
    prefix = conda / "conda/envs/segmake"
    for shell in ("sh", "csh", "fish"):
        activated = (prefix / f"etc/conda/activate.d/segmake.{shell}").read_text()
        assert "PYTHONNOUSERSITE" in activated and "_OLD_SEGMAKE_PYTHONPATH" in activated
        assert (prefix / f"etc/conda/deactivate.d/segmake.{shell}").exists()
    assert f"python={prefix}/bin/python" in (prefix / "bin/snakemake").read_text()


@pytest.mark.parametrize(
    ("shell", "command", "file"),
    [
        ("/bin/bash", "source", "activate"),
        ("/usr/bin/tcsh", "source", "activate.csh"),
        ("/usr/bin/fish", "source", "activate.fish"),
        ("/bin/dash", ".", "activate"),
    ],
)
def test_the_line_to_type_fits_the_login_shell(clone, home, bare, conda, shell, command, file):
    """A folder of the user's that CDPATH leads to is none of SegMake's."""
    (bare / "conda").unlink()
    (clone / ".venv/bin").mkdir(parents=True)
    shutil.copy(conda / "python", clone / ".venv/bin/python")
    (home / "scripts").mkdir()
    variables = {"SHELL": shell, "CDPATH": f".:{home}", "PATH": str(bare)}
    done = subprocess.run(
        [shutil.which("bash"), "scripts/setup.sh", "--engine", "none"],
        cwd=clone,
        env=variables | {"HOME": str(home), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    [place] = re.findall(rf"^  {re.escape(command)} (.+)$", done.stdout, re.MULTILINE)
    # It can be typed in any folder.
    read = subprocess.run(["bash", "-c", f"printf %s {place}"], capture_output=True, text=True)
    assert read.stdout == f"{clone}/.venv/bin/{file}"


def test_set_up_again_does_nothing(clone, home, bare, conda):
    setup(clone, home, PATH=str(bare))
    asked(conda)
    done = setup(clone, home, "--brief", PATH=str(bare))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert asked(conda) == []


def test_changed_file_updates_that_environment_alone(clone, home, bare, conda):
    setup(clone, home, PATH=str(bare))
    asked(conda)
    file = clone / "workflow/envs/cellpose3.yaml"
    file.write_text(file.read_text().replace("numpy==", "numpy==1.26.0 # was "))
    done = setup(clone, home, PATH=str(bare))
    assert done.returncode == 0, done.stderr
    (install,) = asked(conda)
    assert " numpy==1.26.0 " in install


def test_failed_installation_says_so_and_is_repaired(clone, home, bare, conda):
    (conda / "offline").touch()
    done = setup(clone, home, PATH=str(bare))
    assert done.returncode == 1
    assert "SM-SET-005\n" in done.stderr
    assert str(clone / ".environments/setup.log") in done.stderr
    (conda / "offline").unlink()
    asked(conda)
    assert setup(clone, home, PATH=str(bare)).returncode == 0
    # What was made stays, only the packages are missing.
    assert asked(conda)[0].startswith("python -m pip install")


def test_killed_set_up_is_repaired(clone, home, bare, conda):
    (conda / "kill").touch()
    assert setup(clone, home, PATH=str(bare)).returncode == -9
    (conda / "kill").unlink()
    asked(conda)
    assert setup(clone, home, PATH=str(bare)).returncode == 0
    assert asked(conda)[:2] == [
        "conda env remove -y -n segmake",
        f"conda env create -f {clone}/environment.yml -n segmake",
    ]


def test_packages_that_do_not_work_together_are_not_kept(clone, home, bare, conda):
    (conda / "unfit").touch()
    done = setup(clone, home, "--engine", "cellpose", PATH=str(bare))
    assert done.returncode == 1 and "SM-SET-011\n" in done.stderr
    assert not (clone / ".environments/cellpose").exists()
    (conda / "unfit").unlink()
    assert setup(clone, home, "--engine", "cellpose", PATH=str(bare)).returncode == 0
    assert (clone / ".environments/cellpose/.segmake-cellpose.yaml").exists()


def test_an_engine_with_another_torch_is_made_anew(clone, home, bare, conda):
    """Installed over the other one, the CUDA of both would be there."""
    setup(clone, home, PATH=str(bare))
    packages = clone / ".environments/cellpose3/lib/python3.11/site-packages"
    file = clone / "workflow/envs/cellpose3.yaml"
    for version, line in (
        ("2.13.0+cpu", "numpy==1.26.0 # was "),
        ("2.9.1", "numpy==1.26.1 # was "),
    ):
        (packages / f"torch-{version}.dist-info").mkdir(parents=True)
        file.write_text(file.read_text().replace("numpy==", line, 1))
        asked(conda)
        assert setup(clone, home, PATH=str(bare)).returncode == 0
        anew = any(line.startswith("conda env create") for line in asked(conda))
        assert anew is (version == "2.9.1")


# ---- disk space and progress


def disk(bare, *, free_gb, quota_gb=None):
    """A stand-in for df, and for quota with so much used of so much."""
    executable(
        bare / "df",
        "echo 'Filesystem 1024-blocks Used Available Capacity Mounted'",
        f"echo 'server:/home 99 9 {int(free_gb * 1000 * 1024)} 9% /home'",
    )
    if quota_gb:
        used, soft = (int(size * 1000 * 1024) for size in quota_gb)
        executable(
            bare / "quota",
            "echo 'Disk quotas for user x (uid 1):'",
            "echo 'Filesystem blocks quota limit grace files quota limit grace'",
            "echo '/dev/other 1 1 1 1 0 0'",
            f"echo 'server:/home {used}* {soft} 0 5 0 0'",
        )


@pytest.mark.parametrize(
    ("options", "room", "needed", "free"),
    [
        (["--engine", "none"], {"free_gb": 1.4}, "1.5", "1.4"),
        ([], {"free_gb": 7.4}, "7.5", "7.4"),
        (["--engine", "none"], {"free_gb": 50, "quota_gb": (18.6, 20)}, "1.5", "1.4"),
        (["--engine", "none"], {"free_gb": 50, "quota_gb": (21, 20)}, "1.5", "0.0"),
    ],
)
def test_without_room_nothing_is_begun(clone, home, bare, conda, options, room, needed, free):
    (bare / "conda").unlink()
    executable(bare / "python3.11")
    disk(bare, **room)
    done = setup(clone, home, *options, PATH=str(bare))
    assert done.returncode == 1
    assert "SM-SET-012\n" in done.stderr
    assert f"about {needed} GB are needed, {free} GB are free" in done.stderr
    assert not (clone / ".venv").exists() and asked(conda) == []


def test_room_is_told_first_and_less_is_needed_without_cuda(clone, home, bare, conda):
    disk(bare, free_gb=5.5, quota_gb=(12, 0))
    settings = home / ".config/pip/pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[global]\nextra-index-url = https://example.org/cpu\n")
    done = setup(clone, home, PATH=str(bare), SEGMAKE_LANG="fr")
    assert done.returncode == 0, done.stderr
    # What conda makes of its own is elsewhere.
    told = "il faut environ 2,0 Go, 5,5 Go sont libres."
    assert told in done.stdout and done.stdout.index(told) < done.stdout.index("installation")
    again = setup(clone, home, PATH=str(bare))
    assert "Disk space" not in again.stdout


PIP = """
echo "Collecting torch==2.13.0"
echo "  Downloading torch-2.13.0-cp311.whl.metadata (30 kB)"
echo "  Downloading torch-2.13.0-cp311.whl (821.5 MB)"
echo "  Downloading tifffile-2026.3.3-py3.whl (500 kB)"
until_seen fetching
echo "Installing collected packages: torch, tifffile"
until_seen installing
"""


@pytest.fixture
def slow(bare, conda):
    """A stand-in for pip that goes on once it was told how far it is: the real one would fetch a gigabyte."""
    (bare / "sleep").symlink_to(shutil.which("sleep"))
    waits = f'until [ -e "{conda}/$1" ] || [ $((tries += 1)) -gt 600 ]; do sleep 0.1; done'
    (conda / "pip").write_text(f"tries=0\nuntil_seen() {{ {waits}; }}\n{PIP}")
    return conda


@pytest.fixture
def follow(clone, home, bare, slow):
    """Set up, and return what is said on a screen, the errors and the exit code; `shown`: the words for how far pip is."""

    def setup_followed(shown, screen, variables, **streams):
        environment = {"PATH": str(bare), "HOME": str(home), "LC_ALL": "C.UTF-8", **variables}
        command = [shutil.which("bash"), clone / "scripts/setup.sh", "--engine", "none"]
        with subprocess.Popen(command, env=environment, **streams) as running:
            os.close(streams["stdout"])
            said = b""
            while piece := read(screen):
                said += piece
                for state, words in shown.items():
                    if words.encode() in said:
                        (slow / state).touch()
            errors = running.stderr.read().decode() if running.stderr else ""
        os.close(screen)
        return said.decode(), errors, running.returncode

    return setup_followed


def read(screen):
    """Return what was said since; nothing at its end, when a terminal is gone."""
    try:
        return os.read(screen, 4096)
    except OSError:
        return b""


def test_a_log_gets_a_line_now_and_then(follow):
    ours, theirs = os.pipe()
    variables = {"SEGMAKE_PROGRESS_SECONDS": "2"}
    shown = {"fetching": "fetching: 2 packages, 822 MB; now tifffile\n"}
    shown["installing"] = "installing 2 packages (822 MB)\n"
    said, errors, code = follow(shown, ours, variables, stdout=theirs, stderr=subprocess.PIPE)
    assert code == 0, errors
    seconds = [int(second) for second in re.findall(r"^  0:(\d\d)  ", said, re.MULTILINE)]
    assert len(seconds) >= 2 and seconds == [*range(2, 2 * len(seconds) + 1, 2)]
    assert all(words in said for words in shown.values())
    assert "\r" not in said and errors == ""


def test_a_terminal_gets_one_line_that_is_rewritten(follow):
    ours, theirs = pty.openpty()
    shown = {"fetching": "téléchargement : 2 paquets, 822 Mo ; en ce moment tifffile"}
    shown["installing"] = "installation de 2 paquets (822 Mo)"
    variables = {"SEGMAKE_LANG": "fr"}
    said, _, code = follow(shown, ours, variables, stdout=theirs, stderr=theirs)
    assert code == 0, said
    lines = re.split(r"\r\x1b\[K", said)
    told = [line[8:] for line in lines if line.startswith("  0:")]
    assert set(shown.values()) <= set(told)
    assert [line[:6] for line in lines if line.startswith("  0:")] == [
        f"  0:{second:02d}" for second in range(1, len(told) + 1)
    ]
    # The last of them is gone, and what follows begins at the margin.
    assert lines[-1].startswith("Environnement principal : prêt")


def test_engine_none_leaves_the_engines_alone(clone, home, bare, conda):
    assert setup(clone, home, "--engine", "none", PATH=str(bare)).returncode == 0
    assert len(asked(conda)) == 3
    assert not (clone / ".environments/cellpose3").exists()


def test_micromamba_is_asked_in_its_own_words(clone, home, bare, conda):
    (bare / "conda").rename(bare / "micromamba")
    done = setup(clone, home, PATH=str(bare))
    # Its stand-in does not know the words and makes nothing: how it was asked is what counts.
    assert done.returncode == 1
    record = (conda / "asked").read_text("utf-8")
    assert f"conda create -y -f {clone}/environment.yml -n segmake\n" in record


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_shared_python_that_others_may_not_run_is_told(clone, bare):
    # Others may enter no folder of pytest's.
    with tempfile.TemporaryDirectory() as folder:
        top, home = Path(folder), Path(folder) / "home"
        own, shared = top / "own", top / "shared"
        for made in (home, own):
            made.mkdir()
        shutil.copytree(clone, shared)
        python = own / "python"
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
        programs = shared / ".environments" / "main" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(python)
        shutil.copy(python, programs / "segmake")
        top.chmod(0o755)
        shutil.chown(home, 65534, 65534)
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        words = [*as_nobody, "bash", str(shared / "scripts/setup.sh")]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "nothing to install" in done.stdout, done.stderr
        own.chmod(0o700)
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 1 and "SM-SET-029" in done.stderr
        assert str(python) in done.stderr
