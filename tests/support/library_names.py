"""Find the names of libraries that a Python file uses."""

import ast
import pydoc
import re
import sys
from collections.abc import Iterable, Iterator

LIBRARIES = {
    *("alembic", "apispec", "flask", "flask_cors", "flask_jwt_extended", "flask_limiter"),
    *("flask_migrate", "flask_sqlalchemy", "gunicorn", "limits", "marshmallow", "psycopg"),
    *("redis", "sqlalchemy", "werkzeug"),
}
# The classes of imported objects, of their attributes, and of arguments.
TYPES = {
    "flask.current_app": "flask.Flask",
    "flask.request": "flask.Request",
    "flask.Flask.url_map": "werkzeug.routing.Map",
    "flask.Request.url_rule": "werkzeug.routing.Rule",
    "flask_sqlalchemy.SQLAlchemy.engine": "sqlalchemy.Engine",
    "flask_sqlalchemy.SQLAlchemy.session": "sqlalchemy.orm.scoped_session",
    "gunicorn.conf.py:server": "gunicorn.arbiter.Arbiter",
    "gunicorn.conf.py:worker": "gunicorn.workers.base.Worker",
    "sqlalchemy.orm.scoped_session.registry": "sqlalchemy.util.ScopedRegistry",
    "taskapi.extensions.cors": "flask_cors.CORS",
    "taskapi.extensions.db": "flask_sqlalchemy.SQLAlchemy",
    "taskapi.extensions.jwt": "flask_jwt_extended.JWTManager",
    "taskapi.extensions.limiter": "flask_limiter.Limiter",
    "taskapi.extensions.migrate": "flask_migrate.Migrate",
}
NOT_SETTINGS = {
    "core_of",
    "cores",
    "embedded",
    "free_cores",
    "host",
    "settings",
}  # variables of gunicorn.conf.py
# With an underscore, and documented: of named tuples, logging, marshmallow, and for types only.
UNDERSCORED = {"_make", "_replace", "_asdict", "_fields", "_srcfile", "_deserialize", "_typeshed"}


def root(name: str) -> str:
    return name.partition(".")[0]


def is_private(name: str) -> bool:
    return any(re.match("_(?!_)", part) and part not in UNDERSCORED for part in name.split("."))


def stored(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names of variables, functions and classes that the nodes create."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        else:
            names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            yield from (each.id for each in names if isinstance(each.ctx, ast.Store))


class Names(ast.NodeVisitor):
    """The names of libraries in a file, attributes of unknown objects, and our own names."""

    def __init__(self, code: str, path: str = ""):
        self.library: dict[str, str] = {}  # dotted name: the line that uses it
        self.unknown: dict[str, str] = {}
        self.own: set[str] = set()
        self.modules = {"builtins"}
        self.known: dict[str, str | None] = {}  # variable: the dotted name of its class or value
        self.path = path
        tree = ast.parse(code)
        if path == "gunicorn.conf.py":
            for name in {*stored(tree.body)} - NOT_SETTINGS:
                self.add(f"gunicorn.conf.{name}", tree.body[0])
        self.visit(tree)

    def add(self, name: str, node: ast.stmt | ast.expr) -> None:
        if (root(name) in LIBRARIES and name not in LIBRARIES) or is_private(name):
            self.library.setdefault(name, f"{self.path}:{node.lineno}")

    def resolve(self, node: ast.AST | None) -> str | None:
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.Attribute):
            name = f"{self.resolve(node.value)}.{node.attr}"
            return TYPES.get(name) or (name if name in sys.modules else None)
        if isinstance(node, ast.Subscript):  # Select[Any]
            return self.resolve(node.value)
        return self.resolve(node.left) if isinstance(node, ast.BinOp) else None  # Redis | None

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.modules.add(alias.name)
            self.known[alias.asname or root(alias.name)] = (
                alias.name if alias.asname else root(alias.name)
            )
            self.add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.module is not None
        self.modules.add(node.module)
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            self.known[alias.asname or alias.name] = TYPES.get(name, name)
            self.add(name, node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = self.known
        self.known = outer | dict.fromkeys(stored(ast.walk(node)))
        for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            name = self.resolve(each.annotation) or "typing.Any"
            self.known[each.arg] = TYPES.get(f"{self.path}:{each.arg}") or (
                None if name.startswith("typing.") else name
            )
        self.generic_visit(node)
        self.known = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.own |= {*stored(node.body)}
        for base in map(self.resolve, node.bases):
            if base and root(base) in LIBRARIES:
                inherited = {*dir(pydoc.locate(base))} - {*dir(object)}
                for name in inherited & {*stored(node.body)}:
                    self.add(f"{base}.{name}", node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            owner, name = node.args[:2]
            if isinstance(name, ast.Constant):
                self.visit_Attribute(ast.Attribute(owner, str(name.value), lineno=node.lineno))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = self.resolve(node.value)
        is_ours = owner == "flask.g" or getattr(node.value, "id", "") in ("self", "cls")
        if is_ours and isinstance(node.ctx, ast.Store):
            self.own.add(node.attr)
        if owner is None or is_ours:
            self.unknown.setdefault(node.attr, f"{self.path}:{node.lineno}")
        else:
            self.add(f"{owner}.{node.attr}", node)
        self.generic_visit(node)
