# Benchmarks: included by the Makefile.

# The benchmarks use the Prosody and the clients of the integration tests.
BENCHMARK = $(ON_PROSODY) PYTHONPATH=spec/integration $(PYTHON)

LOAD := --manifest-path benches/load/Cargo.toml --target-dir target/load

.PHONY: bench
bench: ## Measure against Prosody's own limit, in about three minutes (BENCH='--quick --only REGEX')
	@$(PREREQUISITES) cargo cc prosody
	@$(MAKE) --no-print-directory all
	$(CARGO) build --locked --release $(LOAD)
	$(BENCHMARK) benches/run.py $(or $(BENCH),--save)

.PHONY: bench-strategies
bench-strategies: ## Measure the strategies of client_proxy with a slow client among fast ones
	@$(PREREQUISITES) cargo cc prosody
	@$(MAKE) --no-print-directory all
	$(BENCHMARK) benches/strategies.py

.PHONY: bench-subscribers
bench-subscribers: ## Measure how long 100,000 subscribers of client_proxy hold Prosody's thread
	@$(PREREQUISITES) cargo cc prosody
	@$(MAKE) --no-print-directory all
	$(BENCHMARK) benches/subscribers.py

.PHONY: bench-streams
bench-streams: ## Measure what 1,000 answers that grow at the same time cost Prosody's thread
	@$(PREREQUISITES) cargo cc prosody
	@$(MAKE) --no-print-directory all
	$(BENCHMARK) benches/streams.py

MICRO := --manifest-path benches/micro/Cargo.toml --target-dir target/micro

.PHONY: bench-micro
bench-micro: ## Measure the time of the hot functions one by one
	@$(PREREQUISITES) cargo cc
	$(CARGO) bench --locked $(MICRO)

.PHONY: instructions
instructions: ## Check that no hot function takes over a tenth more instructions (UPDATE=1 takes the counts)
	@$(PREREQUISITES) cargo cc valgrind
	$(CARGO) build --locked --release --bin instructions $(MICRO)
	$(PYTHON) benches/instructions.py $(if $(UPDATE),--update)
