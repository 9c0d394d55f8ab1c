#!/usr/bin/env bash
# What only `make test-heavy` needs: a Kubernetes API server, built from Debian's own source package. Built once, kept in
# the cache; where it cannot be had, says so and goes on, which counts as a failure under CI=true.
set -euo pipefail
version=1.20.2
place=${XDG_CACHE_HOME:-$HOME/.cache}/lessor-targets/kube-apiserver-$version
sudo=$([ "$(id -u)" = 0 ] || echo sudo)

packages() {
    missing=()
    command -v etcd > /dev/null || missing+=(etcd-server)
    command -v kubectl > /dev/null || missing+=(kubernetes-client)
    if [ ! -e "$place/complete" ]; then
        [ -x /usr/lib/go-1.19/bin/go ] || missing+=(golang-1.19-go)
        for package in golang-github-modern-go-reflect2-dev rsync jq make xz-utils; do
            dpkg-query -W "$package" > /dev/null 2>&1 || missing+=("$package")
        done
    fi
    [ ${#missing[@]} = 0 ] && return
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# One deb-src line beside the machine's own line of the release, in lists of its own: the system's stay as they are.
download() {
    local suite mirror
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' | awk -v suite="$suite" '$2 == suite && !/security/ { print $1; exit }')
    mkdir -p lists/partial archives/partial
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > sources.list
    options=(-o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$PWD/lists"
        -o "Dir::Cache=$PWD" -o "APT::Sandbox::User=root")
    apt-get "${options[@]}" update -q
    apt-get "${options[@]}" source --download-only kubernetes
}

build() {
    local work=$1
    cd "$work"
    download
    mkdir -p go/src/k8s.io/kubernetes
    tar -xf kubernetes_*.orig.tar.* -C go/src/k8s.io/kubernetes --strip-components=1
    cd go/src/k8s.io/kubernetes
    # The one it carries panics with Go 1.18 and later.
    rm -rf vendor/github.com/modern-go/reflect2
    cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 vendor/github.com/modern-go/reflect2
    env -u GOROOT -u GOFLAGS PATH="/usr/lib/go-1.19/bin:$PATH" GOPATH="$work/go" GOCACHE="$work/cache" GOPROXY=off \
        GOTOOLCHAIN=local CGO_ENABLED=0 nice make WHAT=cmd/kube-apiserver KUBE_GIT_VERSION="v$version"
    install -D _output/local/go/bin/kube-apiserver "$place/kube-apiserver"
    touch "$place/complete"
}

have() {
    packages || return 1
    [ -e "$place/complete" ] && return
    local work
    work=$(mktemp -d)
    rm -rf "$place"
    # A process of its own: a function asked about in a condition does not stop at its first failure.
    "$0" build "$work" > "$work.log" 2>&1 || { tail -n 20 "$work.log" >&2; chmod -R u+w "$work"; rm -rf "$work"; return 1; }
    chmod -R u+w "$work"
    rm -rf "$work" "$work.log"
}

if [ "${1:-}" = build ]; then
    build "$2"
elif ! have; then
    echo "SKIPPED kube-apiserver: it cannot be built from the source package here"
    [ "${CI:-}" != true ]
fi
