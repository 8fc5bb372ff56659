"""What servers and clients share, whatever the transport.

contract.py     what a class offers: its methods as operations, with their types
codec.py        JSON in and out, by type
answering.py    from the bytes of a request to those of a reply, for one method of a handler
description.py  the operations as JSON Schema, and where to ask for it
current.py      the call being served: its caller, what came with it, its deadline
identity.py     how an instance that is reached by HTTP proves who it is
status.py       one table of codes: gRPC, HTTP, Go Micro
"""
