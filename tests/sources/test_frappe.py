"""What is Frappe's alone: its zone, its feed of deletions, its files, and errors that hold more than people should see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexer.sources.base import SourceDown, SourceRefused
from leaflets import Change, Unreadable, Withdrawal
from tests.sources.standin import Answer, Reply, Request, StandIn, pull, source_of, told
from tests.sources.vendors.frappe import Frappe

LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
HEAD = 'type = "frappe"\nurl = "{url}"\napi_key = "0a1b2c"\napi_secret = { env = "SECRET" }\ntimeout = 5\n'


@pytest.fixture
def erp() -> Frappe:
    """A site with four items."""
    erp = Frappe()
    for number in range(1, 5):
        erp.put(f"P{number:03}", f"vprimeira{number}x", at=LONG_AGO + timedelta(days=number))
    return erp


@pytest.fixture
def site(erp: Frappe) -> Iterator[StandIn]:
    """The site, answering."""
    with erp.running() as stand_in:
        yield stand_in


def test_a_recorded_row_becomes_a_leaflet_of_the_sites_own_time(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """The row is one of a measured Frappe 16: 13:26 in Kolkata is 07:56 in Greenwich, with its microseconds."""
    row = {"name": "MED001", "modified": "2026-11-22 13:26:18.059273", "docstatus": 0, "disabled": 0}
    row["descricao"] = "<p>BULA &ndash; a&ccedil;&atilde;o &frac12;</p>"

    def answer(request: Request) -> Reply:
        if request.path.endswith("get_time_zone"):
            return told({"message": {"time_zone": "Asia/Kolkata"}})
        return told({"data": [] if "MED001" in request.query["filters"] else [row]})

    toml = HEAD.replace("{url}", serve(answer).url) + 'fields = { name = "name", text = "descricao" }'
    change = pull(source_of(tmp_path, toml, SECRET="x")).change
    assert change.source_id == change.facts.name == "MED001"
    assert change.updated_at == datetime(2026, 11, 22, 7, 56, 18, 59273, UTC)
    assert b"BULA &ndash; a&ccedil;" in change.contents[0].body


def test_its_wire_is_as_documented(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """Its token, only the fields that the mapping reads, pages by key, and a window in the site's zone."""
    cursor = pull(erp.source(tmp_path, site)).cursor
    pull(erp.source(tmp_path, site), cursor)
    lists = [one for one in site.asked if one.path == "/api/resource/Item"]
    assert {one.headers["Authorization"] for one in lists} == {"token 0a1b2c:nothing-secret"}
    wanted = ["custom_publico", "description", "disabled", "item_name", "modified", "name"]
    assert json.loads(lists[0].query["fields"]) == wanted
    assert [json.loads(one.query["filters"]) for one in lists[:2]] == [[], [["name", ">", "P003"]]]
    assert lists[0].query["order_by"] == "name asc"
    # The newest is of 2026-01-06 03:04 UTC: 08:34 in Kolkata, less the lag of five minutes.
    ((name, operator, since),) = json.loads(lists[3].query["filters"])
    assert (name, operator, since[:13]) == ("modified", ">", "2026-01-06 08")


def test_the_zone_is_asked_for_once_and_not_at_all_where_it_is_set(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """One question a run is enough."""
    source = erp.source(tmp_path, site)
    pull(source)
    pull(source)
    assert sum(one.path.endswith("get_time_zone") for one in site.asked) == 1
    site.asked.clear()
    toml = HEAD.replace("{url}", site.url) + 'fields = { timezone = "Asia/Kolkata" }'
    assert len(pull(source_of(tmp_path, toml, **erp.secrets)).ids) == 4
    assert not any(one.path.endswith("get_time_zone") for one in site.asked)


@pytest.mark.parametrize("zone", [None, "Mars/Olympus"])
def test_a_site_that_does_not_tell_its_zone_says_how_to_mend_it(erp: Frappe, site: StandIn, tmp_path: Path, zone: str | None) -> None:
    """A guess would date edits hours wrong."""
    erp.zone = zone
    with pytest.raises(SourceRefused, match=r"timezone = \"America/Sao_Paulo\""):
        erp.source(tmp_path, site).check()


def test_a_deleted_item_is_withdrawn_by_the_feed(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """By the next pull; what was put there again since is newer than its deletion."""
    source = erp.source(tmp_path, site)
    cursor = pull(source).cursor
    erp.delete("P002")
    erp.delete("P003")
    erp.put("P003", "vvoltoux")
    changes = {type(change): change.version for change in pull(source, cursor).changes if change.source_id == "P003"}
    assert changes[Change] > changes[Withdrawal]
    assert [change for change in pull(source, cursor).changes if isinstance(change, Withdrawal) and change.source_id == "P002"]


def test_a_deletion_that_was_taken_back_withdraws_nothing(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """Frappe marks it, and makes the item anew."""
    source = erp.source(tmp_path, site)
    cursor = pull(source).cursor
    erp.delete("P002")
    erp.restored = True
    assert not [change for change in pull(source, cursor).changes if isinstance(change, Withdrawal)]


def test_an_edit_of_the_windows_first_moment_arrives(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """The window is asked for by what comes after a time."""
    erp.put("P009", "vexatax", at=datetime(2026, 2, 1, 12, 0, 0, tzinfo=UTC))
    assert pull(erp.source(tmp_path, site, 'lag = "0s"'), "2026-02-01T12:00:00Z").ids == ["P009"]


def test_who_may_not_read_deletions_has_them_by_the_whole_listing(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """The list is a System Manager's; the pull goes on without it."""
    source = erp.source(tmp_path, site)
    cursor = pull(source).cursor
    erp.forbidden = ("Deleted Document",)
    erp.delete("P002")
    assert "P002" not in pull(source, cursor).ids
    whole = pull(source, cursor, whole=True)
    assert whole.complete
    assert "P002" not in whole.ids


def test_who_may_not_read_items_is_told_so_without_a_traceback(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """Frappe's own sentence, without its markup."""
    erp.forbidden = ("Item",)
    with pytest.raises(SourceRefused, match="User sac does not have doctype access") as refused:
        erp.source(tmp_path, site).check()
    assert "role" in str(refused.value)
    assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "told_of"),
    [('fields = { text = "bula" }', "417 DataError: Field not permitted in query: bula"), ('doctype = "Itm"', "404 DoesNotExistError")],
)
def test_a_wrong_name_is_told_with_where_to_mend_it(erp: Frappe, site: StandIn, tmp_path: Path, more: str, told_of: str) -> None:
    """And is asked for once: it will not pass."""
    with pytest.raises(SourceRefused, match=told_of) as refused:
        source_of(tmp_path, HEAD.replace("{url}", site.url) + more, **erp.secrets).check()
    assert "check `doctype` and the names in `fields`" in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert len(site.asked) == 1


def test_an_unknown_column_is_permanent_whatever_its_status(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """Up to version 13 it is the database's error and a 500; other errors of that status are waited for."""
    body = {"exc_type": "OperationalError", "exc": "[\"... (1054, \\\"Unknown column 'tabItem.bula' in 'field list'\\\")\"]"}
    site = serve(lambda _: told(body, status=500))
    with pytest.raises(SourceRefused, match="Unknown column"):
        source_of(tmp_path, HEAD.replace("{url}", site.url), SECRET="x").check()
    assert len(site.asked) == 1
    down = serve(lambda _: told({"exc_type": "OperationalError", "exc": '["Lock wait timeout exceeded"]'}, status=500))
    with pytest.raises(SourceDown):
        source_of(tmp_path, HEAD.replace("{url}", down.url), SECRET="x").check()


def test_a_site_is_chosen_by_its_host(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """One server answers for several; which one is named by `headers`."""
    hosts: set[str] = set()

    def answer(request: Request) -> Reply:
        hosts.add(request.headers["Host"])
        return told({"message": {"time_zone": "UTC"}} if "method" in request.path else {"data": []})

    toml = HEAD.replace("{url}", serve(answer).url) + 'headers = { Host = "farmacia.example" }'
    pull(source_of(tmp_path, toml, SECRET="x"))
    assert hosts == {"farmacia.example"}
    nothing = serve(lambda _: Reply(b"<h1>Not Found</h1>", 404, {"Content-Type": "text/html"}))
    with pytest.raises(SourceRefused, match="Host where there are several"):
        source_of(tmp_path, HEAD.replace("{url}", nothing.url), SECRET="x").check()


def test_a_private_file_is_fetched_with_the_token_and_one_attached_twice_once(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """Names with blanks and accents too."""
    erp.hang("P002", "bula ação.pdf", b"%PDF-1.4 uma")
    erp.hang("P002", "bula ação (1).pdf", b"%PDF-1.4 uma")
    erp.hang("P002", "bula profissional.pdf", b"%PDF-1.4 outra")
    changes = [one for one in pull(erp.source(tmp_path, site, "attachments = true")).changes if one.source_id == "P002"]
    assert sorted(one.contents[0].body for one in changes if isinstance(one, Change)) == [b"%PDF-1.4 outra", b"%PDF-1.4 uma"]


def test_a_file_that_is_a_web_page_or_elsewhere_is_no_leaflet(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """A login page must not become one, and no token goes to another host; the items beside it are read."""
    row = {"modified": "2026-11-22 13:26:18.059273", "disabled": 0, "item_name": "x", "description": "Bula."}
    files = [
        {"name": "f1", "file_name": "a.pdf", "file_url": "/files/a.pdf", "attached_to_name": "A", "modified": row["modified"]},
        {
            "name": "f2",
            "file_name": "b.pdf",
            "file_url": "https://else.example/b.pdf",
            "attached_to_name": "B",
            "modified": row["modified"],
        },
    ]

    def answer(request: Request) -> Reply:
        if request.path.startswith("/files"):
            return Reply(b"<html>Login</html>", 200, {"Content-Type": "text/html"})
        if "method" in request.path:
            return told({"message": {"time_zone": "UTC"}})
        rows = files if request.path.endswith("File") else [row | {"name": name} for name in "ABC"]
        return told({"data": [] if '"name", ">"' in request.query["filters"] else rows})

    toml = HEAD.replace("{url}", serve(answer).url) + "attachments = true"
    page, elsewhere, text = pull(source_of(tmp_path, toml, SECRET="x")).changes
    assert isinstance(page, Unreadable)
    assert "web page in place of the file" in page.reason
    assert isinstance(elsewhere, Unreadable)
    assert "another host" in elsewhere.reason
    assert isinstance(text, Change)


def test_long_lists_of_names_go_in_several_addresses(erp: Frappe, site: StandIn, tmp_path: Path) -> None:
    """gunicorn refuses lines of more than 4,094 bytes."""
    source = erp.source(tmp_path, site, "attachments = true")
    cursor = pull(source).cursor
    for number in range(40):
        code = f"{number:02}" + "ã" * 60
        erp.put(code, f"vlongo{number}x", at=LONG_AGO)
        erp.hang(code, "bula.pdf", b"%PDF-1.4 " + code.encode())
    site.asked.clear()
    assert len({one for one in pull(source, cursor).ids if "ã" in one}) == 40
    assert max(len(one.query.get("filters", "").encode()) for one in site.asked) < 1600
