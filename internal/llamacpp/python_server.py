"""Runs llama-cpp-python's server until its standard input is closed, and prints its URL when it is
ready. The one argument is an object in JSON, with the fields of Options in server.go."""
import json
import os
import socket
import sys
import threading

import uvicorn
from llama_cpp.server.app import create_app
from llama_cpp.server.settings import ModelSettings, ServerSettings

o = json.loads(sys.argv[1])
if o["Slots"] != 1:
    sys.exit("llama-cpp-python answers one request at a time")
app = create_app(
    server_settings=ServerSettings(api_key=o["Key"] or None),
    model_settings=[
        ModelSettings(
            model=o["Model"],
            model_alias=o["Alias"] or None,
            n_ctx=o["Context"],
            n_threads=o["Threads"],
            n_threads_batch=o["Threads"],
            type_k=0,  # float32
            type_v=0,
            flash_attn=False,
            logits_all=True,  # else it refuses log-probabilities
            verbose=False,
        )
    ],
)
listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
server.run(sockets=[listener])
