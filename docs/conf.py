"""How Sphinx makes the site from these pages: `bash scripts/docs.sh` makes it in both languages.

A build has the pages of one language: English, or with SEGMAKE_DOCS=fr those whose names end in `.fr.md`.
"""

import os
import sys
from pathlib import Path
from typing import Any

from pygments.lexers import PythonLexer

from segmake import __version__

sys.path.insert(0, str(Path(__file__).parent / "_site"))

language = os.environ.get("SEGMAKE_DOCS", "en")
other = {"en": "fr", "fr": "en"}[language]

project = "SegMake"
version = release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "links",
    "sections",
    "spaces",
]
locale_dirs = ["_site/locales"]
exclude_patterns = ["_site"]
if language == "fr":
    include_patterns = ["**.fr.md"]
    root_doc = "index.fr"
else:
    exclude_patterns += ["**.fr.md"]

# Headings have the anchors that a forge gives them.
myst_heading_anchors = 6
myst_enable_extensions = ["colon_fence"]
# What our own names mean, `-n` finds; those of Python's and other packages need a network.
nitpick_ignore_regex = [("py:.*", ".*")]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Only in the environments of the engines.
autodoc_mock_imports = ["cellpose", "cellpose_omni", "cv2", "numba", "omnipose", "torch"]
napoleon_google_docstring = False
# What a class says of its attributes stands once.
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"SegMake {version}"
html_static_path = ["_site/static"]
templates_path = ["_site/templates"]
html_css_files = ["site.css"]
# Before Sphinx' own, which forgets the searched words.
html_js_files = [("site.js", {"priority": 100})]
html_favicon = "_site/static/cells.svg"
html_show_copyright = False
html_copy_source = False
html_use_index = False
html_domain_indices = False
# A page that is read from disk can't fetch others to quote them: the scorer quotes what "sections" has kept.
html_show_search_summary = False
html_search_scorer = str(Path(__file__).parent / "_site" / "scorer.js")
html_search_language = language
html_context = {"other": other, "other_name": {"en": "English", "fr": "Français"}[other]}
# Black on white, and what else has too little contrast in the theme, for those who see less well.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
# The style's own is nearly that of the page.
html_theme_options = {"light_css_variables": {"color-code-background": "#eff1f3"}}

# With its name in an attribute: Sphinx marks searched words in texts, and can't in those of drawings.
copybutton_image_svg = (
    f'<svg role="img" aria-label="{ {"en": "Copy", "fr": "Copier"}[language] }" viewBox="0 0 24 24" fill="none"'
    ' stroke="currentColor" stroke-width="1.5" stroke-linejoin="round">'
    '<rect x="8" y="8" width="12" height="12" rx="2"/>'
    '<path d="M16 8v-2a2 2 0 0 0 -2 -2h-8a2 2 0 0 0 -2 2v8a2 2 0 0 0 2 2h2"/></svg>'
)
copybutton_selector = ", ".join(
    f"div.highlight-{kind} pre"
    for kind in ("bash", "powershell", "yaml", "python", "r", "toml", "ini")
)


def setup(app: Any) -> None:
    """Add to Sphinx what it does not know."""
    # Rules of Snakemake are nearly Python.
    app.add_lexer("snakemake", PythonLexer)
