"""Makes the config and its schemas, its READMEs, pages of ``docs`` and a part of one of them from their sources.

All about settings comes from ``config.schema.yaml``: the schemas in JSON, ``config/config.yaml``, and
``config/README*.md``. In ``docs/reference``: ``messages*.md`` from the catalogue of
messages, ``known-errors*.md`` from ``known_errors.toml``, ``slurm-jobs*.md`` from ``fates.toml``, the table of
packages from ``catalogue.yaml``.
After an edit of any: ``python -m segmake.tools.reference``.
"""

from __future__ import annotations

import os
import re
import string
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segmake.config.schema import describe, schema, schema_file, section_of
from segmake.config.template import commented_config, in_order, meanings, text_of, titled
from segmake.config.yaml_values import in_one_line
from segmake.core import installation
from segmake.core.files import write_atomically
from segmake.engines.licences import licences_page
from segmake.environments.wanted.catalogue import groups
from segmake.messages import LANGUAGES, catalogue, say
from segmake.plan.known_errors import known_errors
from segmake.slurm.fates import Fate, Moment, fates
from segmake.tools.config_schema import COLON, config_schema_page
from segmake.tools.placeholders import PLACEHOLDERS

ROOT = installation.home()
BUILDERS = {
    "en": ROOT / "docs" / "reference" / "environment-builder.md",
    "fr": ROOT / "docs" / "reference" / "environment-builder.fr.md",
}
COMMAND = "python -m segmake.tools.reference"

_NOTE = f"<!-- Made by `{COMMAND}` from {{sources}}: edit these, not this file. -->"

# Between these, the page on environments has the table of the catalogue; the rest of it is written by hand.
_TABLE_BEGINS = f"<!-- Made by `{COMMAND}` from workflow/segmake/environments/wanted/catalogue.yaml: edit that. -->"
_TABLE_ENDS = "<!-- The end of what was made. -->"

_README = """\
## The config file

`config/config.yaml` is the only file that you edit. Each setting in it has a comment that says what it does and when
to change it; this page has them all in one place. En français : [README.fr.md](README.fr.md).

- Editors that know YAML (VS Code with the YAML extension, for example) complete, explain and check settings while you
  type.
- Paths start from the folder in which you type `snakemake`, which is the experiment's, unless they begin with `/`.
  The scripts that SegMake brings along are called `segmake:NAME` from everywhere.
- A setting that is left out has its default.
- Mistakes are found before anything runs: all at once, each with its line. Every message has a code, such as
  `SM-CFG-001`, that is explained in [Messages, and what to do](../docs/reference/messages.md).

One more file is for whoever set up SegMake, and optional: `site.yaml` in SegMake's own folder says once what holds for
all of its users. So far that is from which git repositories
[packages](../docs/reference/environment-builder.md#packages-of-git-repositories) may come:

<!-- file: site.yaml -->
```yaml
packages:
  git: ["https://github.com/our-lab/"]
```

## Several experiments

Each is a folder of its own, with a `config/config.yaml` of its own, in which you type the same commands;
`segmake new FOLDER` makes one. Or keep several files in one folder, each with a folder for `results` of its own, and
name the file when you run SegMake. It is then read in place of `config/config.yaml`:

```bash
snakemake --profile slurm --configfile config/growth.yaml
```

What several experiments have in common can be in a file of its own. Where several files set the same thing, the last
one counts; sections are joined, lists are replaced. `segmake check`, `get`, `set`, `plan`, `submit`, `status`, `try`,
`environment`, `jupyter` and `helpfile` take several files, too, each after a `--configfile` of its own; `segmake set`
writes to the last one:

```bash
snakemake --profile slurm --configfile config/lab.yaml config/growth.yaml
```

## What is computed again after a change

| you change | SegMake computes again |
|---|---|
| anything under `segmentation`, except `gpu` and `batch_size` | all images |
| `channel`, `second_channel`, `z`, `time` or `pages` under `images` | the images of which other planes are taken now |
| `positions` under `images` | only positions that are new; those no longer chosen leave the tables |
| `pixel_size_um` under `images` | the tables, and the size noted in the masks; not the cells (but with `do_3D`) |
| `include`, `exclude` or `derived` under `images` | only images that are new; those no longer chosen leave the tables |
| `folder` under `images`: one more, one within or around it | only images that are new; the others keep their names |
| `folder` under `images`: another experiment | nothing: it is refused, as it needs `results` of its own |
| the file of an image, such as a new copy of it | this image |
| the file of your own model | all images |
| a file in `corrections` in the results | the mask, the table and the picture of its image |
| `tracking` | masks, tables and pictures of movies, not the cells |
| `outputs` | the files that it names, not the cells |
| `measurements` | the tables, not the cells |
| `overlays` | the pictures, not the cells |
| `cluster` | nothing |
| a script, its `arguments` or its environment | [this script](../docs/reference/scripts.md), and those that need it |
| `resources`, `batch_size`, `parallel` of a script | nothing |
| `environments` | no image: the environment whose list has changed is made again, and its scripts run |
| `results` | everything, in the new folder |

`snakemake --profile slurm -n` says how many images that would be, and starts nothing.

## All settings
"""

_README_IN_FRENCH = """\
## Le fichier de configuration

`config/config.yaml` est le seul fichier que vous modifiez. Chaque réglage y est accompagné d'un commentaire qui dit ce
qu'il fait et quand le changer ; cette page les réunit tous. In English: [README.md](README.md).

- Les éditeurs qui connaissent YAML (par exemple VS Code avec son extension YAML) complètent, expliquent et vérifient
  les réglages pendant que vous écrivez.
- Les chemins partent du dossier où vous tapez `snakemake`, celui de l'expérience, sauf s'ils commencent par `/`. Les
  scripts fournis avec SegMake s'appellent partout `segmake:NOM`.
- Un réglage absent a sa valeur par défaut.
- Les erreurs sont trouvées avant que quoi que ce soit ne démarre : toutes à la fois, chacune avec sa ligne. Chaque
  message a un code, comme `SM-CFG-001`, expliqué dans [Les messages](../docs/reference/messages.fr.md).

Un autre fichier, facultatif, revient à la personne qui a installé SegMake : `site.yaml`, dans le dossier de SegMake,
dit une fois ce qui vaut pour tous. Pour l'instant, c'est de quels dépôts git des
[paquets](../docs/reference/environment-builder.fr.md#les-paquets-de-dépôts-git) peuvent venir :

<!-- file: site.yaml -->
```yaml
packages:
  git: ["https://github.com/our-lab/"]
```

## Plusieurs expériences

Chacune a son dossier, avec son propre `config/config.yaml`, où vous tapez les mêmes commandes ;
`segmake new DOSSIER` en crée un. Ou bien gardez plusieurs fichiers dans un même dossier, chacun avec son propre dossier
`results`, et nommez le fichier en lançant SegMake. Il est alors lu à la place de `config/config.yaml` :

```bash
snakemake --profile slurm --configfile config/growth.yaml
```

Ce que plusieurs expériences ont en commun peut être dans un fichier à part. Si plusieurs fichiers règlent la même
chose, le dernier compte ; les sections sont réunies, les listes remplacées. `segmake check`, `get`, `set`, `plan`,
`submit`, `status`, `try`, `environment`, `jupyter` et `helpfile` en acceptent plusieurs, chacun après un
`--configfile` ; `segmake set` écrit dans le dernier :

```bash
snakemake --profile slurm --configfile config/lab.yaml config/growth.yaml
```

## Ce qui est recalculé après un changement

| vous changez | SegMake recalcule |
|---|---|
| un réglage de `segmentation`, sauf `gpu` et `batch_size` | toutes les images |
| `channel`, `second_channel`, `z`, `time` ou `pages` sous `images` | les images dont d'autres plans sont alors pris |
| `positions` sous `images` | seulement les nouvelles ; celles qui ne sont plus choisies quittent les tableaux |
| `pixel_size_um` sous `images` | les tableaux, et la taille notée dans les masques ; les cellules avec `do_3D` |
| `include`, `exclude` ou `derived` sous `images` | seulement les nouvelles images ; les autres quittent les tableaux |
| `folder` sous `images` : un de plus, qui l'entoure ou en fait partie | les nouvelles images ; les noms restent |
| `folder` sous `images` : une autre expérience | rien : elle est refusée, car il lui faut son propre `results` |
| le fichier d'une image, par exemple une nouvelle copie | cette image |
| le fichier de votre propre modèle | toutes les images |
| un fichier de `corrections` dans les résultats | le masque, le tableau et l'image avant/après de son image |
| `tracking` | les masques, tableaux et images avant/après des films, pas les cellules |
| `outputs` | les fichiers qu'il nomme, pas les cellules |
| `measurements` | les tableaux, pas les cellules |
| `overlays` | les images avant/après, pas les cellules |
| `cluster` | rien |
| un script, ses `arguments`, son environnement | [ce script](../docs/reference/scripts.fr.md), et ce qui en dépend |
| `resources`, `batch_size`, `parallel` d'un script | rien |
| `environments` | aucune image : l'environnement dont la liste a changé est refait, et ses scripts sont relancés |
| `results` | tout, dans le nouveau dossier |

`snakemake --profile slurm -n` dit combien d'images cela ferait, et ne lance rien.

## Tous les réglages
"""

_READMES = {"en": _README, "fr": _README_IN_FRENCH}

_ENGINES = {
    "en": (
        "The settings differ from engine to engine. One that the chosen engine does not take is refused: delete its "
        "line, or put `#` in front of it.\n"
    ),
    "fr": (
        "Les réglages diffèrent d'un moteur à l'autre. Un réglage que le moteur choisi n'accepte pas est refusé : "
        "supprimez sa ligne, ou mettez `#` devant.\n"
    ),
}
_COLUMNS = {
    "en": ["setting", "default", "can be", "engines", "what it does"],
    "fr": ["réglage", "défaut", "valeurs possibles", "moteurs", "ce qu'il fait"],
}
_NO_SECTION = {"en": "Settings without a section", "fr": "Réglages sans section"}
_REQUIRED = {"en": "none: must be set", "fr": "aucun : à donner"}
_NONE = {"en": "none", "fr": "aucun"}
_ALL = {"en": "all", "fr": "tous"}

_CATALOGUE_COLUMNS = {
    "en": ["write", "or", "on PyPI", "version", "what it is for"],
    "fr": ["écrire", "ou", "sur PyPI", "version", "à quoi il sert"],
}
_CATALOGUE_EXCEPTED = {"en": " (another on Python {})", "fr": " (une autre avec Python {})"}

# Code in backquotes, and what Markdown would read as formatting outside of it.
_CODE = re.compile(r"(`[^`]*`)")
_SPECIAL = re.compile(r"([\\*<])")

# In a message, lines of a file are those that stand this far in.
_LINES_OF_A_FILE = re.compile(r"((?:\n {4}.*)+)")

# Headings and labels of the questions and answers.
_TITLE = {"en": "Messages, and what to do", "fr": "Les messages, et que faire"}
_INTRO = {
    "en": (
        "Each message of SegMake has a code. Look it up here, in your browser with Ctrl+F. Words in *italics* stand "
        "for what the message names in your case. Which results of earlier versions were wrong: "
        "[known-errors.md](known-errors.md). [En français](messages.fr.md)."
    ),
    "fr": (
        "Chaque message de SegMake a un code. Cherchez-le ici, dans votre navigateur avec Ctrl+F. Les mots en "
        "*italique* tiennent la place de ce que le message nomme dans votre cas. Quels résultats de versions "
        "antérieures étaient faux : [known-errors.fr.md](known-errors.fr.md). [In English](messages.md)."
    ),
}
_LABELS = {
    "what": {"en": "What it says:", "fr": "Ce qu'il dit :"},
    "why": {"en": "Why:", "fr": "Pourquoi :"},
    "do": {"en": "What to do:", "fr": "Que faire :"},
}
_ERRORS_TITLE = {"en": "Known errors in results", "fr": "Erreurs connues dans les résultats"}
_ERRORS_INTRO = {
    "en": (
        "Results of earlier versions of SegMake that were wrong, in which circumstances, and what to do. The report "
        "says which version made your results. This version says which of your images are affected, as far as "
        "their files tell. [En français](known-errors.fr.md)."
    ),
    "fr": (
        "Les résultats faux de versions antérieures de SegMake, dans quelles circonstances, et que faire. Le rapport "
        "dit quelle version a produit vos résultats. Cette version dit lesquelles de vos images sont touchées, pour "
        "autant que leurs fichiers le disent. [In English](known-errors.md)."
    ),
}
_ERRORS_BEFORE = {"en": "In versions before {before}.", "fr": "Dans les versions avant {before}."}
_ERRORS_LABELS = {
    "wrong": {"en": "What was wrong:", "fr": "Ce qui était faux :"},
    "when": {"en": "When:", "fr": "Quand :"},
    "do": {"en": "What to do:", "fr": "Que faire :"},
}
_JOBS_TITLE = {"en": "What Slurm says of jobs", "fr": "Ce que Slurm dit des tâches"}
_JOBS_INTRO = {
    "en": (
        "Everything that can become of a job on the cluster, what it means, and what to do. SegMake says the same on "
        "the screen, in `segmake status` and in the report. [En français](slurm-jobs.fr.md)."
    ),
    "fr": (
        "Tout ce qui peut advenir d'une tâche sur le cluster, ce que cela signifie, et que faire. SegMake dit la même "
        "chose à l'écran, dans `segmake status` et dans le rapport. [In English](slurm-jobs.md)."
    ),
}
_JOBS_HEADINGS: dict[Moment, dict[str, str]] = {
    "sending": {"en": "When Slurm refuses a job", "fr": "Quand Slurm refuse une tâche"},
    "waiting": {"en": "When a job waits", "fr": "Quand une tâche attend"},
    "ended": {"en": "When a job has ended", "fr": "Quand une tâche est terminée"},
}
_JOBS_COLUMNS: dict[Moment, dict[str, tuple[str, ...]]] = {
    "sending": {
        "en": ("Slurm says", "it means", "SegMake", "what to do"),
        "fr": ("Slurm dit", "cela signifie", "SegMake", "que faire"),
    },
    "waiting": {
        "en": ("Slurm says", "it means", "ends by itself", "what to do"),
        "fr": ("Slurm dit", "cela signifie", "passe tout seul", "que faire"),
    },
    "ended": {
        "en": ("Slurm says", "the job", "is an attempt", "what to do"),
        "fr": ("Slurm dit", "la tâche", "compte comme essai", "que faire"),
    },
}
_JOBS_NOTES: dict[Moment, dict[str, str]] = {
    "sending": {
        "en": "A refusal that passes is no attempt: jobs that run go on, and the rest is sent when Slurm takes it.",
        "fr": (
            "Un refus passager ne compte pas comme essai : les tâches en cours continuent, et le reste est envoyé "
            "quand Slurm l'accepte."
        ),
    },
    "waiting": {
        "en": "`segmake status` names the jobs that JOB stands for.",
        "fr": "`segmake status` nomme les tâches dont TÂCHE tient la place.",
    },
    "ended": {
        "en": "A batch that has used up its attempts is given up by this run; the same command tries it again.",
        "fr": "Un lot qui a épuisé ses essais est abandonné par ce calcul ; la même commande le réessaie.",
    },
}
_JOBS_DOES = {
    "waits": {"en": "waits and goes on", "fr": "attend et continue"},
    "stops": {"en": "sends no more and says why", "fr": "n'en envoie plus et dit pourquoi"},
    "yes": {"en": "yes", "fr": "oui"},
    "no": {"en": "no", "fr": "non"},
}
_JOB = {"en": "JOB", "fr": "TÂCHE"}
# So many of Slurm's words are shown for each row.
_WORDS_SHOWN = 3

_FAMILIES = {
    "SM-CFG": {"en": "The config file", "fr": "Le fichier de configuration"},
    "SM-DIR": {"en": "The folder of images", "fr": "Le dossier des images"},
    "SM-IMG": {"en": "An image", "fr": "Une image"},
    "SM-RUN": {"en": "The run", "fr": "Le calcul"},
    "SM-MOD": {"en": "The model", "fr": "Le modèle"},
    "SM-OMN": {"en": "Omnipose", "fr": "Omnipose"},
    "SM-VOL": {"en": "Z-stacks in 3D", "fr": "Les piles z en 3D"},
    "SM-OUT": {"en": "Masks and corrections", "fr": "Les masques et les corrections"},
    "SM-TRK": {"en": "Tracking", "fr": "Le suivi dans le temps"},
    "SM-MEA": {"en": "The measurements", "fr": "Les mesures"},
    "SM-CLU": {"en": "The cluster", "fr": "Le cluster"},
    "SM-SCR": {"en": "Your own scripts", "fr": "Vos propres scripts"},
    "SM-ENV": {"en": "The environments", "fr": "Les environnements"},
    "SM-EXP": {"en": "Experiments", "fr": "Les expériences"},
    "SM-JUP": {"en": "JupyterLab", "fr": "JupyterLab"},
    "SM-CMD": {"en": "What you type", "fr": "Ce que vous tapez"},
    "SM-SIT": {"en": "The site file", "fr": "Le fichier du site"},
    "SM-UPD": {"en": "Updates", "fr": "Les mises à jour"},
    "SM-EDT": {"en": "Settings by command", "fr": "Les réglages par commande"},
    "SM-SPC": {"en": "Room on the disk", "fr": "La place sur le disque"},
    "SM-SET": {
        "en": "The set-up, the demo and the tests",
        "fr": "L'installation, la démo et les tests",
    },
}

_LICENCES = {
    "en": """\
# Licences of the engines and their models

SegMake itself is free for every use (BSD-3-Clause). What finds the cells belongs to others, and not all of it is. What
stands here is what they say themselves, and no advice in law. A dry run (`snakemake -n`) and the report name an engine
or a model that is not free for every use. Of a model of your own you know more than SegMake does: one that was trained
from another goes on from it.
""",
    "fr": """\
# Les licences des moteurs et de leurs modèles

SegMake lui-même est libre pour tout usage (BSD-3-Clause). Ce qui trouve les cellules appartient à d'autres, et tout ne
l'est pas. Ce qui figure ici est ce qu'ils en disent eux-mêmes, et n'est pas un conseil juridique. Un essai à blanc
(`snakemake -n`) et le rapport nomment un moteur ou un modèle qui n'est pas libre pour tout usage. D'un modèle à vous,
vous savez plus que SegMake : celui qui a été entraîné à partir d'un autre en est le
prolongement.
""",
}


def settings_reference(language: str) -> str:
    """Return all settings of the config in Markdown: a table for each section of the schema.

    Parameters
    ----------
    language : {"en", "fr"}
    """
    whole = schema(language)
    single = {}
    parts = []
    with _speaking(language):
        for name, rule in in_order(whole["properties"]):
            if "properties" not in rule:
                single[name] = rule
            for path, words, inner in _sections(name, rule):
                parts.append(f"### `{path}`\n\n{_escape(words)}\n")
                if any("x-engines" in key for key in inner["properties"].values()):
                    parts.append(_ENGINES[language])
                parts.append(_table(inner, language))
        parts.append(f"### {_NO_SECTION[language]}\n")
        parts.append(_table({"properties": single, "required": whole["required"]}, language))
    return "\n".join(parts)


def _sections(path: str, rule: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each section in a rule: what it is called, what is said of it, and its own rule."""
    words = f"{rule['title']}. {_in_a_line(text_of(rule))}"
    each = rule.get("additionalProperties")
    inner = section_of(rule)
    if "items" in rule and "properties" in rule["items"]:
        inner = rule["items"]
    if "properties" in inner:
        yield path, words, inner
        for name, child in in_order(inner["properties"]):
            yield from _sections(f"{path}.{name}", child)
    if isinstance(each, dict) and "title" in each:
        # Of these the user chooses the names.
        yield from _sections(f"{path}.*", each)


def catalogue_reference(language: str) -> str:
    """Return the packages that SegMake knows by name in Markdown: a table for each group.

    Parameters
    ----------
    language : {"en", "fr"}
    """
    parts = []
    for key, packages in groups().items():
        with _speaking(language):
            title = say(f"page.environments.group.{key}")
        parts.append(f"### {title}\n\n{_row(_CATALOGUE_COLUMNS[language])}\n")
        parts.append("|---|---|---|---|---|\n")
        for package in packages:
            version = package.version
            if package.excepted:
                version += _CATALOGUE_EXCEPTED[language].format(", ".join(package.excepted))
            aliases, purpose = ", ".join(package.aliases), package.purposes[language]
            cells = [package.name, aliases, f"`{package.requirement}`", version, purpose]
            parts.append(f"| {' | '.join(cells)} |\n")
        parts.append("\n")
    return "".join(parts).rstrip()


def messages_page(language: str) -> str:
    """Return every problem of the catalogue in Markdown: what it says, why, and what to do.

    The heading of each is its code alone, so that a link such as ``messages.md#sm-cfg-001`` stays right.

    Parameters
    ----------
    language : {"en", "fr"}
    """
    families: dict[str, list[str]] = {family: [] for family in _FAMILIES}
    for code in sorted(section for section in catalogue() if section.startswith("SM-")):
        families.setdefault(code.rpartition("-")[0], []).append(code)
    lines = [f"# {_TITLE[language]}", "", _INTRO[language], ""]
    for family, codes in families.items():
        if not codes:
            continue
        lines += [f"## {_FAMILIES.get(family, {}).get(language, family)}", ""]
        for code in codes:
            lines += [f"### {code}", ""]
            for part, label in _LABELS.items():
                lines.append(f"- **{label[language]}** {_readable(code, part, language)}")
            lines.append("")
    return "\n".join(lines)


def known_errors_page(language: str) -> str:
    """Return every known error of earlier versions in Markdown: what was wrong, when, and what to do.

    Parameters
    ----------
    language : {"en", "fr"}
    """
    lines = [f"# {_ERRORS_TITLE[language]}", "", _ERRORS_INTRO[language], ""]
    for code, error in known_errors().items():
        title = f"{_escape(error.text('title', language))}."
        before = _ERRORS_BEFORE[language].format(before=error.before)
        lines += [f"## {code}", "", f"**{title}** {before}", ""]
        for part, label in _ERRORS_LABELS.items():
            lines.append(f"- **{label[language]}** {_escape(error.text(part, language))}")
        lines.append("")
    return "\n".join(lines)


def jobs_page(language: str) -> str:
    """Return every fate of a job in Markdown: what Slurm says, what it means, and what to do.

    Parameters
    ----------
    language : {"en", "fr"}
    """
    lines = [f"# {_JOBS_TITLE[language]}", "", _JOBS_INTRO[language], ""]
    for moment, heading in _JOBS_HEADINGS.items():
        columns = _JOBS_COLUMNS[moment][language]
        lines += [f"## {heading[language]}", "", _JOBS_NOTES[moment][language], ""]
        lines += [_row(columns), _row(["---"] * len(columns))]
        for fate in fates(moment).values():
            remedy = fate.text("remedy", language).replace("{jobs}", _JOB[language])
            says = fate.text("says", language)
            cells = [_slurms_words(fate), says, _does(fate, language), remedy]
            lines.append(_row(_escape(cell) for cell in cells))
        lines.append("")
    return "\n".join(lines)


def _slurms_words(fate: Fate) -> str:
    first = [words.splitlines()[0].split("failed: ", 1)[-1] for words in fate.examples]
    words = [word.removeprefix("sbatch: ").removeprefix("error: ") for word in first]
    return ", ".join(
        f"`{word.replace('`', chr(39))}`" for word in (*fate.states, *words)[:_WORDS_SHOWN]
    )


def _does(fate: Fate, language: str) -> str:
    if fate.moment == "sending":
        return _JOBS_DOES["stops" if fate.stops else "waits"][language]
    answer = fate.passes if fate.moment == "waiting" else fate.counts
    return _JOBS_DOES["yes" if answer else "no"][language]


def schemas() -> dict[str, str]:
    """Return the schemas of the config, by their paths in the repository."""
    return {
        schema_file(language).relative_to(ROOT).as_posix(): config_schema_page(language) + "\n"
        for language in LANGUAGES
    }


def references() -> dict[str, str]:
    """Return what the generated files should hold, by their paths in the repository."""
    schema_note = _NOTE.format(
        sources="workflow/segmake/config/config.schema.yaml and workflow/segmake/tools/reference.py"
    )
    messages_note = _NOTE.format(sources="workflow/segmake/messages")
    errors_note = _NOTE.format(sources="workflow/segmake/plan/known_errors.toml")
    jobs_note = _NOTE.format(sources="workflow/segmake/slurm/fates.toml")
    pages = schemas() | {
        "config/config.yaml": commented_config("en"),
    }
    licences_note = _NOTE.format(sources="workflow/segmake/engines/licences.toml")
    for language in LANGUAGES:
        builder = BUILDERS[language]
        before, _, after = builder.read_text(encoding="utf-8").partition(_TABLE_BEGINS)
        after = after.partition(_TABLE_ENDS)[2]
        table = f"{_TABLE_BEGINS}\n\n{catalogue_reference(language)}\n\n{_TABLE_ENDS}"
        pages[builder.relative_to(ROOT).as_posix()] = f"{before}{table}{after}"
        with _speaking(language):
            licences = licences_page()
        name = "config/README.md" if language == "en" else f"config/README.{language}.md"
        readme = f"{schema_note}\n\n{_READMES[language]}\n{settings_reference(language)}"
        pages[name] = readme
        for name, page in {
            "messages": f"{messages_note}\n\n{messages_page(language)}",
            "known-errors": f"{errors_note}\n\n{known_errors_page(language)}",
            "slurm-jobs": f"{jobs_note}\n\n{jobs_page(language)}",
            "licences": f"{licences_note}\n\n{_LICENCES[language]}\n{licences}",
        }.items():
            suffix = "" if language == "en" else f".{language}"
            pages[f"docs/reference/{name}{suffix}.md"] = page
    return {name: page.rstrip() + "\n" for name, page in pages.items()}


def write_reference(root: Path = ROOT) -> list[Path]:
    """Write the generated files.

    Parameters
    ----------
    root : Path
        The folder of the repository.

    Returns
    -------
    list of Path
        The files.
    """
    _write(root, schemas())
    schema.cache_clear()
    return _write(root, references())


def _write(root: Path, pages: dict[str, str]) -> list[Path]:
    for name, page in pages.items():
        with write_atomically(root / name) as part:
            part.write_text(page, encoding="utf-8")
    return [root / name for name in pages]


@contextmanager
def _speaking(language: str) -> Iterator[None]:
    """Make the catalogue speak a language, whatever the user's is."""
    before = os.environ.get("SEGMAKE_LANG")
    os.environ["SEGMAKE_LANG"] = language
    try:
        yield
    finally:
        if before is None:
            del os.environ["SEGMAKE_LANG"]
        else:
            os.environ["SEGMAKE_LANG"] = before


def _table(section: dict[str, Any], language: str) -> str:
    keys, required = section["properties"], section.get("required", [])
    engines = any("x-engines" in rule for rule in keys.values())
    head = [word for place, word in enumerate(_COLUMNS[language]) if engines or place != 3]
    rows = [head, ["---"] * len(head)]
    for key, rule in in_order(keys):
        row = [f"`{key}`", _default(key, rule, required, language), _escape(_allowed(rule))]
        if engines:
            row.append(", ".join(rule.get("x-engines", [_ALL[language]])))
        rows.append([*row, _explained(rule, language)])
    return "".join(f"{_row(row)}\n" for row in rows)


def _explained(rule: dict[str, Any], language: str) -> str:
    """Return what a setting does, and what its values stand for, in Markdown."""
    colon = COLON[language]
    lines = [f"**{_escape(titled(rule))}.** {_escape(_in_a_line(text_of(rule)))}"]
    lines += [f"`{value}`{colon} {_escape(text)}" for value, text in meanings(rule)]
    return "<br>".join(lines)


def _in_a_line(text: str) -> str:
    return " ".join(text.splitlines())


def _row(cells: Iterable[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _allowed(rule: dict[str, Any]) -> str:
    # What is in a section has a table of its own.
    kinds = (rule.get("type"), rule.get("items", {}).get("type"))
    return "" if "object" in kinds else describe(rule)


def _default(key: str, rule: dict[str, Any], required: list[str], language: str) -> str:
    """Return a default in Markdown; of engines that have another one, that too."""
    if key in required:
        return _REQUIRED[language]
    if "default" not in rule:
        return _NONE[language]
    others = rule.get("x-defaults", {}).items()
    words = [f"{engine}: `{in_one_line(value)}`" for engine, value in others]
    return "; ".join([f"`{in_one_line(rule['default'])}`", *words])


def _escape(text: str) -> str:
    """Keep Markdown from reading plain text as formatting."""
    return "".join(
        piece if piece.startswith("`") else _SPECIAL.sub(r"\\\1", piece)
        for piece in _CODE.split(text)
    )


def shown_placeholder(code: str, name: str, language: str) -> str:
    """Return the words that stand for a placeholder of a message, such as *dossier* for ``{folder}``."""
    for key in (f"{code}.{name}", f"{code.rpartition('-')[0]}.{name}", name):
        if key in PLACEHOLDERS:
            return PLACEHOLDERS[key].get(language, name)
    return name.replace("_", " ")


def _readable(code: str, part: str, language: str) -> str:
    """Return a text of the catalogue in Markdown, with words in italics for its placeholders."""

    def fill(text: str, before: str, after: str) -> str:
        words = []
        for literal, name, form, _ in string.Formatter().parse(text):
            words.append(literal)
            if form and "|" in form:
                # Of the words for one and for more, those for more.
                words.append(fill(form.partition("|")[2], before, after))
            elif name:
                words.append(f"{before}{shown_placeholder(code, name, language)}{after}")
        return "".join(words)

    def in_markdown(text: str) -> str:
        pieces = []
        for piece in _CODE.split(text):
            if piece.startswith("`") and not re.fullmatch(r"`\{\w+\}`", piece):
                # Nothing is italic in code, so the usual brackets stand for it there.
                pieces.append(fill(piece, "<", ">"))
            else:
                pieces.append(fill(_SPECIAL.sub(r"\\\1", piece.strip("`")), "*", "*"))
        # Lines stay lines, also in an item of a list.
        return re.sub(r"\n\s*", "\\\\\n  ", "".join(pieces).strip("\n"))

    words = []
    for place, text in enumerate(_LINES_OF_A_FILE.split(catalogue()[code][part][language])):
        if place % 2:
            lines = textwrap.indent(textwrap.dedent(fill(text.strip("\n"), "<", ">")), "  ")
            words.append(f"\n\n  ```text\n{lines}\n  ```\n\n")
        else:
            words.append(in_markdown(text) if place == 0 else f"  {in_markdown(text.lstrip())}")
    return "".join(words).rstrip()


if __name__ == "__main__":
    for path in write_reference():
        print(path.relative_to(ROOT))
