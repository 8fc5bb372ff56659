"""gRPC for threads: a channel by name that ordinary sync stubs take.

channel.py     Channel: a grpc.Channel, and the methods that a stub calls
work.py        a call as the caller has asked for it
direct.py      calls that are made in the calling thread, as long as one attempt is enough
waiting.py     the same, with as many attempts as it takes
running.py     calls that gRPC's threads work on
hedged.py      calls that are sent a second time when their answer is late
threaded.py    what both are: how a thread waits for what `grpc.attempting` decides
handles.py     what a caller holds of a running call: a future, a stream
attempts.py    one attempt on a sync channel, in the shape of a grpc.aio call
requests.py    the requests of a streaming call, kept while it may have to be sent again
failure.py     how a call has ended where no call of gRPC tells it
bridge.py      a sync channel in the shape of a grpc.aio channel
bridged.py     and its calls
dialing.py     making channels to instances
fork.py        what gRPC needs to live through a fork

Choosing, retrying and connecting are those of the async client: `grpc.attempting` decides what happens after each
attempt, `grpc.connection` keeps the connections and proves who answers. Here is how an attempt is made in a thread.
grpc.aio itself is not used: a process that has used it cannot fork (`fork`).
"""
