"""Draws what a cluster is made of: docs/pictures/cluster.svg and cluster.fr.svg.

python tests/docs/pictures/cluster.py
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"
INK, PALE, BLUE, AMBER, BOX, PAPER = (
    "#1f2933",
    "#616e7c",
    "#2f6db3",
    "#b86e00",
    "#eef2f6",
    "#ffffff",
)
WIDTH, HEIGHT = 920, 470

WORDS = {
    "en": {
        "title": "A cluster",
        "about": "Your computer, the login node, the queue, the compute nodes in two partitions, and the shared disk",
        "laptop": "your computer",
        "login": "login node",
        "login_below": ("you log in here,", "and send jobs;", "small work only"),
        "queue": "queue",
        "queue_below": ("Slurm decides", "whose job is next,", "and on which node"),
        "gpu": "partition “gpu”",
        "cpu": "partition “cpu”",
        "node": "node",
        "yours": "your job",
        "disk": "shared disk: all nodes see the same folders, your images and results among them",
        "ssh": "SSH",
        "cluster": "the cluster",
    },
    "fr": {
        "title": "Un cluster",
        "about": "Votre ordinateur, le nœud de connexion, la file d'attente, les nœuds de calcul en deux partitions, "
        "et le disque commun",
        "laptop": "votre ordinateur",
        "login": "nœud de connexion",
        "login_below": ("vous vous connectez ici", "et envoyez des tâches ;", "petits travaux seulement"),
        "queue": "file d'attente",
        "queue_below": ("Slurm décide", "à qui le tour,", "et sur quel nœud"),
        "gpu": "partition « gpu »",
        "cpu": "partition « cpu »",
        "node": "nœud",
        "yours": "votre tâche",
        "disk": "disque commun : tous les nœuds y voient les mêmes dossiers, dont vos images et vos résultats",
        "ssh": "SSH",
        "cluster": "le cluster",
    },
}  # fmt: skip


def main() -> None:
    """Write both drawings."""
    for language, suffix in {"en": ".svg", "fr": ".fr.svg"}.items():
        (PICTURES / f"cluster{suffix}").write_text(draw(WORDS[language]), encoding="utf-8")


def draw(words: dict) -> str:
    """Return the drawing, with its words in one language."""
    parts = [
        box(0, 0, WIDTH, HEIGHT, PAPER, "none"),
        box(205, 20, 700, 430, "none", PALE, dashed=True),
        text(222, 42, words["cluster"], PALE, anchor="start"),
        *laptop(20, 130, words),
        arrow(140, 165, 232, 165),
        text(172, 156, words["ssh"], PALE),
        box(238, 125, 150, 80, BOX, BLUE),
        text(313, 170, words["login"], INK, bold=True, size=13),
        *lines(313, 226, words["login_below"]),
        arrow(392, 165, 432, 165),
        *queue(440, 120, words),
        *lines(500, 226, words["queue_below"]),
        arrow(566, 150, 624, 112),
        arrow(566, 180, 624, 270),
        *partition(630, 45, words["gpu"], words, gpu=True),
        *partition(630, 205, words["cpu"], words, gpu=False),
        box(238, 382, 650, 46, BOX, BLUE),
        text(563, 410, words["disk"], INK, size=13),
        *(line(x, 353, x, 382) for x in (690, 770, 850)),
        line(313, 272, 313, 382),
    ]
    title = f"<title>{escape(words['title'])}</title><desc>{escape(words['about'])}</desc>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">{title}\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def laptop(x: int, y: int, words: dict) -> list[str]:
    """Draw the user's computer."""
    return [
        box(x + 15, y, 90, 60, BOX, BLUE),
        f'<path d="M{x} {y + 74} L{x + 120} {y + 74} L{x + 105} {y + 62} L{x + 15} {y + 62} Z" fill="{BLUE}"/>',
        text(x + 60, y + 95, words["laptop"], INK, bold=True),
    ]


def queue(x: int, y: int, words: dict) -> list[str]:
    """Draw jobs that wait; one is the reader's."""
    parts = [text(x + 60, y - 12, words["queue"], INK, bold=True)]
    for number in range(4):
        own = number == 1
        parts.append(
            box(x, y + 23 * number, 120, 19, AMBER if own else BOX, "none" if own else PALE)
        )
        if own:
            parts.append(text(x + 60, y + 23 * number + 14, words["yours"], PAPER, size=13))
    return parts


def partition(x: int, y: int, name: str, words: dict, *, gpu: bool) -> list[str]:
    """Draw three nodes with their cores, and with a GPU each where the partition has them."""
    parts = [
        box(x, y, 258, 148, "none", BLUE),
        text(x + 12, y + 22, name, INK, anchor="start", bold=True),
    ]
    for number in range(3):
        left, top = x + 12 + 80 * number, y + 36
        parts.append(box(left, top, 74, 100, BOX, PALE))
        parts.append(text(left + 37, top + 18, words["node"], PALE, size=13))
        for core in range(8):
            parts.append(
                box(left + 8 + 15 * (core % 4), top + 28 + 15 * (core // 4), 12, 12, PALE, "none")
            )
        if gpu:
            own = number == 0
            parts.append(box(left + 8, top + 62, 58, 28, AMBER if own else BLUE, "none"))
            parts.append(text(left + 37, top + 81, "GPU", PAPER, size=13))
    return parts


def box(
    x: int, y: int, width: int, height: int, fill: str, stroke: str, *, dashed: bool = False
) -> str:
    """Return a rectangle."""
    dash = ' stroke-dasharray="6 5"' if dashed else ""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{fill}" stroke="{stroke}"'
        f' stroke-width="1.5"{dash}/>'
    )


def text(
    x: int,
    y: int,
    words: str,
    colour: str,
    *,
    anchor: str = "middle",
    bold: bool = False,
    size: int = 14,
) -> str:
    """Return a line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" font-size="{size}"{weight}>'
        f"{escape(words)}</text>"
    )


def lines(x: int, y: int, parts: tuple[str, ...]) -> list[str]:
    """Return lines of small text."""
    return [text(x, y + 17 * number, line, PALE, size=13) for number, line in enumerate(parts)]


def line(x1: int, y1: int, x2: int, y2: int) -> str:
    """Return a line."""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{BLUE}" stroke-width="1.5"/>'


def arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    """Return an arrow."""
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    along, across = (x2 - x1) / length, (y2 - y1) / length
    left = (x2 - 10 * along - 5 * across, y2 - 10 * across + 5 * along)
    right = (x2 - 10 * along + 5 * across, y2 - 10 * across - 5 * along)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x2, y2), left, right))
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2 - 8 * along:.1f}" y2="{y2 - 8 * across:.1f}" stroke="{AMBER}" '
        f'stroke-width="2.5"/><polygon points="{points}" fill="{AMBER}"/>'
    )


if __name__ == "__main__":
    main()
