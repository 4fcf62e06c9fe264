"""Stand-ins for three ERPs over HTTP, each speaking its vendor's wire, and two that are no servers: a database and a folder of PDFs.

    matriz         TOTVS Protheus (TTALK): Basic, `page`/`pageSize`, `items`/`hasNext`; blank-padded values, cp1252 under a malformed type
    filial         SAP OData v4: OAuth2 client credentials, `value`/`@odata.nextLink`; leaflets in RTF
    distribuidora  ERPNext (Frappe): token, `limit_start`; `modified` naive in the site's time zone; plain text
    legado         a table in SQLite, read through the `sql` source
    pasta          PDFs with an index.csv, read through the `folder` source

`python -m demo.erps --home DIR` writes the last two below DIR and serves the first three until it is stopped.
"""

from __future__ import annotations

import argparse
import base64
import csv
import html
import json
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask, Response, abort, request
from fpdf import FPDF
from werkzeug.serving import make_server

from demo.catalogue import DemoLeaflet, held_by
from leaflets import Category

# A Protheus of a busy morning, an SAP far away, an ERPNext next door: seconds before each answer.
LATENCY = {"matriz": 1.0, "filial": 0.6, "distribuidora": 0.4}
PORTS = {"matriz": 18081, "filial": 18082, "distribuidora": 18083}
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
# What the stand-ins ask for and demo/run.py puts into the environment. They guard nothing.
SECRETS = {"MATRIZ_PASSWORD": "demo-matriz", "FILIAL_SECRET": "demo-filial", "DISTRIBUIDORA_TOKEN": "token demo:demo"}
_TOKEN = "demo-token"  # of a stand-in
# As ANVISA's open data write a product's category.
_OPEN_DATA = {Category.REFERENCE: "NOVO", Category.GENERIC: "GENÉRICO", Category.SIMILAR: "SIMILAR"}


def protheus(leaflets: Sequence[DemoLeaflet], latency: float) -> Flask:
    """`GET /rest/sac/v1/bulas?page=&pageSize=&changedSince=`, as a customer's TTALK service would tell its SB1 and its leaflets."""
    app = Flask("matriz")
    expected = "Basic " + base64.b64encode(f"sac:{SECRETS['MATRIZ_PASSWORD']}".encode()).decode()

    @app.get("/rest/sac/v1/bulas")
    def bulas() -> Response:
        time.sleep(latency)
        if request.headers.get("Authorization") != expected:
            return Response('{"code":"401","message":"Unauthorized","detailedMessage":""}', status=401, mimetype="application/json")
        page, size = request.args.get("page", 1, int), request.args.get("pageSize", 20, int)
        since = request.args.get("changedSince", "")
        held = [item for item in map(_protheus_item, leaflets) if str(item["S_T_A_M_P_"]) >= since]
        shown = held[(page - 1) * size : page * size]
        body = {"items": shown, "hasNext": page * size < len(held)}
        # As the documentation shows it when the conversion to UTF-8 fails: the bytes of the database under a type that is none.
        return Response(json.dumps(body, ensure_ascii=False).encode("cp1252", "xmlcharrefreplace"), content_type="charset=cp1252")

    return app


def _protheus_item(leaflet: DemoLeaflet) -> dict[str, object]:
    return {
        "code": leaflet.source_id.ljust(15),
        "description": leaflet.name.ljust(60),
        "activeIngredient": " + ".join(leaflet.active_ingredients).ljust(80),
        "manufacturer": leaflet.laboratory.ljust(40),
        "anvisaRegister": leaflet.registration,
        "barCode": leaflet.eans[0] if leaflet.eans else "",
        "leafletType": "VP" if leaflet.audience == "patient" else "VPS",
        "anvisaCategory": {Category.REFERENCE: "R", Category.GENERIC: "G", Category.SIMILAR: "S"}[leaflet.category].ljust(10),
        "anvisaActive": "S" if leaflet.active else "N",
        "leaflet": as_html(leaflet.text),
        "S_T_A_M_P_": leaflet.updated_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "deleted": " ",
    }


def sap(leaflets: Sequence[DemoLeaflet], latency: float) -> Flask:
    """`GET /odata/v4/leaflets/Leaflets?$filter=modifiedAt ge ...`, as SAP's own OData runtime pages it: the server decides how much."""
    app = Flask("filial")
    page_size = 5

    @app.post("/oauth/token")
    def token() -> Response:
        good = request.authorization and request.authorization.password == SECRETS["FILIAL_SECRET"]
        if not good and request.form.get("client_secret") != SECRETS["FILIAL_SECRET"]:
            abort(401)
        return _json({"access_token": _TOKEN, "token_type": "bearer", "expires_in": 3600})

    @app.get("/odata/v4/leaflets/Leaflets")
    def entities() -> Response:
        time.sleep(latency)
        if request.headers.get("Authorization", "").lower() != f"bearer {_TOKEN}":
            return Response('{"error":{"message":"Unauthorized","code":"401"}}', status=401, mimetype="application/json")
        since = re.search(r"ge (\S+)", request.args.get("$filter", ""))
        held = [entity for entity in map(_sap_entity, leaflets) if not since or str(entity["modifiedAt"]) >= since[1]]
        start = request.args.get("$skiptoken", 0, int)
        body: dict[str, object] = {"@odata.context": "$metadata#Leaflets", "value": held[start : start + page_size]}
        if start + page_size < len(held):
            asked = f"$filter={request.args['$filter']}&" if since else ""
            body["@odata.nextLink"] = f"Leaflets?{asked}$skiptoken={start + page_size}"
        return _json(body)

    return app


def _sap_entity(leaflet: DemoLeaflet) -> dict[str, object]:
    return {
        "ID": leaflet.source_id,
        "descr": leaflet.name,
        "substances": [{"name": name} for name in leaflet.active_ingredients],
        "manufacturer": {"name": leaflet.laboratory},
        "registration": re.sub(r"\D", "", leaflet.registration),
        "gtin": list(leaflet.eans),
        "audience": leaflet.audience.upper(),
        "regulatoryCategory": _OPEN_DATA[leaflet.category],
        "registrationStatus": "Válido" if leaflet.active else "Caduco/Cancelado",
        "leafletRtf": as_rtf(leaflet.text),
        "modifiedAt": leaflet.updated_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "isMarkedForDeletion": False,
    }


def frappe(leaflets: Sequence[DemoLeaflet], latency: float) -> Flask:
    """`GET /api/resource/Leaflet?filters=[["modified",">=",...]]&limit_start=`, as a Frappe site tells a doctype of its own."""
    app = Flask("distribuidora")

    @app.get("/api/resource/Leaflet")
    def documents() -> Response:
        time.sleep(latency)
        if request.headers.get("Authorization") != SECRETS["DISTRIBUIDORA_TOKEN"]:
            return Response('{"exc_type":"AuthenticationError"}', status=401, mimetype="application/json")
        filters = json.loads(request.args.get("filters", "[]"))
        since = filters[0][2] if filters else ""
        held = [document for document in map(_frappe_document, leaflets) if str(document["modified"]) >= since]
        start, size = request.args.get("limit_start", 0, int), request.args.get("limit_page_length", 20, int)
        return _json({"data": held[start : start + size]})

    return app


def _frappe_document(leaflet: DemoLeaflet) -> dict[str, object]:
    return {
        "name": leaflet.source_id,
        "item_name": leaflet.name,
        "substances": "; ".join(leaflet.active_ingredients),
        "manufacturer": leaflet.laboratory,
        "registro_ms": leaflet.registration,
        "barcode": leaflet.eans[0] if leaflet.eans else None,
        "publico": "Paciente" if leaflet.audience == "patient" else "Profissional",
        "categoria": _OPEN_DATA[leaflet.category].capitalize(),
        "situacao": "Ativo" if leaflet.active else "Inativo",
        "bula": leaflet.text,
        "modified": leaflet.updated_at.astimezone(SAO_PAULO).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "disabled": 0,
    }


def legacy_database(leaflets: Sequence[DemoLeaflet], file: Path) -> None:
    """A table as an old pharmacy system keeps it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE IF EXISTS BULAS")
        database.execute(
            "CREATE TABLE BULAS (CODIGO INTEGER PRIMARY KEY, PRODUTO TEXT, PRINCIPIOS TEXT, LABORATORIO TEXT, REGISTRO TEXT, EAN TEXT,"
            " PUBLICO TEXT, TEXTO TEXT, ALTERADO_EM TEXT, CATEGORIA TEXT, ATIVO INTEGER)"
        )
        database.executemany(
            "INSERT INTO BULAS VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    int(leaflet.source_id), leaflet.name, " + ".join(leaflet.active_ingredients), leaflet.laboratory, leaflet.registration,
                    leaflet.eans[0] if leaflet.eans else "", leaflet.audience, leaflet.text,
                    leaflet.updated_at.astimezone(SAO_PAULO).strftime("%Y-%m-%d %H:%M:%S"), _OPEN_DATA[leaflet.category],
                    int(leaflet.active),
                )
                for leaflet in leaflets
            ],
        )  # fmt: skip
    database.close()


def folder_of_pdfs(leaflets: Sequence[DemoLeaflet], folder: Path) -> None:
    """PDFs as a laboratory would send them, with an index.csv beside them; those that stand there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for leaflet in leaflets:
        file = folder / f"{leaflet.source_id}.pdf"
        if not file.exists():
            file.write_bytes(as_pdf(leaflet))
    columns = ["file", "name", "active_ingredients", "laboratory", "registration", "ean", "audience", "category", "active", "updated_at"]
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as index:
        writer = csv.writer(index)
        writer.writerow(columns)
        for leaflet in leaflets:
            ean = leaflet.eans[0] if leaflet.eans else ""
            row = [f"{leaflet.source_id}.pdf", leaflet.name, " + ".join(leaflet.active_ingredients), leaflet.laboratory]
            told = [leaflet.registration, ean, leaflet.audience, leaflet.category, leaflet.active, leaflet.updated_at.isoformat()]
            writer.writerow([*row, *told])


_HEADING = re.compile(r"[^a-zà-ÿ]{6,}$")


def as_html(text: str) -> str:
    """The text as an ERP's rich-text field keeps it."""
    lines = (html.escape(line) for line in text.splitlines() if line.strip())
    return "".join(f"<p><b>{line}</b></p>" if _HEADING.match(line) else f"<p>{line}</p>" for line in lines)


def as_rtf(text: str) -> str:
    """The text as a word processor saved it: cp1252 as hex, the rest by its number."""
    return r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}\f0\fs20 " + "".join(map(_rtf, text)) + "}"


def _rtf(character: str) -> str:
    if character == "\n":
        return "\\par\n"
    if character in "\\{}":
        return "\\" + character
    if ord(character) < 128:  # ASCII
        return character
    try:
        return f"\\'{character.encode('cp1252')[0]:02x}"
    except UnicodeEncodeError:
        return f"\\u{ord(character)}?"


def as_pdf(leaflet: DemoLeaflet) -> bytes:
    """The text on A4 pages, with the page numbers and the running head that real ones have."""

    class Printed(FPDF):
        def header(self) -> None:
            self.set_font("Helvetica", size=7)
            self.cell(0, 5, _printable(f"{leaflet.name} - {leaflet.laboratory}"), new_x="LMARGIN", new_y="NEXT")

        def footer(self) -> None:
            self.set_y(-12)
            self.set_font("Helvetica", size=7)
            self.cell(0, 5, f"{self.page_no()}", align="C")

    pdf = Printed(format="A4")
    pdf.core_fonts_encoding = "windows-1252"
    pdf.set_creation_date(leaflet.updated_at)
    pdf.add_page()
    for line in leaflet.text.splitlines():
        pdf.set_font("Helvetica", style="B" if _HEADING.match(line) else "", size=10)
        if line.strip():
            pdf.multi_cell(0, 5, _printable(line), align="L", new_x="LMARGIN", new_y="NEXT")
        else:
            pdf.ln(3)
    return bytes(pdf.output())


def _printable(text: str) -> str:
    """Text in what the PDF's built-in fonts can print."""
    plain = text.replace("≥", ">=").replace("≤", "<=").replace("\u2011", "-").replace("\u202f", " ")
    return plain.encode("cp1252", "replace").decode("cp1252")


def _json(body: dict[str, object]) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), mimetype="application/json")


def serve(ports: dict[str, int], latency: dict[str, float]) -> Callable[[], None]:
    """Serves the three ERPs that speak HTTP, on the loopback; gives what stops them."""
    builders = {"matriz": protheus, "filial": sap, "distribuidora": frappe}
    servers = [
        make_server("127.0.0.1", ports[name], build(held_by(name), latency[name]), threaded=True) for name, build in builders.items()
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop() -> None:
        for server in servers:
            server.shutdown()
            server.server_close()

    return stop


def furnish(home: Path) -> None:
    """Writes the database, the folder of PDFs and the sources.toml that names them below `home`."""
    legacy_database(held_by("legado"), home / "legado.sqlite")
    folder_of_pdfs(held_by("pasta"), home / "pasta")
    shutil.copyfile(Path(__file__).with_name("sources.toml"), home / "sources.toml")


def main() -> None:
    """Furnishes and serves until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="where the database and the folder of PDFs are written")
    arguments = parser.parse_args()
    furnish(arguments.home)
    serve(PORTS, LATENCY)
    print(f"{datetime.now(UTC):%H:%M:%S} stand-ins ready: " + ", ".join(f"{n} on {p}" for n, p in PORTS.items()), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
