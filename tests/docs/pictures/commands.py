"""The pictures of the tutorials with commands: each line is typed at the login node of a cluster, and runs there."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pictures.browser import shoot
from tests.docs.pictures.stage import HOST, OWNER, PASSWORD, SEGMAKE, USER, owned_by
from tests.docs.pictures.terminal import HEIGHT, Terminal, at_login_node, picture

# As the shell of a laptop shows it.
PROMPT = "jane@laptop:~$ "

CYAN = "segmake set overlays.color '#00ffff'"
THRESHOLD = (
    "segmake set segmentation.engine threshold --default segmentation.model"
    " segmentation.flow_threshold segmentation.cellprob_threshold"
)


def name_of(name: str, language: str, ending: str = "svg") -> str:
    """Return what a picture is called in a language."""
    return f"{name}.{ending}" if language == "en" else f"{name}.{language}.{ending}"


def take(folder: Path, language: str) -> None:
    """Take the pictures of *with commands*; the experiments are then in the home of jane."""

    def draw(name: str, shown: str, **options: int) -> None:
        title = shown.partition("\r\n")[0].partition("$ ")[2].replace("\x1b[1m", "")
        path = folder / name_of(f"commands-{name}", language)
        picture(shown, path, title=title.removesuffix("\x1b[0m"), **options)

    draw("login", _login(language))
    terminal = at_login_node(language)
    with owned_by(OWNER):
        draw("enter", terminal.type(f"bash {SEGMAKE}/scripts/setup.sh"))
    draw("new", terminal.type("segmake new growth --example phase"))
    terminal.type("cd growth")
    terminal.start("nano config/config.yaml")
    draw("nano", terminal.press("", 2).partition("\x1b[?1049h")[2], height=HEIGHT)
    terminal.leave("\x18")
    terminal.type(CYAN)
    # The GPUs of this cluster are emulated: the network is computed by the processor.
    terminal.type("segmake set segmentation.gpu false")
    draw("plan", terminal.type("snakemake --profile slurm -n"))
    draw("run", terminal.type("snakemake --profile slurm"))
    report = Path(f"/home/{USER}/growth/results/report.html")
    shoot(report.as_uri(), folder / name_of("commands-report", language, "png"))
    terminal.type("cd ~")
    terminal.type("segmake demo-data images")
    draw("look", terminal.type("segmake look images/fluorescence"))
    terminal.type("segmake new mine --images images/fluorescence")
    terminal.type("cd mine")
    terminal.type(THRESHOLD)
    draw("failed", terminal.type("snakemake --profile slurm"))
    terminal.type(
        "cp ../images/fluorescence/ecoli_gfp_pos01.tif ../images/fluorescence/broken_copy.tif"
    )
    draw("again", terminal.type("snakemake --profile slurm"))
    terminal.close()


def take_simulation(folder: Path, language: str) -> None:
    """Take those of the tutorial without images."""

    def draw(name: str, shown: str) -> None:
        title = shown.partition("\r\n")[0].partition("$ ")[2].replace("\x1b[1m", "")
        path = folder / name_of(f"simulation-{name}", language)
        picture(shown, path, title=title.removesuffix("\x1b[0m"))

    terminal = at_login_node(language)
    draw("new", terminal.type("segmake new community --example sweep"))
    terminal.type("cd community")
    draw("plan", terminal.type("snakemake --profile slurm -n"))
    draw("run", terminal.type("snakemake --profile slurm"))
    terminal.close()


def _login(language: str) -> str:
    """Log in from a laptop, which has never been there."""
    laptop = Terminal(
        *("bash", "--norc", "-i"), folder="/mnt/laptop/jane", prompt=PROMPT, HOME="/mnt/laptop/jane"
    )
    options = f"-o UserKnownHostsFile=/mnt/laptop/known.{language} -o SetEnv=X=1"
    laptop.type(f'ssh() {{ command ssh {options} "$@"; }}')
    asked = (("(yes/no/[fingerprint])? ", "yes"), ("password: ", PASSWORD))
    shown = laptop.type_into(f"ssh {USER}@{HOST}", *asked, until="$ ")
    laptop.close()
    return shown
