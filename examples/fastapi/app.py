"""A FastAPI application as the service `orders`.

uvicorn app:app                                                    # or granian, hypercorn
gunicorn -w 4 -k uvicorn_worker.UvicornWorker app:app              # four workers, one registration

An agent has to run: `muster agent`. Then: `muster instances orders`, `curl 127.0.0.1:8000/health`.
"""

from __future__ import annotations

from fastapi import FastAPI, HTTPException

import muster

ORDERS = {1: "tea", 2: "coffee"}

api = FastAPI(title="orders")


@api.get("/orders/{number}")
async def order(number: int) -> dict[str, str]:
    if number not in ORDERS:
        raise HTTPException(404, f"there is no order {number}")
    return {"item": ORDERS[number]}


app = muster.asgi(api, "orders", version="1.0.0")
