"""What servers and clients share, whatever the transport.

status.py   one table of codes: gRPC, HTTP, Go Micro
"""
