#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (60), FUZZ_JOBS (2) at a time; the first finding of each is kept below fuzz/artifacts/.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
# libFuzzer's instrumentation is behind a switch of the stable compiler.
export RUSTC_BOOTSTRAP=1

skip() {
    echo "SKIPPED fuzz: $1"
    [ "${CI:-}" != true ]
    exit
}
command -v c++ > /dev/null || skip "no C++ compiler, which libFuzzer is built with"
command -v cargo-fuzz > /dev/null || cargo install -q --locked cargo-fuzz || skip "cargo-fuzz cannot be installed"
cargo fuzz build || {
    # A target that does not compile is a fault; a machine without sanitizers is not.
    cargo check -q --manifest-path fuzz/Cargo.toml || exit 1
    skip "libFuzzer cannot be built here"
}

one() {
    local target=$1 log=fuzz/target/$1.log
    mkdir -p "fuzz/corpus/$target"
    cargo fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="$seconds" \
        -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 > "$log" 2>&1 || {
        grep -aE -A3 'panicked|ERROR: |Test unit written' "$log" | head -40
        echo "fuzz $target: FAILED, see $log"
        return 1
    }
    echo "fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, nothing found"
}
export -f one
export seconds
printf '%s\n' envelope policy config template duration params | xargs -P "${FUZZ_JOBS:-2}" -I{} bash -c 'one {}'
