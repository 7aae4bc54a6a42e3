"""The code uses only names of libraries that their documentation contains.

public_names.txt lists them by page. If the class of an object is not known, its attributes are
checked by their name alone, except for names that our classes or those of Python have as well.
"""

import importlib
import re
import sys
from pathlib import Path

from tests.support.library_names import LIBRARIES, Names, is_private, root
from tests.support.servers import ROOT

FILES = [
    *(ROOT / "taskapi").rglob("*.py"),
    *(ROOT / "migrations").rglob("*.py"),
    *(ROOT / name for name in ("gunicorn.conf.py", "wsgi.py")),
]
LIST = Path(__file__).with_name("public_names.txt")
DEFINITION = re.compile(r"^ +(?:async )?def (\w+)|^ +(?:self\.)?(\w+)(?:: [^=\n]+)?(?: =|$)", re.M)


def all_names():
    return [Names(path.read_text(), str(path.relative_to(ROOT))) for path in FILES]


def attributes_of_libraries():
    for library in LIBRARIES:
        for path in Path(importlib.import_module(library).__path__[0]).rglob("*.py"):
            yield from (name for names in DEFINITION.findall(path.read_text()) for name in names)


def attributes_of_python(modules):
    for module in modules:
        if root(module) in {"builtins", *sys.stdlib_module_names}:
            for value in vars(importlib.import_module(module)).values():
                yield from dir(value) if isinstance(value, type) else ()


def used(files):
    """Return the lines of dotted names, and of names of attributes of unknown objects."""
    own = {name for each in files for name in each.own}
    python = {*attributes_of_python({name for each in files for name in each.modules})}
    checked = {*attributes_of_libraries()} - python - own
    dotted = {name: line for each in files for name, line in each.library.items()}
    unknown = {name: line for each in files for name, line in each.unknown.items()}
    return dotted, {
        name: line
        for name, line in unknown.items()
        if name in checked or (is_private(name) and name not in own)
    }


def documented():
    names = set()
    for line in LIST.read_text().splitlines():
        if line.startswith("    "):
            owner, _, members = line.strip().partition(": ")
            names |= {f"{owner}.{member}" for member in members.split()}
    return names


def undocumented(files):
    dotted, attributes = used(files)
    listed = documented()
    known = {name.rpartition(".")[2] for name in listed}
    unlisted = {name: line for name, line in dotted.items() if name not in listed}
    return unlisted | {name: line for name, line in attributes.items() if name not in known}


def test_used_names_are_documented():
    assert undocumented(all_names()) == {}


def test_listed_names_are_used():
    dotted, attributes = used(all_names())
    assert {
        name
        for name in documented()
        if name not in dotted and name.rpartition(".")[2] not in attributes
    } == set()


def test_undocumented_names_are_detected():
    code = """
from flask import Flask, g
from gunicorn.util import _compat
from sqlalchemy import exc, inspection

def run(app: Flask, made):
    g.user = app.extensions, app.wsgi_secret, exc.NoSuchThing
    made.where(made._is_clean(), made.render_literal_value)
    getattr(made, "visit_cte")
"""
    assert undocumented([Names(code)]).keys() == {
        *("gunicorn.util._compat", "sqlalchemy.inspection", "flask.Flask.wsgi_secret"),
        *("sqlalchemy.exc.NoSuchThing", "render_literal_value", "_is_clean", "visit_cte"),
    }
