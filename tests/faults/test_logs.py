"""Logs: one line an event, whatever fails, and never a leaflet's text, a question or a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.test_cli import run
from tests.faults.test_sync import Erp, record
from tests.sources.standin import Reply, Request, serving

TEXT = "Frase que so existe nesta bula"
PASSWORD = "s3nh4-do-erp"
TABLE = """
[sources.{name}]
type = 'rest'
url = '{url}'
auth = {{ type = 'basic', username = 'sac', password = {{ env = 'ERP_PASSWORD' }} }}
paging = {{ by = 'page', size = 2, more = 'hasNext' }}
records = 'items'
fields = {{ id = 'code', name = 'name', laboratory = 'maker', audience = 'kind', updated_at = 'modified', text = 'text' }}
"""


def lines(written: str) -> list[dict[str, str]]:
    """Every line as the JSON object that it must be."""
    return [json.loads(line) for line in written.splitlines()]


def cut_short(_: Request) -> Reply:
    """An answer that ends in the middle of a leaflet's text."""
    return Reply(f'{{"items": [{{"code": "1", "text": "{TEXT}'.encode())


def quoting(_: Request) -> Reply:
    """A server's error page that quotes what it choked on."""
    return Reply(f"could not serialise {TEXT!r} for sac:{PASSWORD}".encode(), 400)


def misshapen(_: Request) -> Reply:
    """An answer of another shape than agreed."""
    return Reply(json.dumps({"items": {"text": TEXT}}).encode())


@pytest.mark.usefixtures("production")
def test_every_line_of_a_sync_is_json_and_tells_no_text_and_no_secret(tmp_path: Path, opensearch_url: str) -> None:
    """Over an ERP that works, one that sends what cannot be indexed, and three that fail in their answers; at the most talkative level."""
    well = Erp(record("001", more=TEXT), record("002", more=f"{TEXT} \ufffd"))
    with serving(well) as a, serving(cut_short) as b, serving(quoting) as c, serving(misshapen) as d:
        tables = [TABLE.format(name=name, url=server.url) for name, server in (("a", a), ("b", b), ("c", c), ("d", d))]
        (tmp_path / "sources.toml").write_text("".join(tables))
        environ = {"OPENSEARCH_URL": opensearch_url, "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG", "ERP_PASSWORD": PASSWORD}
        told = run(tmp_path, "sync", "--json", **environ)
    assert told.returncode == 1
    assert len(json.loads(told.stdout)["sources"]) == 4
    assert {line.get("source") for line in lines(told.stderr) if line["level"] == "warning"} == {"b", "c", "d"}
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines(told.stderr))
    for secret in (TEXT, PASSWORD):
        assert secret not in told.stderr
        assert secret not in told.stdout


def test_what_a_person_must_mend_is_json_too(tmp_path: Path) -> None:
    """Whoever collects JSON gets the reason of an exit, not a line that cannot be read."""
    (line,) = lines(run(tmp_path, "sync", LOG_FORMAT="json").stderr)
    assert (line["level"], line["event"].partition(":")[0]) == ("error", "there is no sources file at sources.toml")
    assert run(tmp_path, "sync").stderr.startswith("indexer: there is no sources file")


def test_an_opensearch_that_answers_as_none_does_is_one_line(tmp_path: Path) -> None:
    """Exit status 1 and its status, nothing of what it answered; what nobody expected at all is tested below."""
    (tmp_path / "bulas").mkdir()
    (tmp_path / "sources.toml").write_text("[sources.pasta]\ntype = 'folder'\npath = 'bulas'\n")
    with serving(quoting) as server:
        told = run(tmp_path, "sync", OPENSEARCH_URL=server.url, LOG_FORMAT="json")
    assert told.returncode == 1
    (line,) = lines(told.stderr)
    assert line["level"] == "error"
    assert line["event"].startswith("OpenSearch answered 501 (TransportError)")


SCRIPT = """
import logging, sys, threading, warnings
from opensearchpy.exceptions import RequestError
from indexer.sources.base import SourceDown
from opensearch import logs

TEXT = sys.argv[2]
logs.configure(sys.argv[1], "DEBUG")
log = logging.getLogger("a.library")

def refused():
    secret = TEXT
    raise RequestError(400, "mapper_parsing_exception", {"error": {"caused_by": {"reason": TEXT}}})

def wrapped():
    try:
        refused()
    except RequestError as error:
        raise SourceDown("matriz does not answer") from error

log.warning("in a field", extra={"error": RequestError(400, TEXT, {})})
for risky in (refused, wrapped, lambda: int(TEXT), lambda: open("/nowhere/" + TEXT)):
    try:
        risky()
    except Exception:
        log.exception("caught")
logging.getLogger("opensearch").warning(TEXT)
logging.getLogger("urllib3").debug(TEXT)
logging.getLogger("slack_sdk.webhook.client").debug(TEXT)
warnings.warn("a library's warning")
thread = threading.Thread(target=refused)
thread.start()
thread.join()
refused()
"""


def said(log_format: str) -> str:
    """What a process says in which everything goes wrong."""
    command = [sys.executable, "-c", SCRIPT, log_format, TEXT]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    return ended.stderr


def test_exceptions_of_libraries_are_told_without_their_texts() -> None:
    """opensearch-py quotes the document that was refused, Python the value that was none; our own say what to do."""
    told = lines(said("json"))
    assert [line["event"].partition(":")[0] for line in told] == [
        "in a field", "caught", "caught", "caught", "caught", "<string>", "uncaught exception", "uncaught exception",
    ]  # fmt: skip
    assert TEXT not in json.dumps(told, ensure_ascii=False)
    assert told[0]["error"] == "RequestError (status 400)"
    raised = [line["exception"].splitlines() for line in told if "exception" in line]
    assert [lines[-1] for lines in raised] == [
        "RequestError (status 400)", "RequestError (status 400)", "ValueError", "FileNotFoundError: No such file or directory",
        "RequestError (status 400)", "RequestError (status 400)",
    ]  # fmt: skip
    assert "SourceDown: matriz does not answer" in raised[1]
    assert any("in refused" in line for line in raised[0])


def test_people_at_a_console_are_told_no_more() -> None:
    """Several lines, and no text either."""
    told = said("console")
    assert TEXT not in told
    assert "SourceDown: matriz does not answer" in told
