"""References in docstrings: what single backticks and annotations lead to.

Docstrings write `grid_map` in single backticks for a name of ours and for words such as
`gridmap doctor` alike. The role ``gm``, the default one, links what is documented and
shows the rest as code. Annotations name things as their module imports them: a short name
leads to the one documented object of that name. What belongs to Python is shown as code,
since Python's own index is on the network and a build must not need that. All else is a
broken reference, and an error.
"""

import builtins
import collections.abc
import concurrent.futures
import re
import types
import typing

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import make_refnode

PYTHONS = {
    *vars(builtins),
    *typing.__all__,
    *collections.abc.__all__,
    *concurrent.futures.__all__,
    *vars(types),
}
STANDARD = re.compile(
    r"(collections\.abc|typing|concurrent\.futures|types|enum|pathlib|datetime|"
    r"importlib\.metadata|threading)\."
)
OTHERS = {
    # Of pytest, pluggy and the standard library, in annotations.
    "Path", "timedelta", "datetime", "EntryPoint", "pytest.MonkeyPatch", "enum.Enum",
    "importlib.metadata.EntryPoint", "attrs.Attribute", "os.PathLike",
    # Type variables, aliases, and inner things that need no page.
    "_T", "T", "Frame", "PortRange", "Parcel", "Failure", "Trial", "Trials", "Place", "Run",
    "Entry",
}  # fmt: skip


class Soft(SphinxRole):
    """A reference that becomes plain code where there is nothing to refer to."""

    def run(self):
        """Return the reference; `resolve` is called with it when all is read."""
        target = self.text.removesuffix("()")
        if not re.fullmatch(r"[A-Za-z_][\w.]*", target):
            return [nodes.literal(self.rawtext, self.text)], []
        literal = nodes.literal(self.rawtext, self.text, classes=["xref", "py"])
        node = pending_xref(
            self.rawtext,
            literal,
            refdomain="",
            reftype="gm",
            reftarget=target,
            refdoc=self.env.current_document.docname,
            refexplicit=False,
            refwarn=False,
        )
        node["py:module"] = self.env.ref_context.get("py:module")
        node["py:class"] = self.env.ref_context.get("py:class")
        return [node], []


def resolve(app, env, node, contnode):
    """Find what a reference means, by short names too."""
    is_soft = node["reftype"] == "gm"
    if not is_soft and node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    entry = _find(env, target, node)
    if entry is not None:
        name, found = entry
        return make_refnode(
            app.builder, node["refdoc"], found.docname, found.node_id, contnode, name
        )
    if is_soft:
        return contnode
    last = target.rpartition(".")[2]
    if target in PYTHONS | OTHERS or last in OTHERS or STANDARD.match(target):
        return contnode
    return None


def _find(env, target, node):
    objects = env.get_domain("py").objects
    module, owner = node.get("py:module"), node.get("py:class")
    contexts = [f"{module}.{owner}.", f"{module}."] if module else []
    for prefix in [*contexts, ""]:
        if prefix + target in objects:
            return prefix + target, objects[prefix + target]
    matches = {
        (entry.docname, entry.node_id): (name, entry)
        for name, entry in objects.items()
        if name.endswith("." + target) and entry.objtype != "module"
    }
    if "." not in target and target.islower():
        # A short word, such as `name`, is many a thing's attribute: functions only.
        matches = {k: v for k, v in matches.items() if v[1].objtype == "function"}
    public = {k: v for k, v in matches.items() if v[0] == f"gridmap.{target}"}
    matches = public or matches
    if target.startswith("gridmap_"):
        matches = {
            (entry.docname, entry.node_id): (name, entry)
            for name, entry in objects.items()
            if name.endswith("." + target)
        }
    return next(iter(matches.values())) if len(matches) == 1 else None


_ATTRIBUTES = {}


def keep(_app, what, name, _obj, _options, lines):
    """Remember the docstring of an attribute as it is: see `restore`."""
    if what in {"attribute", "data"}:
        _ATTRIBUTES[name] = list(lines)


def restore(_app, _what, name, _obj, _options, lines):
    """Undo what napoleon does to attributes: it takes "Two words: more" for a type."""
    if name in _ATTRIBUTES:
        lines[:] = _ATTRIBUTES.pop(name)


def _readable(_app, _what, _name, _obj, _options, signature, result):
    """Show a default that is made anew each time as dots: msgspec's text is no Python."""
    return (signature or "").replace("<factory>", "...") or None, result


def setup(app):
    app.connect("autodoc-process-signature", _readable)
    app.connect("autodoc-process-docstring", keep, priority=400)  # napoleon's is 500
    app.connect("autodoc-process-docstring", restore, priority=600)
    app.add_role("gm", Soft())
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
