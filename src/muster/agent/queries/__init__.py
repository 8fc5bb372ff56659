"""Prepared queries: questions about services that are kept, and asked by name.

rows.py       PreparedQuery: what the table holds
templates.py  queries that stand for all names that begin alike
queries.py    Queries: the table, its rules, and which query a name means
executing.py  what a query finds now
"""
