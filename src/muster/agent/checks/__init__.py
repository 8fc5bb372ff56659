"""How the agent finds out the health of what is registered with it.

definition.py     what was asked for, in seconds and words: CheckDefinition
state.py          pure: what results, silence and time do to a check
running.py        RunningChecks: a timer for each TTL check, a task for each of the others
http.py, tcp.py, grpc.py   one look at a target: definition in, Result out
"""
