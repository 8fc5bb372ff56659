"""A toy database: one line in, one line out. It registers itself as `db`, with its role as a tag, as any program can.

python store.py primary        # GET key, SET key value
python store.py replica        # GET key

What real databases replicate is here a file that all of them share: STORE, or store.json.
"""

from __future__ import annotations

import json
import os
import socketserver
import sys
import urllib.request
from pathlib import Path

AGENT = os.environ.get("CONSUL_HTTP_ADDR", "127.0.0.1:8500")


class Store(socketserver.StreamRequestHandler):
    role = ""
    file = Path(os.environ.get("STORE", "store.json"))

    def handle(self) -> None:
        for line in self.rfile:
            match line.decode().split():
                case ["GET", key]:
                    answer = f"{self.values().get(key, 'nothing')}, says the {self.role}"
                case ["SET", key, value] if self.role == "primary":
                    self.file.write_text(json.dumps(self.values() | {key: value}))
                    answer = "OK"
                case _:
                    answer = f"a {self.role} cannot do that"
            self.wfile.write(f"{answer}\n".encode())

    def values(self) -> dict[str, str]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}


def register(role: str, port: int) -> None:
    check = {"TCP": f"127.0.0.1:{port}", "Interval": "1s", "Status": "passing", "DeregisterCriticalServiceAfter": "1m"}
    service = {"Name": "db", "ID": f"db-{port}", "Address": "127.0.0.1", "Port": port, "Tags": [role], "Check": check}
    url = f"http://{AGENT}/v1/agent/service/register"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(service).encode(), method="PUT")).close()


if __name__ == "__main__":
    Store.role = sys.argv[1]
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Store) as server:
        register(Store.role, server.server_address[1])
        print(f"{Store.role} at port {server.server_address[1]}", flush=True)
        server.serve_forever()
