"""A batch as a page to look at: what came of it, and each row with person, garment and result side by side.

The page is one HTML file without scripts, and its policy lets it load nothing but images. `fitting-room batch run` saves
it with them: whatever an `<img>` shows, a result under the name of its `download`. A link to an image may end with `#`
and a mark that equal images share. Other pages have a `data-page` and no link, for only the API can make them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from fitting_room.actions.batch.report import Cause, Facts, ReportRow
from fitting_room.jobs.errors import CODES, Fault

PAGE = 200
"""Rows of a page."""
_STYLE = Path(__file__).with_suffix(".css").read_text()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_STATUSES = ("succeeded", "failed", "invalid", "cancelled", "running", "queued", "erased")
_EMPTY = {
    "succeeded": "The image has expired",
    "failed": "No result",
    "cancelled": "Cancelled",
    "running": "In work",
    "queued": "In the queue",
    "erased": "Erased",
}
_PAGE = """<!doctype html>
<html lang="en" data-pages="{pages}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src * file:; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{title}: contact sheet</title>
<style>{style}</style>
</head>
<body>
<header class="batch">
<h1>{title} <span class="status {status}">{status}</span></h1>
<p class="facts">{facts}</p>
<ul class="counts">{counts}</ul>
{bar}
{causes}
</header>
{filters}
{turning}
<main>{cards}</main>
{invalid}
{turning}
<footer class="page">Made with AI: the results are generated images. Fitting Room, {id}</footer>
</body>
</html>
"""
_CARD = """<article class="row {status}" id="row-{line}">
{pictures}<header><h2>{name}</h2><span class="status {status}">{told}</span></header>
{faults}<p class="facts">{facts}</p>
</article>
"""
_INVALID = """<section class="unread"><h2>Rows that could not be run</h2><div>{cards}</div></section>"""
_FILTERS = """<input type="radio" name="show" id="show-all" checked><label for="show-all">All rows</label>
<input type="radio" name="show" id="show-done"><label for="show-done">With a result</label>
<input type="radio" name="show" id="show-rest"><label for="show-rest">Without</label>"""


class Html(str):
    """A text that is HTML already; any other is escaped."""

    __slots__ = ()


def sheet(batch: Facts, rows: Iterable[ReportRow], page: int, pages: int) -> str:
    """Return one page of the contact sheet. Pages count from 1."""
    cards: dict[bool, list[Html]] = {True: [], False: []}
    for row in rows:
        cards[row.status == "invalid"].append(_card(row))
    shown = [status for status in _STATUSES if batch.counts.get(status)]
    return _html(
        _PAGE,
        pages=pages,
        hash=_HASH,
        style=Html(_STYLE),
        title=batch.reference or batch.id,
        status=batch.status,
        facts=_facts(
            ("Batch", batch.id),
            ("Began", _time(batch.created_at)),
            ("Ended", _time(batch.finished_at)),
            ("Spent", _cost(round(batch.spent, 2), batch.currency, batch.credits)),
            ("Set aside", f"{batch.reserved:,.2f} {batch.currency}"),
        ),
        counts=_joined(
            _html('<li class="{name}"><b>{count:,}</b> {name}</li>', name=name, count=batch.counts[name])
            for name in ("rows", *shown, *(["reused"] if batch.counts.get("reused") else []))
        ),
        bar=_bar([(status, batch.counts[status]) for status in shown]),
        causes=_causes(batch.causes),
        filters=Html(_FILTERS),
        turning=_turning(batch.id, page, pages),
        cards=_joined(cards[False]),
        invalid=_html(_INVALID, cards=_joined(cards[True])) if cards[True] else "",
        id=batch.id,
    )


def _card(row: ReportRow) -> Html:
    name = row.id or f"Row {row.line}"
    return _html(
        _CARD,
        status=row.status,
        line=row.line,
        told="reused" if row.reused_from else row.status,
        name=name,
        pictures=_pictures(row, name) if row.status != "invalid" else "",
        faults=_joined(map(_fault, row.faults)),
        facts=_facts(
            ("Row", str(row.line) if row.id else ""),
            ("Provider", row.provider),
            ("Cost", _cost(row.cost, row.currency, row.credits)),
            ("Reference", row.reference),
            ("Reused from", row.reused_from),
            ("Job", row.job_id),
        ),
    )


def _pictures(row: ReportRow, name: str) -> Html:
    file = _file_name(name)
    person = [_picture(row.person, f"Person of {name}")] if row.person else []
    garments = [_picture(link, f"Garment of {name}") for link in row.garments]
    results = [
        _html(
            '<a href="{link}" download="{file}">{picture}</a>',
            link=link,
            file=f"{file}_{n}" if n > 1 else file,
            picture=_picture(link, f"Result {n} of {name}"),
        )
        for n, link in enumerate(row.results, 1)
    ]
    figures = [
        _figure("Person", person, "Not kept"),
        _figure("Garment", garments, "Not kept"),
        _figure("Result", results, _EMPTY[row.status]),
    ]
    return _html('<div class="pictures">{figures}</div>\n', figures=_joined(figures))


def _figure(caption: str, pictures: Sequence[Html], empty: str) -> Html:
    return _html(
        '<figure class="{kind}"><div class="{several}">{shown}</div><figcaption>{caption}</figcaption></figure>',
        kind=caption.lower(),
        several="several" if len(pictures) > 1 else "one",
        shown=_joined(pictures) or _html('<span class="empty">{empty}</span>', empty=empty),
        caption=caption,
    )


def _picture(link: str, alt: str) -> Html:
    return _html('<img src="{link}" alt="{alt}" loading="lazy" decoding="async">', link=link, alt=alt)


def _fault(fault: Fault) -> Html:
    where = _html(" <code>{field}</code>", field=fault.pointer) if fault.pointer else Html()
    return _html(
        '<p class="fault"><code>{code}</code>{where} {detail} <em>{remedy}</em></p>\n',
        code=fault.code,
        where=where,
        detail=_words(fault.detail),
        remedy=_words(fault.remedy),
    )


def _words(text: str) -> Html:
    """Return a sentence of an error, with what it quotes set as code."""
    return Html(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))


def _causes(causes: Sequence[Cause]) -> Html:
    """Return why rows have no result, the commonest cause first."""
    if not causes:
        return Html()
    items = (
        _html(
            "<li><b>{rows:,}</b> <code>{code}</code>{where} {title}. {example}</li>",
            rows=cause.rows,
            code=cause.code,
            where=_where(cause),
            title=CODES[cause.code].title if cause.code in CODES else cause.code,
            example=_html(
                "<em>{detail} {remedy}</em>", detail=_words(cause.example.detail), remedy=_words(cause.example.remedy)
            )
            if cause.example
            else "",
        )
        for cause in causes
    )
    return _html(
        '<section class="causes"><h2>Why rows have no result</h2><ul>{items}</ul></section>', items=_joined(items)
    )


def _where(cause: Cause) -> Html:
    """Return the field that is wrong in invalid rows, and the first line in which it is."""
    if cause.line is None or cause.example is None:
        return Html()
    field = _html(" <code>{field}</code>", field=cause.example.pointer) if cause.example.pointer else Html()
    return _html("{field} (first in line {line})", field=field, line=cause.line)


def _bar(parts: Sequence[tuple[str, int]]) -> Html:
    """Return the shares of the statuses as one bar: an SVG, because the policy allows no style of a single element."""
    whole, left = sum(count for _, count in parts) or 1, 0.0
    pieces = []
    for status, count in parts:
        share = 100 * count / whole
        pieces.append(_html('<rect class="{s}" x="{x:.3f}" width="{w:.3f}" height="1"/>', s=status, x=left, w=share))
        left += share
    return _html(
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{pieces}</svg>',
        pieces=_joined(pieces),
    )


def _turning(batch_id: str, page: int, pages: int) -> Html:
    if pages < 2:
        return Html()
    path = f"/v1/batches/{batch_id}/report.html"
    numbers = (
        _html('<b aria-current="page">{n}</b>', n=n)
        if n == page
        else _html('<span data-page="{n}" title="GET {path}?page={n}">{n}</span>', n=n, path=path)
        for n in range(1, pages + 1)
    )
    return _html('<nav aria-label="Pages">Page {numbers}</nav>', numbers=Html(" ".join(numbers)))


def _facts(*facts: tuple[str, str | None]) -> Html:
    return _joined(
        _html("<span>{name} <b>{value}</b></span> ", name=name, value=value) for name, value in facts if value
    )


def _cost(amount: float | None, currency: str, credits: float | None) -> str:
    money = f"{amount:,.6g} {currency}" if amount is not None and (amount or not credits) else ""
    return ", ".join(filter(None, (money, f"{credits:,.6g} credits" if credits else "")))


def _time(text: str | None) -> str:
    return f"{text[:10]} {text[11:16]} UTC" if text else ""


def _file_name(name: str) -> str:
    """Return a name that every file system takes."""
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in name).strip(".")[
        :80
    ]


def _joined(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def _html(template: str, **values: object) -> Html:
    """Fill a template; whatever is no HTML or number is escaped."""
    safe = {
        name: value if isinstance(value, Html | int | float) else escape(str(value)) for name, value in values.items()
    }
    return Html(template.format_map(safe))
