# One target for each thing a contributor does. `make help` lists them.
GO      ?= go
FUZZ    ?= 5s
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

.PHONY: help header venv build kernels kernels-test cuda cuda-test mutants gpu-check test race emulated lint fuzz fuzz-tokenizers bench peers load-test slurm-test k8s-test servers-test golden fixtures images calibrate clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## build bin/yocobench
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/yocobench ./cmd/yocobench

kernels: .venv/.made ## compile the CUDA kernels ahead of time: PTX, manifest and launch functions in kernels/cuda
	.venv/bin/python kernels/cuda/build.py

kernels-test: .venv/.made ## the CUDA kernels: in Triton's interpreter against float64, and the committed PTX against the sources
	.venv/bin/python -m unittest discover -s kernels/cuda/tests
	.venv/bin/python kernels/cuda/build.py --check

cuda: .venv/.header ## build bin/yocobench-cuda, which has the CUDA runner: no CUDA installation is needed, and the driver only to use a GPU
	tools/cuda.sh $(GO) build -tags cuda -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/yocobench-cuda ./cmd/yocobench

cuda-test: ## the CUDA runner and its kernels on a simulated GPU
	tools/cudatest.sh

mutants: ## delete each synchronising instruction of all bf16 kernels for sm_90a in turn: the simulator must find what it was for
	internal/cudasim/build.sh bin/cudasim
	YOCOBENCH_MUTANTS=all CGO_ENABLED=1 $(GO) test -count=1 -tags cuda -timeout 30m -v -run TestMutants ./internal/cudasim

gpu-check: cuda ## on a machine with a GPU: fixtures, kernels against PyTorch, measurements into docs/measurements
	tools/gpucheck.sh

header: .venv/.header ## cuda.h, for the build tag cuda: a virtual environment with one package of 3.5 MB
.venv/.header: kernels/cuda/requirements-header.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

venv: .venv/.made ## the same with Triton and ptxas, which the CUDA kernels' build and tests need
.venv/.made: kernels/cuda/requirements.txt .venv/.header
	.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test: ## all tests, every kernel tier this machine has, and the CUDA runner on a simulated GPU
	$(GO) test -timeout 60m ./...
	@if command -v python3 >/dev/null; then python3 -m unittest discover -s tools/peers; else echo 'skipped: the tests of tools/peers (no python3)'; fi
	tools/cudatest.sh

# The packages that start goroutines, and those whose models or requests run at the same time.
RACE = $$(grep -rlE '\bgo func|\.Go\(|^\s+go [a-z][A-Za-z.]*\(' --include=*.go . | grep -v testdata | xargs -n1 dirname | sort -u) ./memory ./serving ./suites
race: ## the tests of what runs concurrently, under the race detector
	GORACE=atexit_sleep_ms=0 $(GO) test -race -short -timeout 60m $(RACE)

lint: ## gofmt, vet (two platforms, and the build tag cuda) and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'hint: gofmt -w .'; exit 1; }
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	tools/cudatest.sh vet
	GOOS=windows $(GO) build ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

emulated: ## the kernel tiers that this machine may lack: NEON and AVX2 under QEMU (qemu-user), AMX simulated
	kernels/cpu/emulated.sh

fuzz: ## every fuzz target for FUZZ (default 5s)
	tools/fuzz.sh $(FUZZ)

fuzz-tokenizers: ## a gigabyte of random Unicode for the published vocabularies (half an hour)
	YOCOBENCH_TOKENIZERS=$$(tools/tokenizers.sh) YOCOBENCH_SMOLLM2=$$(tools/smollm2.sh) $(GO) test ./runners/tokenizer -run TestRandomText -v -timeout 3h -random 1000000000

bench: ## kernels compared with their limits at this machine's peaks, and with PyTorch and OpenBLAS if `make peers` installed them
	tools/peers/run.py --only kernels --peers installed --rounds 3

peers: ## the CPU runner compared with PyTorch, OpenBLAS and llama.cpp, into docs/measurements/cpu.md (installs them once)
	tools/peers/run.py --out docs/measurements

load-test: ## 256 requests in flight for two minutes at a server whose times are known: times within 1 ms, nothing grows (an idle machine, or PREFIX='chrt -f 10' as root)
	$(GO) test -c -o bin/load.test ./serving/load
	$(PREFIX) bin/load.test -test.run TestLoopback -test.v -in-flight 256 -load-time 2m -check-times

slurm-test: ## a sweep on a real Slurm cluster of one node (root; INSTALL=1 installs Debian's Slurm)
	tools/slurm/test.sh

k8s-test: ## the Kubernetes manifests, checked by the API server's own decoder and validation (compiles it once)
	tools/k8s.sh examples/k8s-sweep.yaml examples/k8s-served.yaml

servers-test: ## served models on the real servers of llama.cpp and llama-cpp-python (builds the latter once, 3 minutes); UPDATE=1 records their answers
	YOCOBENCH_NO_SKIP=1 YOCOBENCH_SMOLLM2=$$(tools/smollm2.sh) YOCOBENCH_LLAMASERVER=$$(tools/llamaserver.sh) \
	  YOCOBENCH_LLAMA_CPP_PYTHON=$$(tools/peers/llama_cpp_python.py) \
	  $(GO) test -count=1 -v -run 'TestRealServers|TestRecordedServers|Stopwatch|ByLlamaCPP' ./runners/openai ./cmd/yocobench $(if $(UPDATE),-update)

golden: ## regenerate the golden files of tests; read the diff before committing
	$(GO) test ./reports ./reports/export ./compare ./corpus ./needle ./cmd/yocobench -update

fixtures: ## regenerate testdata/golden/extra_* with the float64 reference (needs Python, numpy, safetensors)
	python3 tools/fixtures/make.py

images: build ## redraw docs/img from new runs of the shipped suites
	tools/images.sh

calibrate: ## measure how often yocobench ab is wrong on this machine (Linux; 40 minutes or more)
	$(GO) run ./tools/calibrate

clean: ## remove what was built
	rm -rf bin
