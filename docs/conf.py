"""Sphinx settings: sphinx-build -W docs docs/_build (with the extra `docs`)."""

import ecgkit

project = "ecgkit"
author = "The ecgkit authors"
release = ecgkit.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
myst_heading_anchors = 2
