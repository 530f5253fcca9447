# All commands for a checkout of Longtake. `make help` lists them.

SWIFT  ?= swift
CONFIG ?= config/longtake.yaml
ARGS   ?=
PREFIX ?= /usr/local
# For `make soak`: the duration of all faults together, and the number of seeded schedules of the simulation.
SECONDS   ?= 600
SCHEDULES ?= 20000
# A sanitizer for debug builds: with `address`, the process traps at each invalid memory access. With `thread`, Swift 6.3 on Linux reports
# false races for code under a `Mutex`, because the standard library, which contains the lock, is not instrumented.
SANITIZER ?=
# For `make sanitize`: the number of shutdowns under load.
STOPS     ?= 300

# With BUILT=1 nothing is built: `.ci/run` sets it after its builds. SwiftPM compiles some dependencies again whenever the product changes.
BUILT ?=
COMPILE = $(if $(BUILT),@: built,$(SWIFT) build $(BUILD_FLAGS))

# Each kind of build has its own folder.
SCRATCH = .build$(if $(SANITIZER),-$(SANITIZER))
RELEASE ?= .build
# Every build checks the imports: if a target imports a module that Package.swift does not name for it, the build fails.
BUILD_FLAGS = --explicit-target-dependency-import-check error
DEBUG   = --scratch-path $(SCRATCH) $(if $(SANITIZER),--sanitize=$(SANITIZER))
OPTIMIZED = -c release --scratch-path $(RELEASE)
# Leak detection is off, because a process that exits frees nothing.
ASAN_OPTIONS ?= detect_leaks=0
export ASAN_OPTIONS

# The tests that start no process of the daemon.
FAST = ^(Longtake(Core|API|Storage|SQLite|Engine|Stream|HTTP|Route|Simulation|Bench)Tests|StyleTests)\.

.DEFAULT_GOAL := help
.PHONY: driver smoke help run demo ffmpeg daemon build test test-fast test-clients soak mutations sanitize sanitized-tests sanitize-stop fuzz release bench install format lint dependencies

help: ## list these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: daemon ## build the daemon and serve on http://127.0.0.1:8080 (ARGS="--speed 20" adds flags)
	@exec $(SCRATCH)/debug/longtake serve --config $(CONFIG) $(ARGS)

demo: daemon ffmpeg ## make a real video with ffmpeg, and show its progress (ARGS='"a paper boat"' or ARGS="--image photo.jpg")
	@python3 docs/examples/demo.py --daemon $(SCRATCH)/debug/longtake $(ARGS)

daemon: dependencies
	$(COMPILE) $(DEBUG) --product longtake

build: dependencies ## build everything, including the tests
	$(COMPILE) $(DEBUG) --build-tests

# At most 8 tests run at once. If all started together, their daemons would wait for the disk for longer
# than a commit may take, and their clients would wait for the processor.
FEW_AT_ONCE = SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=8

# The faults come last, because they use the disk.
test: build ## build and run all tests
	$(FEW_AT_ONCE) $(SWIFT) test $(DEBUG) --skip-build --skip LongtakeFaultTests
	$(SWIFT) test $(DEBUG) --skip-build --filter LongtakeFaultTests

test-fast: build ## build, and run the tests that start no process of the daemon (about a minute after the build)
	$(FEW_AT_ONCE) $(SWIFT) test $(DEBUG) --skip-build --filter '$(FAST)'

# The three groups of faults run side by side. The faults of a group run one after the other, each for a thirteenth of the time.
soak: build ## inject every fault of docs/reliability.md, with new seeds (SECONDS=600 SCHEDULES=20000)
	LONGTAKE_SCHEDULES=$(SCHEDULES) $(SWIFT) test $(DEBUG) --skip-build --filter SimulationTests
	LONGTAKE_SOAK_SECONDS=$$(($(SECONDS) / 13)) $(SWIFT) test $(DEBUG) --skip-build --filter FaultTests

mutations: dependencies ## break each rule of LongtakeCore once: the simulation must find it (ARGS=head-too-far selects one)
	python3 Tests/Mutations/mutate.py --swift "$(SWIFT)" $(ARGS)

sanitize: ## run unit tests and shutdowns under load with AddressSanitizer, which traps at invalid memory accesses (STOPS=300)
	LONGTAKE_STOPS=$(STOPS) $(MAKE) sanitized-tests SANITIZER=$(or $(SANITIZER),address)

sanitized-tests: build
	$(SWIFT) test $(DEBUG) --skip-build --filter 'Longtake(Core|API|Storage|SQLite|Stream|HTTP|Engine)Tests|stoppedWhileRead'

# The short form: only the daemon is built with the sanitizer. The tests of `make build` stop it under load.
sanitize-stop: build
	$(MAKE) daemon SANITIZER=address
	LONGTAKE_BINARY=$(CURDIR)/.build-address/debug/longtake LONGTAKE_STOPS=$(STOPS) $(SWIFT) test --skip-build --filter stoppedWhileRead

fuzz: daemon ## send valid and invalid requests, generated from the OpenAPI document, with schemathesis (ARGS="--seed 1")
	@if ! cmp -s Tests/Fuzz/requirements.txt .build/fuzz/requirements.txt; then \
		echo 'Fuzzing needs schemathesis. Installing it from PyPI into .build/fuzz.'; \
		rm -rf .build/fuzz && python3 -m venv .build/fuzz \
			&& .build/fuzz/bin/pip install -q --disable-pip-version-check -r Tests/Fuzz/requirements.txt \
			&& cp Tests/Fuzz/requirements.txt .build/fuzz/; \
	fi
	.build/fuzz/bin/python Tests/Fuzz/fuzz.py $(SCRATCH)/debug/longtake $(ARGS)

test-clients: daemon ## run the programs of docs/clients.md with a real Chromium and a real nginx (ARGS=curl selects tests by name)
	@if ! cmp -s Tests/Clients/requirements.txt .build/clients/requirements.txt; then \
		echo 'The client tests need Python libraries. Installing them from PyPI into .build/clients.'; \
		rm -rf .build/clients && python3 -m venv .build/clients \
			&& .build/clients/bin/pip install -q --disable-pip-version-check --no-deps -r Tests/Clients/requirements.txt \
			&& cp Tests/Clients/requirements.txt .build/clients/; \
	fi
	.build/clients/bin/python Tests/Clients/clients.py $(SCRATCH)/debug/longtake $(ARGS)

release: dependencies ## build the daemon with optimization (RELEASE=.build names the folder)
	$(COMPILE) $(OPTIMIZED) --product longtake

driver: dependencies
	$(COMPILE) $(OPTIMIZED) --product longtake-bench

bench: release driver ## measure a release build on this machine (ARGS="fanout --peer nchan"; ARGS=--help lists the benchmarks)
	$(RELEASE)/release/longtake-bench $(ARGS)

# The load driver is a debug build here, so its numbers mean nothing. This only shows that each benchmark works.
smoke: release
	$(SCRATCH)/debug/longtake-bench smoke --longtake $(RELEASE)/release/longtake
	$(SCRATCH)/debug/longtake-bench journal --seconds 0.5 --rounds 2

install: dependencies ## install a release build, its configuration and its systemd units (as root; PREFIX=/usr/local)
	$(SWIFT) build $(BUILD_FLAGS) -c release --static-swift-stdlib --product longtake
	install -D -m 755 -s .build/release/longtake $(DESTDIR)$(PREFIX)/bin/longtake
	[ -e $(DESTDIR)/etc/longtake/longtake.yaml ] || install -D -m 644 config/longtake.yaml $(DESTDIR)/etc/longtake/longtake.yaml
	[ -e $(DESTDIR)/etc/longtake/pipelines.yaml ] || install -D -m 644 config/pipelines.yaml $(DESTDIR)/etc/longtake/pipelines.yaml
	install -D -m 644 docs/operations.md $(DESTDIR)$(PREFIX)/share/doc/longtake/operations.md
	install -D -m 644 systemd/longtake.service $(DESTDIR)/etc/systemd/system/longtake.service
	install -D -m 644 systemd/longtake.socket $(DESTDIR)/etc/systemd/system/longtake.socket
	@echo 'Installed. Start it with: systemctl daemon-reload && systemctl enable --now longtake'

format: ## format the source
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Benchmarks Tests

lint: ## list what `make format` would change, and fail if there is any, or if Tests/Mutations does not fit the sources
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Benchmarks Tests
	python3 Tests/Mutations/mutate.py --check

# SQLite is the only library that comes from the system.
dependencies:
	@if [ ! -e /usr/include/sqlite3.h ]; then \
		echo 'Longtake needs the headers of SQLite. Installing libsqlite3-dev with apt-get.'; \
		if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
		$$sudo apt-get update -q && $$sudo apt-get install -q -y libsqlite3-dev; \
	fi

# The demo pipelines run ffmpeg, which needs a font for the title card.
ffmpeg:
	@missing=''; \
	command -v ffmpeg >/dev/null || missing=ffmpeg; \
	ls /usr/share/fonts/*/*/* >/dev/null 2>&1 || missing="$$missing fonts-dejavu-core"; \
	if [ -n "$$missing" ]; then \
		echo "The demo needs ffmpeg and a font. Installing with apt-get: $$missing"; \
		if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
		$$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends $$missing; \
	fi
