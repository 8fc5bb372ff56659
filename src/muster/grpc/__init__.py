"""gRPC: servers, clients, and what is asked of a server. The only folder that knows grpc's types.

Serving:
    server.py               GRPCServer: bound, guarded, with health and reflection
    offered.py              handlers, collected from generated `add_X_to_server` functions
    guard.py                around every handler: errors stay inside, no more calls than wanted
    slots.py                how many calls are under way, and may be
    plain_context.py        the context of handlers that are not async
    interceptors.py         the author's, kept off health checks
    credentials.py          a server's certificate
    health.py               the standard health service
    reflection_server.py    server reflection
    listening.py            whether an address can be listened at, and why not
"""
