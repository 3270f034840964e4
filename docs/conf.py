"""How Sphinx builds these pages: `make docs`. Nothing here, and nothing in the pages, asks another host."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from homeostat.version import __version__

project = "Homeostat"
author = "Homeostat"
copyright = "Homeostat, Apache-2.0"  # noqa: A001 - Sphinx's own name
version = release = __version__

extensions = ["myst_parser", "from_code", "elsewhere"]
exclude_patterns = ["_extensions", "_build"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
nitpicky = True
# The index may wait for pages that are not written yet; a page that it does not know stays an error.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", None) != "empty_glob"
)

html_theme = "furo"
html_title = "Homeostat"
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
# Furo's own fonts are the system's; its footer icons are drawn in the page.
html_theme_options = {"navigation_with_keys": True}
