"""How a source shows its ERP who asks: the `auth` table of sources.toml."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from indexer.sources.base import SourceChanged, SourceRefused
from indexer.sources.http import Answer, Credentials, HttpTable, Line, Question, Session, Standing
from indexer.sources.tables import Secret, Table, WebAddress


class NoAuth(Table):
    """The ERP asks for nothing."""

    type: Literal["none"] = Field(default="none", examples=['"none"'])
    """Nothing is sent."""

    def credentials(self, table: HttpTable) -> Credentials:
        """What the ERP is shown."""
        del table
        return Standing()


class Basic(Table):
    """A user name and a password with every request."""

    type: Literal["basic"] = Field(examples=['"basic"'])
    """HTTP Basic."""

    username: str = Field(examples=['"sac"'])
    """The user's name."""

    password: Secret = Field(examples=['{ env = "ERP_PASSWORD" }'])
    """The user's password."""

    def credentials(self, table: HttpTable) -> Credentials:
        """What the ERP is shown."""
        del table
        return Standing({"Authorization": basic(self.username, self.password.get_secret_value())})


class Bearer(Table):
    """A token that does not change."""

    type: Literal["bearer"] = Field(examples=['"bearer"'])
    """`Authorization: Bearer` and the token."""

    token: Secret = Field(examples=['{ env = "ERP_TOKEN" }'])
    """The token."""

    def credentials(self, table: HttpTable) -> Credentials:
        """What the ERP is shown."""
        del table
        return Standing({"Authorization": f"Bearer {self.token.get_secret_value()}"})


class Header(Table):
    """A key in a header of the ERP's own."""

    type: Literal["header"] = Field(examples=['"header"'])
    """The key goes in the header `name`."""

    name: str = Field(examples=['"X-Api-Key"'], pattern=r"^[A-Za-z0-9-]+$")
    """The header's name."""

    value: Secret = Field(examples=['{ env = "ERP_KEY" }'])
    """The key."""

    def credentials(self, table: HttpTable) -> Credentials:
        """What the ERP is shown."""
        del table
        return Standing({self.name: self.value.get_secret_value()})


class ClientCredentials(Table):
    """OAuth 2 client credentials: a token is fetched, kept, and fetched anew when the ERP turns it down."""

    type: Literal["oauth2_client_credentials"] = Field(examples=['"oauth2_client_credentials"'])
    """RFC 6749, section 4.4."""

    token_url: WebAddress = Field(examples=['"https://login.erp.example/oauth/token"'])
    """Where tokens are had; it may be another host than `url`, and only the client's id and secret go there."""

    client_id: str = Field(examples=['"sac"'])
    """The client's id."""

    client_secret: Secret = Field(examples=['{ env = "ERP_CLIENT_SECRET" }'])
    """The client's secret."""

    scope: str | None = Field(default=None, examples=['"leaflets.read"'])
    """The scope to ask for, if any."""

    sent_in: Literal["header", "body"] = Field(default="header", examples=['"header"'])
    """Where the token server wants the client's id and secret: HTTP Basic, or the form."""

    def credentials(self, table: HttpTable) -> Credentials:
        """What the ERP is shown."""
        return Session(_Tokens(self, table).headers)


Auth = Annotated[NoAuth | Basic | Bearer | Header | ClientCredentials, Field(discriminator="type")]


class _Tokens:
    """Where one client's tokens are had."""

    def __init__(self, client: ClientCredentials, table: HttpTable) -> None:
        self._client = client
        secret = client.client_secret.get_secret_value()
        # RFC 6749, section 2.3.1: both are form-encoded before they are put together.
        shown = {"Authorization": basic(quote(client.client_id, safe=""), quote(secret, safe=""))} if client.sent_in == "header" else {}
        self._line = Line(table.model_copy(update={"url": client.token_url, "headers": {}}), Standing(shown))

    def headers(self) -> Mapping[str, str]:
        """The headers of a new token."""
        return {"Authorization": f"Bearer {self._fetched()}"}

    def _fetched(self) -> str:
        form = {"grant_type": "client_credentials"}
        if self._client.scope:
            form["scope"] = self._client.scope
        if self._client.sent_in == "body":
            form |= {"client_id": self._client.client_id, "client_secret": self._client.client_secret.get_secret_value()}
        try:
            told = self._line.ask(Question(self._client.token_url, method="POST", form=form), Answer.json)
        except SourceRefused as error:
            msg = f"no token: {error}; check `client_id`, `client_secret` and `sent_in`"
            raise SourceRefused(msg) from None
        return access_token(told, self._client.token_url)


def access_token(told: object, url: str) -> str:
    """The token in what a token server at this address answered (RFC 6749, section 5.1); raises SourceChanged where there is none."""
    if not isinstance(told, dict) or not isinstance(told.get("access_token"), str):
        msg = f"{url} answered without an access_token"
        raise SourceChanged(msg)
    return str(told["access_token"])


def basic(username: str, password: str) -> str:
    """The value of an HTTP Basic Authorization header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
