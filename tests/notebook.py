"""Runs a cell as a notebook does: a kernel is started, and a websocket brings the code to it and what it prints back.

    PYTHON tests/notebook.py FOLDER URL CODE

FOLDER is where JupyterLab's packages are, `websocket` among them; URL is what `segmake jupyter` says.
"""

from __future__ import annotations

import json
import sys
import uuid
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen


def run_cell(url: str, code: str) -> str:
    """Return what a cell prints."""
    import websocket

    parts = urlsplit(url)
    (token,) = parse_qs(parts.query)["token"]
    asked = Request(f"http://{parts.netloc}/api/kernels?token={token}", data=b"{}", method="POST")
    kernel = json.load(urlopen(asked, timeout=60))["id"]
    place = f"ws://{parts.netloc}/api/kernels/{kernel}/channels?token={token}"
    channels = websocket.create_connection(place, timeout=120)
    number = uuid.uuid4().hex
    header = {"msg_id": number, "msg_type": "execute_request", "version": "5.3"}
    header |= {"session": uuid.uuid4().hex, "username": "", "date": ""}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell"}
    channels.send(json.dumps({**message, "content": content}))
    printed = []
    while True:
        heard = json.loads(channels.recv())
        if heard["parent_header"].get("msg_id") != number:
            continue
        if heard["msg_type"] == "stream":
            printed.append(heard["content"]["text"])
        elif heard["msg_type"] == "error":
            raise RuntimeError(heard["content"]["evalue"])
        elif heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
            return "".join(printed)


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    print(run_cell(*sys.argv[2:]), end="")
