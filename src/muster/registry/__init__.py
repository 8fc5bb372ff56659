"""Where instances are registered and found: two small protocols, and who implements them.

protocol.py    Registrar (register, deregister, beat) and Discovery (watch one name, watch the names)
url.py         open_registry: from a URL or the environment to a backend, which is imported then
memory.py      memory://NAME, shared by name within the process
static.py      static://?greeter=127.0.0.1:9000, a fixed list
resolved.py    the addresses of a host name
consul/        consul://HOST:8500
"""
