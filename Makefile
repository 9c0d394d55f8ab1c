.PHONY: help demo test test-heavy lint fmt
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/'
demo: ## build Lessor and run what works of its main job, end to end
	./demo.sh
test: ## run every test
	cargo test --workspace
test-heavy: ## targets that must be built from source (none needed yet)
	@echo "no target needs building from source yet"
lint: ## clippy, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings
fmt: ## format
	cargo fmt --all
