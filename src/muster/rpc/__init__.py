"""What servers and clients share, whatever the transport.

current.py  the call being served: its caller and its deadline
status.py   one table of codes: gRPC, HTTP, Go Micro
"""
