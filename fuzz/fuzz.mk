# Fuzzing: included by the Makefile.

FUZZ := $(CARGO) +nightly fuzz run --fuzz-dir fuzz --target-dir target/fuzz
FUZZ_TARGETS := $(patsubst fuzz/fuzz_targets/%.rs,%,$(wildcard fuzz/fuzz_targets/*.rs))
# Seconds for each.
TIME := 60

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS:%=fuzz-%) ## Play random input against each parser, for TIME=60 seconds each

.PHONY: $(FUZZ_TARGETS:%=fuzz-%)
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%:
	@$(PREREQUISITES) cargo cc cargo-fuzz
	$(CARGO) fetch --locked --manifest-path fuzz/Cargo.toml
	mkdir -p fuzz/corpus/$*
	$(FUZZ) $* fuzz/corpus/$* fuzz/seeds/$* -- -max_total_time=$(TIME)
