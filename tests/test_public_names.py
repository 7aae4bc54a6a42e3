"""The code uses no private names of libraries."""

import ast

from tests.support.servers import ROOT

FILES = [
    *(ROOT / "taskapi").rglob("*.py"),
    *(ROOT / "migrations").rglob("*.py"),
    *(ROOT / name for name in ("gunicorn.conf.py", "wsgi.py")),
]
# With an underscore, and documented: of named tuples, of logging's advice, and for types only.
DOCUMENTED = {"_make", "_replace", "_asdict", "_fields", "_srcfile", "_typeshed"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def private_names(tree):
    own = {
        getattr(node, "name", None) or getattr(node, "id", None) or getattr(node, "attr", None)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        or (isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not is_own and node.attr not in own:
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") + [alias.name for alias in node.names]
            yield from ((node.lineno, part) for part in parts if is_private(part))
        elif isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
            yield from ((node.lineno, part) for part in parts if is_private(part))


def test_no_private_name_of_a_library_is_used():
    found = {str(path): [*private_names(ast.parse(path.read_text()))] for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


def test_private_names_are_detected():
    code = "from sqlalchemy.orm import _x\nimport gunicorn._y\nsession._is_clean()\nrow._asdict()"
    assert [name for _, name in private_names(ast.parse(code))] == ["_x", "_y", "_is_clean"]
