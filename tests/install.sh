#!/usr/bin/env bash
# Installs the platforms that the tests start, where they are missing (Debian).
set -euo pipefail
missing=()
ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1 || missing+=(postgresql)
command -v psql > /dev/null || missing+=(postgresql-client)
command -v curl > /dev/null || missing+=(curl)
[ ${#missing[@]} = 0 ] && exit 0
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
$sudo apt-get update -q
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
