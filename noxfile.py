"""The checks of this project, one session each.

``nox -l`` lists them; ``nox -db none`` runs them in the present environment instead of new ones.
"""

import nox

nox.options.sessions = ["lint", "types", "imports", "unit", "system", "plugin", "examples"]
nox.options.reuse_existing_virtualenvs = True


def prepare(session: nox.Session) -> None:
    """Install the project and its development tools, unless the session runs in the caller's environment."""
    if session.virtualenv.venv_backend != "none":
        session.install("-e", ".", *nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev"))


def python(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a module with the session's interpreter: with ``-db none`` that is the one that runs nox."""
    session.run("python", "-m", module, *arguments)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and the usual mistakes."""
    prepare(session)
    python(session, "ruff", "check", ".")
    python(session, "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types, and the completeness of what users see."""
    prepare(session)
    python(session, "pyright", "--level", "error")
    python(session, "pyright", "--ignoreexternal", "--verifytypes", "pytest_containers")


@nox.session
def imports(session: nox.Session) -> None:
    """Who may import whom."""
    prepare(session)
    session.run("lint-imports", "--no-cache")


@nox.session
def unit(session: nox.Session) -> None:
    """Tests that need neither root nor a network."""
    prepare(session)
    python(session, "pytest", "tests/unit", *session.posargs)


@nox.session
def system(session: nox.Session) -> None:
    """Tests against the real kernel, with clients and servers that nobody here wrote; they need root."""
    prepare(session)
    python(session, "pytest", "tests/system", "tests/clients", "tests/leaks", *session.posargs)


@nox.session
def plugin(session: nox.Session) -> None:
    """The plugin as pytest sees it; needs root."""
    prepare(session)
    python(session, "pytest", "tests/plugin", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """What the README shows; needs root."""
    prepare(session)
    python(session, "pytest", "examples", *session.posargs)
