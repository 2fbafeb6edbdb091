"""Counts the branches of our own code that the tests take: `pytest -p tests.branches`.

Slipcover puts probes into this repository's modules as they are imported, and into nothing else:
to trace every line that Python runs, as coverage.py must before Python 3.14, makes Keras a third
slower. Only the tests' own processes are looked at, not those that they start.
"""

import json

import pytest
import slipcover

SCRIPTS = ("imdb_wiki_predict.py", "imdb_wiki_preparation.py")
KINDS = ("branches", "lines")

_probes = slipcover.Slipcover(branch=True, source=["imdb_wiki"])  # what nobody imports counts, too
_found = []  # by process
slipcover.ImportManager(_probes, slipcover.FileMatcher(["imdb_wiki", *SCRIPTS])).__enter__()


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["branches"] = json.dumps(_probes.get_coverage())
    elif not session.config.getoption("numprocesses", None):
        _found.append(_probes.get_coverage())


def pytest_testnodedown(node):
    """A process of pytest-xdist has ended; one that was killed has nothing to say."""
    if "branches" in getattr(node, "workeroutput", {}):
        _found.append(json.loads(node.workeroutput["branches"]))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    if _found:
        first, *others = _found
        for other in others:
            slipcover.merge_coverage(first, other)
        terminalreporter.write_line(
            "covered: " + ", ".join(_said(first["summary"], kind) for kind in KINDS)
        )


def _said(summary: dict, kind: str) -> str:
    hit = summary[f"covered_{kind}"]
    total = hit + summary[f"missing_{kind}"]
    return f"{hit / total:.1%} of {total:,} {kind}"
