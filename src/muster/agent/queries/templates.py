"""Queries that stand for all names that begin alike: what is interpolated, where, and with what.

The language is the part of Consul's (HIL) that its documents describe: `${name.full}`, `${name.prefix}`,
`${name.suffix}`, `${agent.segment}`, `${match(N)}`, literals, and `$${` for `${` itself. HIL's arithmetic is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from muster.agent.filter.pattern import Pattern, compile_pattern
from muster.agent.queries.rows import NAME_PREFIX, Failover, PreparedQuery, Template, Wanted

_PART = re.compile(r'\$\$\{|\$\{(?P<inside>(?:[^{}"]|"[^"]*")*)\}|(?P<open>\$\{)')
_LITERAL = re.compile(r'"(?P<text>[^"]*)"|(?P<number>[0-9]+(?:\.[0-9]+)?)')
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_CALL = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\s*\((?P<arguments>[^()]*)\)")
_INTEGER = re.compile(r"-?[0-9]+")


class BadTemplate(Exception):
    """A template that cannot be used; the text is Consul's."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What the names in a template stand for."""

    variables: Mapping[str, str]
    groups: tuple[str, ...]

    def match(self, number: int) -> str:
        return self.groups[number] if 0 <= number < len(self.groups) else ""


def check_template(template: Template, wanted: Wanted) -> None:
    """Raises BadTemplate for a template of a query for `wanted` that could never be rendered."""
    if template.type != NAME_PREFIX:
        raise BadTemplate(f"Bad Template.Type '{template.type}'")
    _pattern(template.regexp)
    given = _given("", "", ())
    _everywhere(wanted, lambda path, text: _rendered(path, text, given))


def rendered(query: PreparedQuery, name: str) -> PreparedQuery:
    """The query that a template stands for under `name`, which begins with the template's own."""
    template = query.template
    given = _given(name, query.name, _groups(template.regexp, name))
    wanted = _everywhere(query.wanted, lambda path, text: _rendered(path, text, given))
    if template.remove_empty_tags:
        wanted = replace(wanted, tags=tuple(tag for tag in wanted.tags or () if tag))
    return replace(query, wanted=wanted)


def _given(name: str, prefix: str, groups: tuple[str, ...]) -> _Given:
    variables = {
        "name.full": name,
        "name.prefix": prefix,
        "name.suffix": name.removeprefix(prefix),
        "agent.segment": "",
    }
    return _Given(variables, groups)


def _groups(regexp: str, name: str) -> tuple[str, ...]:
    """The whole match and its groups; none without an expression, or a match."""
    found: Any = _pattern(regexp).search(name) if regexp else None
    return () if found is None else (found.group(0), *(group or "" for group in found.groups()))


@lru_cache(maxsize=256)
def _pattern(regexp: str) -> Pattern:
    try:
        return compile_pattern(regexp)
    except ValueError as error:
        raise BadTemplate(f"Bad Regexp: {error}") from None


def _everywhere(wanted: Wanted, change: Callable[[str, str], str]) -> Wanted:
    """The same with every text in which something is interpolated changed. `change` is told where it is, too."""

    def listed(path: str, texts: Iterable[str] | None) -> tuple[str, ...] | None:
        if texts is None:
            return None
        return tuple(change(f"{path}[{place}]", text) for place, text in enumerate(texts))

    def mapped(path: str, texts: Mapping[str, str] | None) -> dict[str, str] | None:
        return None if texts is None else {key: change(f"{path}[{key}]", text) for key, text in texts.items()}

    failover = wanted.failover
    return replace(
        wanted,
        service=change("Service.Service", wanted.service),
        failover=Failover(failover.nearest, listed("Service.Failover.Datacenters", failover.datacenters)),
        ignore_check_ids=listed("Service.IgnoreCheckIDs", wanted.ignore_check_ids),
        near=change("Service.Near", wanted.near),
        tags=listed("Service.Tags", wanted.tags),
        node_meta=mapped("Service.NodeMeta", wanted.node_meta),
        service_meta=mapped("Service.ServiceMeta", wanted.service_meta),
    )


def _rendered(path: str, text: str, given: _Given) -> str:
    def value(part: re.Match[str]) -> str:
        if part["open"] is not None:
            raise _bad_format(path, text)
        if part["inside"] is None:
            return "${"
        return _value(path, text, part, given)

    result = _PART.sub(value, text)
    # Consul drops a dollar sign that ends the text: its parser waits for what it might begin.
    return result[:-1] if text.endswith("$") else result


def _value(path: str, text: str, part: re.Match[str], given: _Given) -> str:
    inside = part["inside"].strip()
    literal = _LITERAL.fullmatch(inside)
    if literal is not None:
        return str(literal["text"] if literal["number"] is None else literal["number"])
    before = text[: part.start("inside")]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    where = f"Bad evaluation for '{text}' in {path}: {place}: "
    if _VARIABLE.fullmatch(inside):
        if inside not in given.variables:
            raise BadTemplate(f"{where}unknown variable accessed: {inside}")
        return given.variables[inside]
    call = _CALL.fullmatch(inside)
    if call is None:
        raise _bad_format(path, text)
    return _called(where, call, given)


def _called(where: str, call: re.Match[str], given: _Given) -> str:
    if call["name"] != "match":
        raise BadTemplate(f"{where}unknown function called: {call['name']}")
    arguments = call["arguments"].split(",") if call["arguments"].strip() else []
    if len(arguments) != 1:
        raise BadTemplate(f"{where}match: expected 1 arguments, got {len(arguments)}")
    if not _INTEGER.fullmatch(arguments[0].strip()):
        raise BadTemplate(f"{where}match: argument 1 should be a number, got {arguments[0].strip()}")
    return given.match(int(arguments[0][:12]))


def _bad_format(path: str, text: str) -> BadTemplate:
    return BadTemplate(f"Bad format '{text}' in {path}: parse error: syntax error")
