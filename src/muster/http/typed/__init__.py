"""Handlers of a class, served and called by HTTP/1.1 with JSON.

server.py   HTTPServer: bound, served and stopped as one run of a service wants it
app.py      the ASGI application: paths, limits, deadlines, callers that go away
request.py  what a request's head says, and its body within limits
problem.py  errors as RFC 9457 has them, both ways
events.py   streams of replies: server-sent events, as bytes; event_stream.py writes them as an answer
lines.py    streams of requests: one JSON value a line
leaving.py  cancels what is done for a client that goes away
health.py   who answers here, and whether it is ready
client.py   calls of a class's operations
"""
