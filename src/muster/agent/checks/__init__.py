"""How the agent finds out the health of what is registered with it.

definition.py   what was asked for, in seconds and words: CheckDefinition
state.py        pure: what results, silence and time do to a check
running.py      RunningChecks: a timer for each TTL check, a task for each that looks at something
alias.py        checks that are what other checks are

One look at a target, definition in, Result out; the module has the name of the kind:

http.py         over request.py (what is sent), exchange.py (one request and its answer), redirect.py, url.py
tcp.py, grpc.py, h2ping.py, script.py
target.py       `host:port`, and failures to reach it in Go's words; tls.py the same for handshakes
"""
