"""The walls of the house (README, "The map"): who may import whom, and what must be absent where."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("app", "devices", "scanners", "trace")

# What the web process may know of the signer: how to start it and how to ask. Never what reads a private key.
OF_THE_SIGNER = {f"trace.signer.{name}" for name in ("child", "client", "head", "sockets", "users", "wire")}

# Inside trace, each layer may import itself and the layers named (DESIGN section 3).
_BASE = {"errors", "files", "stopping", "times"}
_FACTS = {"identifiers", "epcis", "ledger", "supervision"}
MAY_IMPORT = {
    "errors": set[str](),
    "files": set[str](),
    "stopping": set[str](),
    "times": {"errors"},
    "identifiers": _BASE,
    "epcis": _BASE | {"identifiers"},
    "ledger": _BASE,
    "signer": _BASE | {"ledger"},
    "supervision": _BASE,
    "graph": _BASE | _FACTS,
    "observe": _BASE | _FACTS,
    "store": _BASE | _FACTS | {"graph"},
    "capture": _BASE | _FACTS | {"graph", "store"},
    "recall": _BASE | _FACTS | {"graph", "store"},
    "publish": _BASE | _FACTS | {"graph", "store"},
    "audit": _BASE | _FACTS | {"graph", "store"},
    "attest": _BASE | _FACTS | {"graph", "observe", "store", "capture"},
    "register": _BASE | _FACTS | {"graph", "store", "capture"},
    "work": _BASE | _FACTS | {"graph", "store", "capture"},
    "issuing": _BASE | {"identifiers"},
    "issue": _BASE | _FACTS | {"issuing", "store"},
    "monitor": _BASE | _FACTS | {"graph", "store", "publish"},
    "query": _BASE | _FACTS | {"graph", "issuing", "store", "capture", "recall", "publish"},
}
DOORS = ("capture", "recall", "publish", "audit", "attest", "register", "issue", "monitor", "query")


def modules() -> list[Path]:
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name the file that defines it"
            found.add(str(node.module))
            # `from trace import observe` names a module too.
            if node.module in OURS:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top(module: str) -> str:
    return module.split(".")[0]


def test_arrows_between_packages_go_down() -> None:
    broken = []
    for path in modules():
        package = path.relative_to(ROOT).parts[0]
        for module in imports(path):
            if top(module) not in OURS or top(module) == package:
                continue
            allowed = (
                (package == "app" and (top(module) == "trace" or module.startswith("scanners.camera")))
                or (package == "devices" and top(module) == "scanners")
                or (
                    package == "devices"
                    and (module == "trace" or module.split(".")[1] in MAY_IMPORT["observe"] | {"observe"})
                )
            )
            if not allowed:
                broken.append(f"{name_of(path)} imports {module}")
    assert broken == []


def test_arrows_inside_trace_go_down() -> None:
    broken = []
    for path in (ROOT / "trace").rglob("*.py"):
        parts = name_of(path).split(".")
        if len(parts) == 1:
            continue
        layer = parts[1]
        assert layer in MAY_IMPORT, f"trace/{layer} is in no layer: name it in DESIGN and here"
        for module in imports(path):
            if top(module) == "trace" and "." in module:
                other = module.split(".")[1]
                if other != layer and other not in MAY_IMPORT[layer]:
                    broken.append(f"{name_of(path)} imports {module}")
    assert broken == []


@pytest.mark.parametrize("path", [p for p in modules() if p.name == "__init__.py"], ids=name_of)
def test_init_files_say_and_do_nothing(path: Path) -> None:
    if path == ROOT / "app" / "__init__.py":
        return  # the factory, the one exception
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1, f"{path} does something"
    assert isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant), f"{path} has no docstring"


def test_only_store_and_the_doors_name_sqlalchemy() -> None:
    for path in modules():
        if not any(top(module) in ("sqlalchemy", "alembic") for module in imports(path)):
            continue
        name = name_of(path)
        allowed = (
            # Accounts and sessions are the app's own rows; it also owns the migrations of all tables.
            name.startswith(("trace.store", "app.access", "app.migrations"))
            or name in {f"trace.{door}" for door in DOORS}
            or name in ("app", "app.database")  # the composition root opens engines
        )
        assert allowed, f"{name} names SQLAlchemy"


def test_nobody_but_the_signer_reads_its_keys() -> None:
    """The walls above by reach: what the server imports from the signer imports none of these either."""
    private = {f"trace.signer.{name}" for name in ("key_files", "server", "rules", "signed_head", "__main__")}
    for module in OF_THE_SIGNER:
        path = ROOT / f"{module.replace('.', '/')}.py"
        reached = {each for each in imports(path) if each.startswith("trace.signer")}
        assert reached <= OF_THE_SIGNER - private, name_of(path)
    for path in modules():
        if not name_of(path).startswith("trace.signer"):
            used = {each for each in imports(path) if each.startswith("trace.signer")}
            assert used <= OF_THE_SIGNER, name_of(path)


def test_views_call_doors_and_no_rows() -> None:
    for path in (ROOT / "app").rglob("*views.py"):
        below = [module for module in imports(path) if module.startswith(("trace.store", "trace.graph"))]
        assert below == [], f"{name_of(path)} reaches past the doors: {below}"


def test_clock_is_asked_in_times_alone() -> None:
    for path in modules():
        if name_of(path) == "trace.times":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
                holder = node.value
                holder_name = holder.id if isinstance(holder, ast.Name) else getattr(holder, "attr", "")
                assert holder_name not in ("datetime", "date"), (
                    f"{name_of(path)}:{node.lineno} asks the machine for the time"
                )


def test_trace_is_ours_and_not_the_standard_librarys() -> None:
    import trace

    assert trace.__file__ is not None
    assert Path(trace.__file__).resolve() == ROOT / "trace" / "__init__.py"


def test_console_tools_find_our_trace_too(tmp_path: Path) -> None:
    """The .pth file of the launcher puts the checkout first, whatever the folder a tool is started in."""
    if not list(Path(sys.prefix).rglob("000_checkout.pth")):
        pytest.skip("this interpreter was not made by ./suyuan")
    code = "import trace; assert hasattr(trace, '__path__'), trace.__file__"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_edge_runs_where_flask_and_sqlalchemy_are_absent() -> None:
    blocker = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('flask', 'sqlalchemy', 'alembic', 'app', 'granian', 'werkzeug', 'jinja2'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import importlib, pkgutil, devices\n"
        "for found in pkgutil.walk_packages(devices.__path__, 'devices.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "import runpy; sys.argv = ['devices', '--help']\n"
        "runpy.run_module('devices', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", blocker], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "station" in done.stdout


def test_no_colour_literal_outside_tokens() -> None:
    for sheet in sorted((ROOT / "app" / "static").glob("*.css")):
        if sheet.name == "tokens.css":
            continue
        found = re.findall(r"#[0-9a-fA-F]{3,8}\b(?!\s*\{)|rgba?\(", sheet.read_text(encoding="utf-8"))
        assert found == [], f"{sheet.name}: {found}"


def test_the_project_is_never_pip_installed() -> None:
    assert "project" not in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert not (ROOT / "setup.py").exists()
