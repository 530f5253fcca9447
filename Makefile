# Everything that one does with Longtake from a checkout. `make help` lists it.

SWIFT  ?= swift
CONFIG ?= config/longtake.yaml
ARGS   ?=
PREFIX ?= /usr/local
# Of a soak, all faults together; and the seeded schedules of the simulation in it.
SECONDS   ?= 600
SCHEDULES ?= 20000
# Of `make sanitize`: which sanitizer, and how many stops under load. With `thread`, Swift 6.3 on Linux reports what is done under a `Mutex` as
# races: the standard library, which has the lock, is not instrumented.
SANITIZER ?= address
STOPS     ?= 300
# What may leak is of no interest: a process that ends frees nothing.
SANITIZE  = ASAN_OPTIONS=detect_leaks=0 LONGTAKE_STOPS=$(STOPS)
SANITIZED = --sanitize=$(SANITIZER) --scratch-path $(SCRATCH)
SCRATCH   = $(if $(filter thread,$(SANITIZER)),.build-tsan,.build-asan)

# The test of the import arrows is part of every build: a target that uses what it does not name does not build.
BUILD_FLAGS = --explicit-target-dependency-import-check error

.DEFAULT_GOAL := help
.PHONY: help run test test-clients soak sanitize sanitize-stop fuzz bench install format lint dependencies

help: ## lists these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: dependencies ## builds the daemon and serves on http://127.0.0.1:8080 (ARGS="--speed 20" is passed on)
	@$(SWIFT) build $(BUILD_FLAGS) --product longtake
	@exec .build/debug/longtake serve --config $(CONFIG) $(ARGS)

test: dependencies ## builds and runs all tests
	$(SWIFT) build $(BUILD_FLAGS) --build-tests
	$(SWIFT) test --skip-build

soak: dependencies ## injects every fault of docs/reliability.md, with fresh seeds (SECONDS=600 SCHEDULES=20000)
	$(SWIFT) build $(BUILD_FLAGS) --build-tests
	LONGTAKE_SCHEDULES=$(SCHEDULES) $(SWIFT) test --skip-build --filter SimulationTests
	LONGTAKE_SOAK_SECONDS=$$(($(SECONDS) / 22)) $(SWIFT) test --skip-build --filter FaultTests

sanitize: dependencies ## runs unit tests and stops under load with AddressSanitizer, which traps at wrong accesses (STOPS=300)
	$(SWIFT) build $(BUILD_FLAGS) $(SANITIZED) --build-tests
	$(SANITIZE) $(SWIFT) test $(SANITIZED) --skip-build --filter 'Longtake(Core|SQLite|Stream|HTTP|Engine)Tests|stoppedWhileRead'

# The short form: only the daemon is built with the sanitizer, and the tests of `make test` stop it under load.
sanitize-stop: dependencies
	$(SWIFT) build $(BUILD_FLAGS) $(SANITIZED) --product longtake
	LONGTAKE_BINARY=$(CURDIR)/$(SCRATCH)/debug/longtake $(SANITIZE) $(SWIFT) test --skip-build --filter stoppedWhileRead

fuzz: dependencies ## sends what the OpenAPI document allows, and what it does not, with schemathesis (ARGS="--seed 1")
	@if ! cmp -s Tests/Fuzz/requirements.txt .build/fuzz/requirements.txt; then \
		echo 'Fuzzing needs schemathesis: installing it from PyPI into .build/fuzz.'; \
		rm -rf .build/fuzz && python3 -m venv .build/fuzz \
			&& .build/fuzz/bin/pip install -q --disable-pip-version-check -r Tests/Fuzz/requirements.txt \
			&& cp Tests/Fuzz/requirements.txt .build/fuzz/; \
	fi
	$(SWIFT) build $(BUILD_FLAGS) --product longtake
	.build/fuzz/bin/python Tests/Fuzz/fuzz.py .build/debug/longtake $(ARGS)

test-clients: dependencies ## runs the programs of docs/clients.md, a real Chromium and a real nginx (ARGS=curl picks by name)
	@if ! cmp -s Tests/Clients/requirements.txt .build/clients/requirements.txt; then \
		echo 'The tests of clients need libraries of Python: installing them from PyPI into .build/clients.'; \
		rm -rf .build/clients && python3 -m venv .build/clients \
			&& .build/clients/bin/pip install -q --disable-pip-version-check --no-deps -r Tests/Clients/requirements.txt \
			&& cp Tests/Clients/requirements.txt .build/clients/; \
	fi
	$(SWIFT) build $(BUILD_FLAGS) --product longtake
	.build/clients/bin/python Tests/Clients/clients.py .build/debug/longtake $(ARGS)

bench: dependencies ## measures a release build on this machine (ARGS="fanout --peer nchan"; ARGS=--help lists what there is)
	$(SWIFT) build $(BUILD_FLAGS) -c release --product longtake
	$(SWIFT) build $(BUILD_FLAGS) -c release --product longtake-bench
	.build/release/longtake-bench $(ARGS)

install: dependencies ## installs a release build, its configuration and its systemd units (as root; PREFIX=/usr/local)
	$(SWIFT) build $(BUILD_FLAGS) -c release --static-swift-stdlib --product longtake
	install -D -m 755 -s .build/release/longtake $(DESTDIR)$(PREFIX)/bin/longtake
	[ -e $(DESTDIR)/etc/longtake/longtake.yaml ] || install -D -m 644 config/longtake.yaml $(DESTDIR)/etc/longtake/longtake.yaml
	[ -e $(DESTDIR)/etc/longtake/pipelines.yaml ] || install -D -m 644 config/pipelines.yaml $(DESTDIR)/etc/longtake/pipelines.yaml
	install -D -m 644 docs/operations.md $(DESTDIR)$(PREFIX)/share/doc/longtake/operations.md
	install -D -m 644 systemd/longtake.service $(DESTDIR)/etc/systemd/system/longtake.service
	install -D -m 644 systemd/longtake.socket $(DESTDIR)/etc/systemd/system/longtake.socket
	@echo 'Installed. Start it with: systemctl daemon-reload && systemctl enable --now longtake'

format: ## formats the source
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

lint: ## says what the format would change, and fails then
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests

# SQLite is the one library that comes from the system.
dependencies:
	@if [ ! -e /usr/include/sqlite3.h ]; then \
		echo 'Longtake needs the headers of SQLite: installing libsqlite3-dev with apt-get.'; \
		if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
		$$sudo apt-get update -q && $$sudo apt-get install -q -y libsqlite3-dev; \
	fi
