# Benchmarks: included by the Makefile.

LOAD := --manifest-path benches/load/Cargo.toml --target-dir target/load

.PHONY: bench
bench: ## Measure against Prosody's own limit, in about three minutes (BENCH='--quick --only REGEX')
	@$(PREREQUISITES) cargo cc prosody
	@$(MAKE) --no-print-directory all
	$(CARGO) build --locked --release $(LOAD)
	$(ON_PROSODY) $(PYTHON) benches/run.py $(or $(BENCH),--save)
