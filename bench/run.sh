#!/usr/bin/env bash
# Builds Lessor and the bench (release), measures: beside the peer, or `cluster`, or `outage 2 20`, or `scale`.
set -euo pipefail
cd "$(dirname "$0")/.."
peer=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/bao-2.7.2
cargo build -q --release -p lessor -p lessor-bench
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
case ${1:-peer} in
    peer | cluster) "$target/lessor-bench" "${1:-peer}" "$target/lessor" "$peer/bin/bao" ;;
    *) "$target/lessor-bench" "$1" "$target/lessor" "${@:2}" ;;
esac
