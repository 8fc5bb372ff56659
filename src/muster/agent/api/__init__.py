"""Consul's HTTP API (https://developer.hashicorp.com/consul/api-docs), one file a family of URLs.

app.py            a request in, an answer out, waiting and limits between: at once, promised, or as an ASGI application
routing.py        which handler a path and method mean, and Go's redirects
request.py        a request as handlers see it
answer.py         an answer as handlers give it
body.py           JSON bodies as Go decodes them
writing.py        an answer as it goes out
kept.py           replies that hold until something changes
promise.py        the answer to a query that has to wait, promised to its connection
reading.py        what the reading endpoints share: consistency, waiting, headers, encoded answers kept
registration.py   a registration from a request, checked
agent.py, services.py, checks.py, maintenance.py, catalog.py, registering.py, nodes.py, connect.py, health.py, kv.py,
sessions.py, transactions.py, events.py, operator.py, access.py, agent_health.py, machine.py, status.py   the handlers

A handler is a synchronous function of (state, request); it returns an Answer, or a Query that the application waits
on, or raises Refused.
"""
