# make help says what there is. Prosody's own Lua decides which library is built:
# LUA_VERSION=5.1 builds for another one, LUA_FEATURE=luajit for LuaJIT.

PREFIX := /usr/local
PYTHON := /usr/bin/python3

PROSODY := $(shell command -v prosody)
# Prosody's first line names its Lua: #!/usr/bin/env lua5.4
LUA := $(or $(if $(PROSODY),$(shell sed -n '1s,^\#! *\(/usr/bin/env \)\{0\,1\},,p' $(PROSODY))),lua5.4)
LUA_VERSION := $(or $(shell $(LUA) -e 'print((_VERSION:match("%d%.%d")))' 2>/dev/null),5.4)
ifeq ($(strip $(LUA_VERSION)),)
$(error LUA_VERSION is empty: say for instance LUA_VERSION=5.4)
endif
LUA_FEATURE := lua$(subst .,,$(LUA_VERSION))
PROSODY_SOURCE := $(or $(if $(PROSODY),$(shell sed -n "s/^CFG_SOURCEDIR='\(.*\)';$$/\1/p" $(PROSODY))),/usr/lib/prosody)

MODULES_DIR := $(PREFIX)/lib/prosody/modules
LIBRARY_DIR := $(PREFIX)/lib/lua/$(LUA_VERSION)

# TARGET=aarch64-unknown-linux-gnu builds for another machine than this one.
TARGET :=
LIBRARY := target/lua/$(if $(TARGET),$(TARGET)/)$(LUA_VERSION)/prosody_components.so
MODULES := $(wildcard lua/mod_*.lua)
RUST_SOURCES := Cargo.toml Cargo.lock $(wildcard build.rs .cargo/config.toml) lua/shared.lua lua/push.lua $(shell find src -name '*.rs' -o -name '*.json')

CARGO := cargo
OLDEST_RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
export CARGO_TARGET_DIR := $(CURDIR)/target
BUSTED = $(shell command -v busted)
# What starts a Prosody starts this one, with the library that was built.
ON_PROSODY := PROSODY='$(PROSODY)' LUA_VERSION=$(LUA_VERSION)
PREREQUISITES := PYTHON=$(PYTHON) .ci/prerequisites

# Cargo builds in parallel by itself; side by side, the steps below would only mix their output.
.NOTPARALLEL:

.PHONY: all
all: $(LIBRARY) ## Build the library for Prosody's Lua

# Rust is looked for here as well, in plain sh: make all has no other prerequisites, and bash is not everywhere.
$(LIBRARY): $(RUST_SOURCES)
	@printf '%s\n' $(OLDEST_RUST) "$$($(CARGO) --version 2>/dev/null | cut -d ' ' -f 2)" | sort -V -c 2>/dev/null \
		|| { echo 'this needs Rust $(OLDEST_RUST) or later: https://rustup.rs tells how to get it' >&2; exit 1; }
	$(CARGO) build --locked --release --lib --features $(LUA_FEATURE) $(if $(TARGET),--target $(TARGET))
	install -D -m 644 target/$(if $(TARGET),$(TARGET)/)release/libprosody_components.so $@

.PHONY: demo
demo: ## Send a message through a Prosody of its own into a web service (KEEP=1: leave it running)
	@$(PREREQUISITES) cargo cc prosody slixmpp curl
	@$(MAKE) --no-print-directory all
	@$(ON_PROSODY) $(PYTHON) examples/demo.py $(if $(KEEP),--keep)

.PHONY: demo-proxy
demo-proxy: ## Talk through a Prosody of its own to the clients of an account
	@$(PREREQUISITES) cargo cc prosody slixmpp
	@$(MAKE) --no-print-directory all
	@$(ON_PROSODY) $(PYTHON) examples/demo_proxy.py

WEB := target/web

$(WEB)/installed: examples/web/package.json
	install -D -m 644 $< $(WEB)/package.json
	npm install --silent --no-audit --no-fund --prefix $(WEB)
	touch $@

.PHONY: demo-web
demo-web: ## Show a bot in a browser, and keep pictures of it (PICTURES=docs/pictures; KEEP=1: for a browser of your own)
	@$(PREREQUISITES) cargo cc prosody slixmpp node npm chromium
	@$(MAKE) --no-print-directory all $(WEB)/installed
	@install -m 644 examples/web/show.mjs $(WEB)
	@$(ON_PROSODY) $(PYTHON) examples/demo_web.py $(WEB)/node_modules $(or $(PICTURES),$(WEB)/pictures) $(if $(KEEP),--keep)

.PHONY: test
test: ## Run all tests
	@$(PREREQUISITES) cargo cc prosody busted valgrind slixmpp pytest openssl venv curl --optional node npm php ruby nginx haproxy promtool
	@$(MAKE) --no-print-directory test-rust test-model test-lua test-memory test-integration

MODEL := --manifest-path spec/model/Cargo.toml --target-dir target/model

.PHONY: test-rust
test-rust: ## Run the tests of the Rust code that needs no Lua
	$(CARGO) test --locked

.PHONY: test-model
test-model: ## Run the model checker on the wake-ups between threads
	$(CARGO) test --locked $(MODEL)

# From Prosody 13 on its modules find each other through a loader.
RUN_BUSTED = $(LUA) $(if $(wildcard $(PROSODY_SOURCE)/loader.lua),-l loader )$(BUSTED)
IN_LUA = LUA_PATH='lua/?.lua;$(PROSODY_SOURCE)/?.lua;;' LUA_CPATH='$(dir $(LIBRARY))?.so;$(PROSODY_SOURCE)/?.so;;'

.PHONY: test-lua
test-lua: all ## Run the tests of the library inside Lua, beside Prosody's own modules
	$(IN_LUA) $(RUN_BUSTED) spec

.PHONY: test-memory
test-memory: all ## Run those of the library itself under valgrind, which sees every access to memory
	$(IN_LUA) valgrind --quiet --error-exitcode=1 $(RUN_BUSTED) spec/library_spec.lua

# Debian has none of the libraries that verify signatures.
SERVICES := target/services
SERVICES_OF_TESTS := spec/integration/services

.PHONY: services
services: $(SERVICES)/python.installed $(if $(shell command -v npm),$(SERVICES)/javascript.installed)

$(SERVICES)/python.installed: $(SERVICES_OF_TESTS)/requirements.txt
	$(PYTHON) -m venv --clear $(SERVICES)/python
	$(SERVICES)/python/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(SERVICES)/javascript.installed: $(SERVICES_OF_TESTS)/package.json
	install -D -m 644 $< $(SERVICES)/package.json
	npm install --silent --no-audit --no-fund --prefix $(SERVICES)
	touch $@

.PHONY: test-integration
test-integration: all services ## Run the tests on a real Prosody
	$(ON_PROSODY) $(PYTHON) -m pytest -ra spec/integration

.PHONY: chaos
chaos: ## Send STANZAS=200000 through a service that fails in every way and is killed all the time, and count them
	@$(PREREQUISITES) cargo cc prosody
	@$(MAKE) --no-print-directory all
	$(ON_PROSODY) PYTHONPATH=spec/integration $(PYTHON) spec/chaos/run.py $(STANZAS)

.PHONY: chaos-push
chaos-push: services ## Make PUSHES=100000 pushes, a tenth of them twice and some on connections that are cut, and count them
	@$(PREREQUISITES) cargo cc prosody slixmpp pytest venv
	@$(MAKE) --no-print-directory all
	$(ON_PROSODY) PUSHES=$(or $(PUSHES),100000) $(PYTHON) -m pytest -q spec/integration/test_push_load.py

# Debian has none; and each version finds something else.
RUFF_VERSION := 0.17.6
RUFF_ENVIRONMENT := target/ruff-$(RUFF_VERSION)
RUFF := $(RUFF_ENVIRONMENT)/bin/ruff

# Nor one that knows OpenAPI 3.1 in every release.
OPENAPI_VERSION := 0.9.0
OPENAPI_ENVIRONMENT := target/openapi-spec-validator-$(OPENAPI_VERSION)
OPENAPI := $(OPENAPI_ENVIRONMENT)/bin/openapi-spec-validator

# in-root.sh reads the scenarios, in whichever shell the root has as sh.
SCRIPTS_OF_ROOT := packaging/test/in-root.sh $(wildcard packaging/test/scenarios/*.sh)
SCRIPTS := $(filter-out $(SCRIPTS_OF_ROOT),.ci/run .ci/prerequisites \
	$(wildcard examples/*.sh packaging/*.sh packaging/*/*.sh packaging/debian/*.p*inst packaging/debian/*.p*rm))

.PHONY: lint
lint: ## Check format, lints and documentation
	@$(PREREQUISITES) cargo clippy rustfmt cc luacheck shellcheck venv
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --features $(LUA_FEATURE) -- -D warnings
	$(CARGO) fmt --check --manifest-path spec/model/Cargo.toml
	$(CARGO) clippy --locked --tests $(MODEL) -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items --features $(LUA_FEATURE)
	luacheck .
	@$(MAKE) --no-print-directory $(RUFF) $(OPENAPI)
	$(RUFF) check
	$(OPENAPI) src/push/openapi.json
	shellcheck --external-sources $(SCRIPTS)
	shellcheck --shell=sh $(SCRIPTS_OF_ROOT)

$(RUFF):
	$(PYTHON) -m venv $(RUFF_ENVIRONMENT)
	$(RUFF_ENVIRONMENT)/bin/pip install --quiet --disable-pip-version-check ruff==$(RUFF_VERSION)

$(OPENAPI):
	$(PYTHON) -m venv $(OPENAPI_ENVIRONMENT)
	$(OPENAPI_ENVIRONMENT)/bin/pip install --quiet --disable-pip-version-check openapi-spec-validator==$(OPENAPI_VERSION)

.PHONY: install
install: install-library install-modules ## Install into PREFIX (/usr/local), where Debian's Prosody looks; DESTDIR is put before it

.PHONY: install-library
install-library: INSTALLED = $(DESTDIR)$(LIBRARY_DIR)/$(notdir $(LIBRARY))
install-library: all
	install -d -m 755 '$(DESTDIR)$(LIBRARY_DIR)'
	@if [ -e '$(INSTALLED)' ] && ! cmp -s $(LIBRARY) '$(INSTALLED)'; then \
		echo 'This replaces another build of the library: restart Prosody when it is done.'; fi
	install -m 644 $(LIBRARY) '$(INSTALLED)'

.PHONY: install-modules
install-modules:
	install -d -m 755 '$(DESTDIR)$(MODULES_DIR)'
	install -m 644 $(MODULES) '$(DESTDIR)$(MODULES_DIR)'

.PHONY: uninstall
uninstall: ## Remove what install put there
	rm -f $(patsubst %,'$(DESTDIR)$(MODULES_DIR)/%',$(notdir $(MODULES)))
	rm -f '$(DESTDIR)$(LIBRARY_DIR)/$(notdir $(LIBRARY))'

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf target .pytest_cache
	find .ci examples spec -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include benches/bench.mk
-include fuzz/fuzz.mk
-include packaging/packaging.mk
