# make demo   the main job, from a clean clone to predictions
# make test   everything that must hold
# make help   all targets

.DEFAULT_GOAL := help
.PHONY: help build tools demo dev test servers checks lint check-docs unit test-faults test-large bench-train bench-serve bench-capacity bench-baked bench-scale bench-catalog test-containers nats-server redis-server postgres-server python-clients images clean

CARGO ?= cargo
PYTHON ?= python3
BIN := target/release
# Most of what tests do is to wait for servers.
TESTS_AT_ONCE ?= $(shell expr 2 '*' $$(nproc 2> /dev/null || echo 1))
# Found or fetched once, then remembered by the scripts' own cache.
NATS = $(shell tests/tools/nats-server)
REDIS = $(shell tests/tools/redis-server)
CLIENTS = $(shell tests/tools/python-clients)

help: ## Shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## Builds the three programs
	$(CARGO) build --release --locked --bin enqueue --bin worker --bin gateway

tools: ## Builds them, and what tests and benchmarks run beside them
	$(CARGO) build --release --locked --bins

demo: nats-server build ## Trains 491 scopes of real flights and predicts over HTTP
	@$(PYTHON) tests/demo.py $(BIN)

dev: nats-server build ## Leaves the stack running until Ctrl-C
	@SCOPEFORGE_NATS_SERVER="$(NATS)" $(BIN)/enqueue dev

# The servers come while the first crates are compiled. Newer versions of make count cargo's jobs as well.
test: ## Formatting, lints, docs and all tests
	@$(MAKE) --no-print-directory --jobs=$(TESTS_AT_ONCE) checks servers
	@echo "all checks passed"

servers: nats-server redis-server postgres-server python-clients

checks:
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory check-docs
	@$(MAKE) --no-print-directory unit

lint: ## Formatting, and clippy with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

check-docs: ## Builds the API documentation with warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps --quiet

unit: nats-server redis-server postgres-server python-clients build ## All tests, against real servers
	SCOPEFORGE_NATS_SERVER="$(NATS)" SCOPEFORGE_REDIS_SERVER="$(REDIS)" SCOPEFORGE_PYTHON_CLIENTS="$(CLIENTS)" \
	  $(CARGO) test --release --locked --workspace -- --test-threads=$(TESTS_AT_ONCE)

test-faults: nats-server redis-server tools ## Kills, freezes and damages everything, and looks for losses (FAULTS='--only NAME --quick')
	@SCOPEFORGE_NATS_SERVER="$(NATS)" SCOPEFORGE_REDIS_SERVER="$(REDIS)" $(BIN)/faults $(FAULTS)

bench-train: nats-server redis-server tools ## Campaigns against scikit-learn, joblib, Celery, Ray and Spark (BENCH='--only ridge')
	@SCOPEFORGE_NATS_SERVER="$(NATS)" SCOPEFORGE_REDIS_SERVER="$(REDIS)" $(PYTHON) tests/bench/train.py $(BIN) $(BENCH)

bench-serve: nats-server tools ## Predictions over HTTP against bare axum, Gunicorn and FastAPI (BENCH='--only one-row')
	@SCOPEFORGE_NATS_SERVER="$(NATS)" $(PYTHON) tests/bench/serve.py $(BIN) $(BENCH)

bench-capacity: nats-server redis-server tools ## What a predictor with 100,000 fits holds, cold answers, ten million rows
	@SCOPEFORGE_NATS_SERVER="$(NATS)" SCOPEFORGE_REDIS_SERVER="$(REDIS)" $(PYTHON) tests/bench/capacity.py $(BIN)

bench-baked: nats-server build ## What a channel weighs in a file and an image, and how soon one that begins with it answers
	@SCOPEFORGE_NATS_SERVER="$(NATS)" $(PYTHON) tests/bench/baked.py $(BIN)

bench-scale: nats-server redis-server tools ## A million scopes through everything, exact to the last
	@SCOPEFORGE_NATS_SERVER="$(NATS)" SCOPEFORGE_REDIS_SERVER="$(REDIS)" $(PYTHON) tests/bench/scale.py $(BIN)

test-large: nats-server tools ## A 4 GB source, by processes of 512 MiB: planned, clustered, trained from (LARGE='--gib 1')
	@SCOPEFORGE_NATS_SERVER="$(NATS)" $(BIN)/bench-large $(LARGE)

bench-catalog: nats-server tools ## How long a reader takes to know a million fits
	@SCOPEFORGE_NATS_SERVER="$(NATS)" $(BIN)/bench-catalog

test-containers: nats-server redis-server tools ## Scales, partitions, kills and upgrades real containers (CONTAINERS='--only scale')
	@$(PYTHON) tests/containers/main.py $(BIN) $(CONTAINERS)

images: build ## Builds the container images from the programs
	docker/build

nats-server: ## Finds or fetches a nats-server
	@tests/tools/nats-server > /dev/null

redis-server: ## Finds or fetches a redis-server
	@tests/tools/redis-server > /dev/null

postgres-server: ## Finds or installs PostgreSQL's programs
	@tests/tools/postgres-server > /dev/null

python-clients: ## Makes the Python environment of the tests' HTTP clients
	@tests/tools/python-clients > /dev/null

clean: ## Removes what was built and what the stack keeps
	$(CARGO) clean
	rm -rf .scopeforge
