#!/usr/bin/env bash
# The main job, end to end: keys of AWS (played by moto, which checks signatures and policies) and accounts of a private
# PostgreSQL are made on demand, used, and destroyed. Everything lives in one temporary directory.
set -euo pipefail
cd "$(dirname "$0")"
tests/install.sh
cargo build -q --release -p lessor
lessor=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/lessor

work=$(mktemp -d /tmp/lessor-demo.XXXXXX)
pids=()
finish() {
    { for pid in "${pids[@]}"; do kill "$pid"; done; wait; } 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT
moto=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/moto-5.2/bin
export HOME=$work
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { echo; echo "\$ lessor $*"; "$lessor" "$@"; }
fail() { echo "NOT AS PROMISED: $*"; exit 1; }
wait_for() { for _ in $(seq 300); do "$@" > /dev/null 2>&1 && return; sleep 0.1; done; fail "$* does not come up"; }

say "A server on embedded storage"
export VAULT_ADDR=http://127.0.0.1:$(port)
head -c 32 /dev/urandom > "$work/seal.key"
cat > "$work/lessor.hcl" << CONFIG
storage "embedded" { path = "$work/data" }
listener "tcp" {
  address     = "${VAULT_ADDR#http://}"
  tls_disable = true
}
seal "static" { current_key = "file://$work/seal.key" }
CONFIG
"$lessor" server -config="$work/lessor.hcl" > "$work/server.log" 2>&1 & pids+=($!)
up() { case $("$lessor" operator init -status 2> /dev/null || true) in "Vault is"*) ;; *) return 1 ;; esac; }
wait_for up
VAULT_TOKEN=$("$lessor" operator init -recovery-shares=1 -recovery-threshold=1 -format=json | sed -n 's/.*"root_token": "\(.*\)".*/\1/p')
export VAULT_TOKEN
show status

say "AWS"
aws=http://127.0.0.1:$(port)
MOTO_IAM_LOAD_MANAGED_POLICIES=true "$moto/moto_server" -H 127.0.0.1 -p "${aws##*:}" > /dev/null 2>&1 & pids+=($!)
# as_key ID SECRET CODE: AWS's own Python client
as_key() {
    "$moto/python3" - "$@" << 'PYTHON'
import boto3, sys
keys = dict(aws_access_key_id=sys.argv[1], aws_secret_access_key=sys.argv[2], region_name="us-east-1", endpoint_url=sys.argv[3])
iam, sts = boto3.client("iam", **keys), boto3.client("sts", **keys)
try:
    exec(sys.argv[4])
except Exception as error:
    sys.exit(f"AWS says: {error}")
PYTHON
}
wait_for curl -sf "$aws/moto-api/"
read -r root_id root_secret < <(as_key setup setup "$aws" '
iam.create_user(UserName="lessor")
iam.attach_user_policy(UserName="lessor", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
key = iam.create_access_key(UserName="lessor")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])')
curl -sf -X POST -H 'Content-Type: text/plain' -d 0 "$aws/moto-api/reset-auth" > /dev/null

show secrets enable -path=cloud aws
show write cloud/config/root access_key="$root_id" secret_key="$root_secret" region=us-east-1 \
    iam_endpoint="$aws" sts_endpoint="$aws" sts_region=us-east-1
show write cloud/config/lease lease=5s lease_max=1h
show write cloud/roles/developer credential_type=iam_user policy_arns=arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess
echo; echo "\$ lessor read cloud/creds/developer"
answer=$("$lessor" read -format=json cloud/creds/developer)
field() { sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" <<< "$answer"; }
id=$(field access_key) secret=$(field secret_key)
grep -E '"(lease_id|lease_duration|access_key)"' <<< "$answer"
echo; echo "the key is used:"
as_key "$id" "$secret" "$aws" 'print(sts.get_caller_identity()["Arn"])'
echo; echo "the lease ends ..."
sleep 7
as_key "$id" "$secret" "$aws" 'sts.get_caller_identity()' && fail "the key still works"
users=$(as_key "$root_id" "$root_secret" "$aws" 'print([u["UserName"] for u in iam.list_users()["Users"]])')
echo "users left: $users"
[ "$users" = "['lessor']" ] || fail "the user is still there"
show write -f cloud/config/rotate-root
echo; echo "the old root key:"
as_key "$root_id" "$root_secret" "$aws" 'sts.get_caller_identity()' && fail "the old root key still works"

say "PostgreSQL"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
unprivileged=()
[ "$(id -u)" = 0 ] && unprivileged=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
mkdir "$work/postgres" && echo first-password > "$work/postgres/password"
[ "$(id -u)" = 0 ] && chown -R nobody:nogroup "$work/postgres" && chmod 755 "$work"
"${unprivileged[@]}" "$bin/initdb" -A scram-sha-256 -U admin --pwfile="$work/postgres/password" --no-sync "$work/postgres/data" > /dev/null
db=$(port)
"${unprivileged[@]}" "$bin/postgres" -D "$work/postgres/data" -h 127.0.0.1 -p "$db" -c unix_socket_directories= > /dev/null 2>&1 & pids+=($!)
query() { psql -XAtq "postgresql://$1:$2@127.0.0.1:$db/postgres" -c "$3"; }
wait_for query admin first-password 'SELECT 1'

show secrets enable database
show write database/config/main plugin_name=postgresql-database-plugin allowed_roles='*' username=admin password=first-password \
    connection_url="postgresql://{{username}}:{{password}}@127.0.0.1:$db/postgres"
show write database/roles/app db_name=main default_ttl=5s \
    creation_statements="CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
echo; echo "\$ lessor read database/creds/app"
answer=$("$lessor" read -format=json database/creds/app)
user=$(field username) password=$(field password)
grep -E '"(lease_id|lease_duration|username)"' <<< "$answer"
echo; echo "a session is opened as $(query "$user" "$password" 'SELECT current_user') and sleeps for a minute ..."
query "$user" "$password" 'SELECT pg_sleep(60)' 2>&1 && fail "the session outlived its lease"
echo; echo "the lease is over, and so is the session; a new login:"
query "$user" "$password" 'SELECT 1' 2>&1 && fail "the account still works"
show write -f database/rotate-root/main
echo; echo "the old root password:"
query admin first-password 'SELECT 1' 2>&1 && fail "the old root password still works"
show read -field=username database/creds/app
echo
show list sys/leases/lookup/database/creds/app

say "done: nothing that was handed out is left behind"
