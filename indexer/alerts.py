"""What somebody must look after: the list of alerts, and which of them an overview raises. Pure; slack.py tells them.

monitoring/alerts.yml has the same list for Prometheus: a test holds both together, condition by condition and word by word. What is read
by people is in Brazilian Portuguese; each alert has its section in docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from indexer.overview import Overview, Watched

# Leaflets: below it a single record would raise an alert in a small source.
FEW = 5
# Of a source's leaflets: single bad records are everyday life, one in twenty is a change in the ERP.
REJECTED_SHARE = 0.05
# Of the usual listing, in whose average the newest weighs a fifth already. A guard of its own keeps absent leaflets from being withdrawn;
# this tells of it, and of what stays below the guard.
SMALLER = 0.8
# Of the usual seconds, and from how many usual seconds on: below that the machine's mood decides how long a listing takes. A third,
# because an ERP that is upgraded may be twice as fast, and one that gives only its first pages is far below. Alone it says nothing: the
# first listing writes everything and the next ones nothing. Together with even one leaflet fewer than usual it does.
SHORTER = 1 / 3
LEAST_SECONDS = 30.0
# OpenSearch itself stops allocating shards to a node at 85 % and makes indices read-only at 95 %.
DISK = 0.85
# OpenSearch refuses requests (429) from 95 % of its heap on.
HEAP = 0.9
# How long a reindex that was not promoted is news.
NEWS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Alert:
    """One kind of incident. `{source}` in its texts is the source it is about; `patience` is how long it must hold before it is told."""

    name: str
    severity: Literal["critical", "warning"]
    patience: timedelta
    summary: str
    description: str
    of: Callable[[Overview], Iterable[str]]

    @property
    def runbook(self) -> str:
        """Where it says what to do, step by step."""
        return f"docs/operations.md#{self.name.lower()}"


@dataclass(frozen=True, slots=True)
class Incident:
    """An alert that an overview raises; `source` is empty where it is about the installation."""

    alert: str
    source: str = ""


def _of_each(holds: Callable[[Watched, Overview], bool]) -> Callable[[Overview], Iterable[str]]:
    """An alert about sources: the names of those for which it holds."""
    return lambda seen: [source.name for source in seen.sources if holds(source, seen)]


def _of_all(holds: Callable[[Overview], bool]) -> Callable[[Overview], Iterable[str]]:
    """An alert about the installation."""
    return lambda seen: [""] if holds(seen) else []


def _stale(source: Watched, seen: Overview) -> bool:
    return source.cursor.synced_at is not None and seen.at - source.cursor.synced_at > 2 * source.pace


def _too_many_rejected(source: Watched, _: Overview) -> bool:
    return source.rejected >= FEW and source.rejected > REJECTED_SHARE * (source.rejected + source.standing)


def _smaller(source: Watched, _: Overview) -> bool:
    listed, usual = source.cursor.listed, source.cursor.usual_listed
    return listed < SMALLER * usual and usual - listed >= FEW


def _shorter(source: Watched, _: Overview) -> bool:
    seconds, usual = source.listing_seconds, source.cursor.usual_seconds
    fewer = source.cursor.usual_listed - source.cursor.listed >= 1
    return seconds is not None and fewer and usual >= LEAST_SECONDS and seconds < SHORTER * usual


def _not_promoted(seen: Overview) -> bool:
    return seen.reindex is not None and seen.reindex.outcome in {"refused", "failed"} and seen.at - seen.reindex.at < NEWS


ALERTS = (
    Alert(
        "SourceStale",
        "critical",
        timedelta(),
        "A fonte {source} está desatualizada: nenhuma sincronização completa há mais de duas vezes o intervalo dela",
        "O que mudou no ERP depois disso não aparece no SAC. Veja o motivo com `indexer status`; teste a ligação com `indexer check`; "
        "corrigido o motivo, rode `indexer sync --source {source}`.",
        _of_each(_stale),
    ),
    Alert(
        "SourceNeverSynced",
        "critical",
        timedelta(hours=1),
        "A fonte {source} nunca foi sincronizada por completo",
        "As bulas dela faltam no SAC, todas ou em parte. Teste a ligação com `indexer check`, corrija `sources.toml` ou o acesso ao ERP e "
        "rode `indexer sync --source {source}`.",
        _of_each(lambda source, _: source.cursor.synced_at is None),
    ),
    Alert(
        "BreakerOpen",
        "warning",
        timedelta(minutes=15),
        "O ERP da fonte {source} não responde e o indexer parou de insistir",
        "O disjuntor da fonte está aberto e testa o ERP sozinho, no máximo a cada 15 minutos: quando o ERP voltar, nada precisa ser feito. "
        "Confirme com o responsável pelo ERP; `indexer check` mostra a resposta dele.",
        _of_each(lambda source, _: source.cursor.breaker != "closed"),
    ),
    Alert(
        "RejectedShare",
        "warning",
        timedelta(),
        "Mais de 5 % das bulas da fonte {source} foram rejeitadas",
        "Elas não aparecem no SAC, ou aparecem na versão anterior. Leia os motivos com `indexer rejected list`, corrija no ERP (ou em "
        "`sources.toml`) e rode `indexer rejected retry`.",
        _of_each(_too_many_rejected),
    ),
    Alert(
        "ListingSmaller",
        "warning",
        timedelta(),
        "A fonte {source} listou menos de 80 % das bulas de costume",
        "Se as bulas saíram mesmo do ERP, nada precisa ser feito. Se não, o ERP está respondendo pela metade: confira permissões e filtros "
        "do usuário dele e rode `indexer sync --full --source {source}`.",
        _of_each(_smaller),
    ),
    Alert(
        "ListingShorter",
        "warning",
        timedelta(),
        "A fonte {source} foi listada em menos de um terço do tempo de costume, e com menos bulas",
        "Pode ser um ERP que ficou mais rápido e perdeu bulas, ou um que não entrega tudo. Compare o número de bulas em "
        "`indexer status` com o do ERP; se faltar alguma, rode `indexer sync --full --source {source}`.",
        _of_each(_shorter),
    ),
    Alert(
        "WithdrawalsWithheld",
        "critical",
        timedelta(),
        "Bulas demais sumiram da fonte {source} de uma vez: nenhuma foi retirada do SAC",
        "Confirme com o responsável pelo ERP se as bulas saíram mesmo. Se não saíram, corrija o ERP: elas continuam no SAC. Se saíram, "
        "`indexer sync --source {source}` diz como confirmar a retirada.",
        _of_each(lambda source, _: source.cursor.withheld > 0),
    ),
    Alert(
        "PromotionFailed",
        "warning",
        timedelta(),
        "Uma nova geração do índice não foi promovida",
        "O SAC continua com a geração anterior, que está inteira. Rode `indexer reindex` de novo: ele diz o que difere e não troca nada "
        "enquanto houver diferença.",
        _of_all(_not_promoted),
    ),
    Alert(
        "DiskNearlyFull",
        "critical",
        timedelta(),
        "O disco do OpenSearch passou de 85 %",
        "A partir de 95 % ele recusa gravações e o SAC para de ser atualizado. Libere espaço (snapshots antigos, registros) ou aumente o "
        "disco; `GET /_cat/allocation?v` mostra qual nó.",
        _of_all(lambda seen: seen.disk is not None and seen.disk > DISK),
    ),
    Alert(
        "HeapNearlyFull",
        "warning",
        timedelta(minutes=10),
        "A memória do OpenSearch está acima de 90 % há 10 minutos",
        "A partir de 95 % ele recusa pedidos e o SAC fica lento ou fora do ar. Aumente o heap (`OPENSEARCH_JAVA_OPTS`, `--heap` no nó "
        "embutido) e reinicie o nó.",
        _of_all(lambda seen: seen.heap is not None and seen.heap > HEAP),
    ),
)

# Told where there is no overview, and so of none.
OPENSEARCH_AWAY = Alert(
    "OpenSearchAway",
    "critical",
    timedelta(minutes=2),
    "O OpenSearch não responde",
    "O SAC não encontra bulas e nada é sincronizado; o que falta será buscado quando ele voltar. Veja se o processo está no ar, o disco e "
    "o registro dele, e reinicie; `indexer check` confirma.",
    lambda _: (),
)

BY_NAME = {alert.name: alert for alert in (*ALERTS, OPENSEARCH_AWAY)}


def incidents(seen: Overview) -> tuple[Incident, ...]:
    """What an overview raises, however long it has been so."""
    return tuple(Incident(alert.name, source) for alert in ALERTS for source in alert.of(seen))
