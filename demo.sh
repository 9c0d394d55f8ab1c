#!/usr/bin/env bash
# Starts a server in a fresh directory, writes a secret, kills the server, and reads the secret from the next one.
set -euo pipefail
cd "$(dirname "$0")"
cargo build -q -p lessor
lessor=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/lessor
work=$(mktemp -d)
server=
trap 'kill -9 $server 2>/dev/null || true; rm -rf "$work"' EXIT
port=$((20000 + RANDOM % 20000))
export VAULT_ADDR=http://127.0.0.1:$port HOME=$work
head -c 32 /dev/urandom > "$work/seal.key"
cat > "$work/lessor.hcl" <<CONFIG
storage "embedded" { path = "$work/data" }
listener "tcp" { address = "127.0.0.1:$port"  tls_disable = true }
seal "static" { current_key = "file://$work/seal.key" }
CONFIG

show() { echo; echo "\$ lessor $*"; "$lessor" "$@"; }
start() {
    "$lessor" server -config="$work/lessor.hcl" > "$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        case $("$lessor" operator init -status 2> /dev/null || true) in "Vault is"*) return ;; esac
        kill -0 $server 2> /dev/null || break
        sleep 0.1
    done
    cat "$work/server.log"; exit 1
}

start
VAULT_TOKEN=$("$lessor" operator init -recovery-shares=1 -recovery-threshold=1 -format=json | sed -n 's/.*"root_token": "\(.*\)".*/\1/p')
export VAULT_TOKEN
show status
show secrets enable -path=team-a/kv -version=2 kv
show kv put team-a/kv/app user=app password=hunter2
echo; echo "the server is killed and started again"
{ kill -9 $server; wait $server || true; } 2> /dev/null
start
show kv get team-a/kv/app
[ "$("$lessor" kv get -field=password team-a/kv/app)" = hunter2 ]
show token create -ttl=10m
show lease revoke nothing/like/this
echo; echo "done"
