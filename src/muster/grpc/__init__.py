"""gRPC: servers, clients, and what is asked of a server. The only folder that knows grpc's types.

Serving:
    server.py               GRPCServer: bound, guarded, with health and reflection
    offered.py              handlers, collected from generated `add_X_to_server` functions
    typed.py                handlers of a class, with JSON in place of protobuf
    guard.py                around every handler: errors stay inside, no more calls than wanted
    slots.py                how many calls are under way, and may be
    plain_context.py        the context of handlers that are not async
    interceptors.py         the author's, kept off health checks
    credentials.py          a server's certificate
    health.py               the standard health service
    reflection_server.py    server reflection
    listening.py            whether an address can be listened at, and why not

Calling:
    transport.py            GrpcTransport: the channels of one client; Dialing: how connections are made
    channel.py              Channel: what generated stubs take, a name instead of an address
    method.py               what the calls of one method have in common
    kinds.py, call.py       the call objects that grpc.aio promises
    hedged.py               a call that is sent a second time when its answer is late
    attempting.py           the attempts of one call, one after the other
    ending.py, pushback.py  how an attempt ended, and what the server says of another
    provisional.py          keeping a stream from the status that grpc.aio makes up
    typed_client.py         calls of a class's operations
    requests.py             the requests of a stream, kept while they may have to be sent again
    connection.py           keeping a connection to an instance, and replacing it when it is old
    life.py                 one connection, from dialing to its loss, and the proof who answers
    link.py                 a channel to one instance, and how many are using it
    sync/                   the same for threads

Calling by name: calls.py, alike.py, and what a method takes: offer.py, reflect.py, schema.py, schemas.py, mismatch.py,
wellknown.py
"""
