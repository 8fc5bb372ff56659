"""Celery tasks that call the greeter service.

PYTHONPATH=../greeter celery --app tasks worker --concurrency 4 --max-tasks-per-child 100
PYTHONPATH=../greeter python -c 'from tasks import greet; print(greet.delay("world").get(timeout=10))'

The greeter of ../greeter has to run, and an agent: `muster agent`. CELERY_BROKER_URL and CELERY_RESULT_BACKEND say
where tasks and results go.
"""

from __future__ import annotations

import os

import grpc
from celery import Celery
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

import muster

# Opened once, in the parent. Each child that Celery forks begins anew with its first call, also when children are
# replaced after so many tasks.
client = muster.sync.Client(idempotent={"/greeter.Say/*"}).open()
say = SayStub(client.channel("greeter"))

app = Celery("tasks", broker=os.environ.get("CELERY_BROKER_URL"), backend=os.environ.get("CELERY_RESULT_BACKEND"))


@app.task(autoretry_for=(grpc.RpcError,), retry_backoff=True, max_retries=3)
def greet(name: str) -> dict[str, object]:
    reply = say.Hello(HelloRequest(name=name))
    return {"message": reply.message, "served_by": reply.served_by, "worker": os.getpid()}
