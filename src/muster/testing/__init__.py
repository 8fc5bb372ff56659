"""What tests of muster, and of anyone's registry backend, are made of. Imported by tests alone.

conformance.py   the rules that every registry keeps, one function a rule
servers.py       a real Consul as a child process
protos.py        gRPC servers made from the text of a .proto file
leaks.py         tasks and child processes that a test left behind
scripted.py      an HTTP server that answers by script: refusals, garbage, half an answer, nothing
"""
