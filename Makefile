.PHONY: help demo test test-heavy fuzz bench bench-cluster bench-outage bench-scale lint deny fmt
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/'
demo: ## build Lessor and run what works of its main job, end to end
	./demo.sh
test: ## install what the tests need and run them
	tests/install.sh
	cargo test --workspace
test-heavy: ## long tests: twenty rounds of kill -9; a Kubernetes API server, built from source first
	tests/install.sh
	tests/install_heavy.sh
	LESSOR_KILL_ROUNDS=20 cargo test --workspace --test end_to_end kill::
	tests/heavy_targets.sh
fuzz: ## feed the readers of foreign input with random input, FUZZ_SECONDS (60) each
	fuzz/run.sh
bench: ## side by side with the peer, in one run
	tests/install.sh
	bench/run.sh
bench-cluster: ## one, two and three nodes on one PostgreSQL, beside the peer's
	tests/install.sh
	bench/run.sh cluster
bench-outage: ## PostgreSQL away for 2 and for 20 minutes while 500 leases end
	bench/run.sh outage 2 20
bench-scale: ## 200,000 leases, and 5,000 that end in one second
	bench/run.sh scale
lint: ## clippy, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings
deny: ## licences, sources and bans of dependencies; known vulnerabilities where their database can be had
	command -v cargo-deny > /dev/null || cargo install -q --locked cargo-deny
	cargo fetch -q --locked
	cargo deny --offline check licenses bans sources
	cargo deny fetch 2> /dev/null && cargo deny check advisories || echo "SKIPPED advisories: their database cannot be had here"
fmt: ## format
	cargo fmt --all
