#!/usr/bin/env python3
"""Prints the path of a Python that has llama-cpp-python with its server, for `make servers-test`.
It is installed once into the cache folder; llama.cpp is built from the source that install.py
unpacks (three minutes on two cores)."""
import os
import pathlib
import sys

from install import LLAMA_TOP, made, run, unpack

PACKAGES = ["cmake==4.4.5", "ninja==1.13.2", "numpy", "diskcache", "jinja2", "typing-extensions", "uvicorn", "fastapi",
            "pydantic-settings", "sse-starlette", "starlette-context<0.4", "PyYAML"]


def environment(to):
    run(sys.executable, "-m", "venv", to)
    run(to / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)


def library(source, build, venv):
    """libllama, built for this CPU with the installed compiler."""
    path = dict(os.environ, PATH=f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}")  # cmake and ninja
    off = [f"-D{name}=OFF" for name in ("LLAMA_CURL", "LLAMA_OPENSSL", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_SERVER",
                                        "LLAMA_BUILD_UI", "LLAMA_USE_PREBUILT_UI")]
    run("cmake", "-S", source / "vendor" / "llama.cpp", "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
        "-DBUILD_SHARED_LIBS=ON", *off, env=path)
    run("cmake", "--build", build, "--target", "llama", env=path)
    return build / "bin"


def wrapper(to, python, source, libraries):
    to.write_text(f'#!/bin/sh\nLLAMA_CPP_LIB_PATH="{libraries}" PYTHONPATH="{source}" exec "{python}" "$@"\n')
    to.chmod(0o755)


if __name__ == "__main__":
    # A virtual environment holds its own path, so it is not made under another name.
    venv = LLAMA_TOP / "venv"
    made(venv / "complete", lambda part: (environment(venv), part.touch()))
    source = made(LLAMA_TOP / "source", lambda part: unpack(venv / "bin" / "python", part))
    build = LLAMA_TOP / "shared"
    print(made(LLAMA_TOP / "python", lambda part: wrapper(part, venv / "bin" / "python", source, library(source, build, venv))))
