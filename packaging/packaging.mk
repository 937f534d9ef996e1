# What ships the modules in other ways than make install: rocks, a Debian package, libraries
# for other Luas and machines; and what checks them.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
DIST := target/dist
SOURCE_NAME := prosody-components-$(VERSION)
SOURCE_ARCHIVE := $(DIST)/$(SOURCE_NAME).tar.gz
# The time of the last commit: two builds of one commit are the same to the byte.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.markdown)

LUA_VERSIONS := 5.1 5.2 5.3 5.4

.PHONY: all-lua
all-lua: $(LUA_VERSIONS:%=library-%) library-luajit ## Build the library for every Lua: 5.1 to 5.4 and LuaJIT

.PHONY: $(LUA_VERSIONS:%=library-%)
$(LUA_VERSIONS:%=library-%): library-%:
	$(MAKE) --no-print-directory all LUA_VERSION=$*

# The library for Lua 5.1 runs on LuaJIT as well; this one knows LuaJIT's additional types.
.PHONY: library-luajit
library-luajit:
	$(MAKE) --no-print-directory all LUA_VERSION=5.1 LUA_FEATURE=luajit \
		LIBRARY=target/lua/$(if $(TARGET),$(TARGET)/)luajit/prosody_components.so

.PHONY: matrix
matrix: ## Test on another Prosody: PROSODY=path/to/bin/prosody
	@$(MAKE) --no-print-directory all services
	$(ON_PROSODY) PYTHON=$(PYTHON) packaging/matrix.sh '$(PROSODY_SOURCE)' '$(LUA)' $(PYTEST_OPTIONS)

## Rocks

ROCKS := $(DIST)/rocks/$(LUA_VERSION)
LUAROCKS = luarocks --lua-version=$(LUA_VERSION)
NEXT_LUA = 5.$(shell expr $(LUA_VERSION:5.%=%) + 1)
MODULE_NAMES := $(patsubst lua/%.lua,%,$(MODULES))

.PHONY: rock
rock: $(SOURCE_ARCHIVE) ## Pack rocks into target/dist/rocks, which prosodyctl install takes as its --server
	@LUA_VERSION=$(LUA_VERSION) $(PREREQUISITES) cargo luarocks
	packaging/rocks/pack.sh '$(LUA_VERSION)' '$(VERSION)' '$(SOURCE_ARCHIVE)' '$(ROCKS)' $(MODULE_NAMES)

## Debian

.PHONY: deb
deb: $(SOURCE_ARCHIVE) ## Build the Debian package into target/dist
	@$(PREREQUISITES) cargo debhelper go-md2man lintian
	packaging/debian.sh '$(SOURCE_ARCHIVE)' '$(DIST)'

# What git knows of, as it is now.
.PHONY: $(SOURCE_ARCHIVE)
$(SOURCE_ARCHIVE):
	mkdir -p $(DIST)
	git ls-files -z | tar --null --files-from=- --create --transform='s,^,$(SOURCE_NAME)/,' \
		--sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
		| gzip --no-name --best >$@

## Installation tests, in a stock Debian without this repository, Rust or a compiler

STAGED := target/test/staged
RUN_SCENARIO := packaging/test/run.sh

.PHONY: test-packaging
test-packaging: test-make-install test-rock test-source-rock test-deb ## Test every way of installation on a stock Debian; needs root

.PHONY: test-make-install
test-make-install: all
	@$(PREREQUISITES) mmdebstrap
	rm -rf $(STAGED)/usr-local $(STAGED)/usr
	$(MAKE) --no-print-directory install DESTDIR=$(CURDIR)/$(STAGED)/usr-local
	$(MAKE) --no-print-directory install DESTDIR=$(CURDIR)/$(STAGED)/usr PREFIX=/usr
	$(RUN_SCENARIO) make-install

# The later version is only called so; what an upgrade has to deal with is the name.
.PHONY: test-rock
test-rock: rock
	@$(PREREQUISITES) mmdebstrap
	$(MAKE) --no-print-directory rock VERSION=9.9.9 DIST=$(STAGED)/next
	$(RUN_SCENARIO) rock luarocks

# Here the machine has a C compiler and Debian's cargo, but no network: the crates are staged.
.PHONY: test-source-rock
test-source-rock: rock
	@$(PREREQUISITES) mmdebstrap
	$(CARGO) vendor --locked --quiet --versioned-dirs $(STAGED)/vendor >/dev/null
	$(RUN_SCENARIO) source-rock

.PHONY: test-deb
test-deb: deb
	@$(PREREQUISITES) mmdebstrap
	$(RUN_SCENARIO) deb

## Checks

# The second build differs in all that may differ: time, directory, locale, time zone, modes of new files.
.PHONY: test-reproducible
test-reproducible: AGAIN = $(CURDIR)/$(STAGED)/again
test-reproducible: deb ## Build the Debian package once more, in other surroundings, and compare
	rm -rf $(AGAIN)
	mkdir -p $(AGAIN)/a/longer/directory
	umask 077 && TZ=Asia/Tokyo LC_ALL=C TMPDIR=$(AGAIN)/a/longer/directory packaging/debian.sh '$(SOURCE_ARCHIVE)' $(AGAIN)
	cd $(DIST) && sha256sum *_$(VERSION)-*.deb >$(AGAIN)/sums
	cd $(AGAIN) && cat sums && sha256sum --check sums

.PHONY: audit
audit: all ## Check licences, dependencies and the library itself; needs cargo-deny
	@$(PREREQUISITES) cargo-deny
	packaging/check-library.sh $(LIBRARY)
	packaging/check-msrv.py
	$(CARGO) deny --offline --locked --features $(LUA_FEATURE) --config packaging/deny.toml \
		check licenses bans sources

.PHONY: test-oldest-rust
test-oldest-rust: ## Test with the oldest Rust that Cargo.toml promises to be enough; needs rustup
	rustup toolchain install --profile minimal $(OLDEST_RUST)
	$(MAKE) --no-print-directory test-rust test-lua CARGO='cargo +$(OLDEST_RUST)' \
		LIBRARY=target/lua/oldest-rust/prosody_components.so

## Other machines

CROSS_TARGETS := aarch64-unknown-linux-gnu x86_64-unknown-linux-musl

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER ?= aarch64-linux-gnu-gcc
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER ?= musl-gcc
# A library that Lua loads has to use the C library that Lua uses.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS ?= -Ctarget-feature=-crt-static

.PHONY: cross
cross: $(CROSS_TARGETS:%=cross-%) ## Build for ARM64 and for musl (Alpine); Rust needs their standard libraries

.PHONY: $(CROSS_TARGETS:%=cross-%)
$(CROSS_TARGETS:%=cross-%): cross-%:
	@$(PREREQUISITES) cargo rust-std-$* gcc-$*
	$(MAKE) --no-print-directory all TARGET=$*
	packaging/check-library.sh target/lua/$*/$(LUA_VERSION)/prosody_components.so
