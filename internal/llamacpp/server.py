"""Runs llama.cpp's server (xllamacpp) until its standard input is closed, and prints its URL when it
is ready. The one argument is an object in JSON, with the fields of Options in server.go."""
import json
import os
import sys

import xllamacpp as x

o = json.loads(sys.argv[1])
p = x.CommonParams()
p.model.path = o["Model"]
if o["Alias"]:
    p.model_alias = {o["Alias"]}
if o["Key"]:
    p.api_keys = [o["Key"]]
p.n_parallel = o["Slots"]
p.n_ctx = o["Context"] * o["Slots"]
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = o["Threads"]
p.fit_params = False
p.verbosity = 1  # errors
# The arithmetic of a float32 model in float32 throughout.
p.flash_attn_type = x.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
p.cache_type_k = p.cache_type_v = x.ggml_type.GGML_TYPE_F32
server = x.Server(p)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
