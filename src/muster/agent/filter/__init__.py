"""Consul's filter language: https://developer.hashicorp.com/consul/api-docs/features/filtering. Pure.

peg.py         parsing expressions that remember the furthest failure
grammar.py     the language
expression.py  what a text means, as data
schema.py      what can be selected in the answers of each endpoint, and by which operators
matching.py    an expression checked against a schema, compiled to a function

Parsing libraries (lark, parsimonious, Arpeggio) read such a language well, but people search the web for Consul's error
texts, and those are what one kind of parser says: which literals and character classes, in byte order, it had tried at
the furthest place it came to. None of the libraries keeps that, and a hundred lines do.
"""

from __future__ import annotations

from muster.agent.filter.expression import BadFilter
from muster.agent.filter.matching import Matches, compile_filter

__all__ = ["BadFilter", "Matches", "compile_filter"]
