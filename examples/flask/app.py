"""A Flask application that calls the greeter service.

PYTHONPATH=../greeter flask --app app run                          # while developing
PYTHONPATH=../greeter gunicorn --workers 4 --threads 8 app:app     # with --preload, too

The greeter of ../greeter has to run, and an agent: `muster agent`.
"""

from __future__ import annotations

import os

import grpc
from flask import Flask, jsonify
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub
from werkzeug.exceptions import ServiceUnavailable

import muster

# One client for the process. Opened before gunicorn forks, it begins anew in each worker, with its first call.
client = muster.sync.Client(idempotent={"/greeter.Say/*"}).open()
say = SayStub(client.channel("greeter"))

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name: str):
    reply = say.Hello(HelloRequest(name=name))
    return jsonify(message=reply.message, served_by=reply.served_by, worker=os.getpid())


@app.get("/greeters")
def greeters():
    return jsonify([candidate.instance.id for candidate in client.explain("greeter").candidates])


@app.errorhandler(grpc.RpcError)
def unavailable(error: grpc.RpcError):
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return ServiceUnavailable(error.details())
    raise error
