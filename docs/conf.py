"""Sphinx builds the documentation with this: `make docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

import tables  # noqa: E402 - found by the line above

import gridmap  # noqa: E402 - likewise, to keep the two together

project = "gridmap"
author = "the gridmap authors"
project_copyright = f"2026, {author}"
version = release = gridmap.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "references",
]
exclude_patterns = ["_build", "_ext"]
source_suffix = {".md": "markdown"}
root_doc = "index"

nitpicky = True
nitpick_ignore = [  # what it is made with is no matter
    ("py:class", "msgspec.Struct"),
    ("py:class", "gridmap.comparing.Comparing"),
    ("py:class", "gridmap.concealing.Concealing"),
]
smartquotes = False  # docstrings and help texts hold commands to be copied
default_role = "gm"  # see _ext/references.py
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Names as users write them; annotations as they stand in the sources.
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 70
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_preprocess_types = False

html_theme = "furo"
html_title = f"gridmap {release}"
html_static_path = ["_static"]
html_css_files = ["gridmap.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r">>> |\.\.\. |\$ |# "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# Tables and diagrams are made of the code's own tables, at every build.
tables.write_all(HERE / "_build" / "generated")
