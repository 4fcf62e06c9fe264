"""Every vendor's stand-in, and Tryton itself. A new one is a line here, and the whole contract suite runs over it."""

from __future__ import annotations

from tests.sources.vendors.bling import Bling
from tests.sources.vendors.dolibarr import Dolibarr
from tests.sources.vendors.files import Folder, Sql
from tests.sources.vendors.frappe import Frappe
from tests.sources.vendors.odoo import Odoo, OdooJson2
from tests.sources.vendors.omie import Omie
from tests.sources.vendors.protheus import Protheus, ProtheusService
from tests.sources.vendors.rest import RestByCursor, RestByPage
from tests.sources.vendors.s4hana import S4hana, S4hanaV4
from tests.sources.vendors.sankhya import Sankhya, SankhyaServer
from tests.sources.vendors.sap_b1 import SapB1, SapB1V1
from tests.sources.vendors.tryton import Tryton
from tests.sources.vendors.vendor import Vendor

EVERY: tuple[type[Vendor], ...] = (
    Bling,
    Dolibarr,
    Folder,
    Frappe,
    Odoo,
    OdooJson2,
    Omie,
    Protheus,
    ProtheusService,
    RestByCursor,
    RestByPage,
    Sankhya,
    SankhyaServer,
    S4hana,
    S4hanaV4,
    SapB1,
    SapB1V1,
    Sql,
    Tryton,
)
