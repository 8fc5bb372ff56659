"""The tasks of examples/celery, with a folder for a broker: `celery_tasks.py worker ...`, `celery_tasks.py ask N`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tasks import app, greet

QUEUE = Path(os.environ["QUEUE"])
FOLDERS = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.broker_transport_options = {key: str(QUEUE / folder) for key, folder in FOLDERS.items()}
app.conf.broker_connection_retry_on_startup = True

if __name__ == "__main__":
    for folder in set(FOLDERS.values()):
        (QUEUE / folder).mkdir(exist_ok=True)
    if sys.argv[1] == "ask":
        asked = [greet.delay(str(number)) for number in range(int(sys.argv[2]))]
        print(json.dumps([result.get(timeout=40) for result in asked]))
    else:
        app.start(sys.argv[1:])
