#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# https_clients_test.sh - examples/hello_https with curl, h2load, Python and Chromium, as far as they
# are there, up to its drain.
set -euo pipefail
server=$COVEY_BUILD_DIR/examples/hello_https
[[ -x $server ]] && command -v curl >/dev/null && command -v openssl >/dev/null || exit 77
work=$(mktemp -d "${TMPDIR:-/tmp}/covey-https.XXXXXX")
passed=0
failed=0

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
"$server" tcp://127.0.0.1:0 "$work/cert.pem" "$work/key.pem" >"$work/address" 2>"$work/errors" &
pid=$!
trap 'kill -KILL "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
until [[ -s $work/address ]]; do
    kill -0 "$pid"
    sleep 0.02 # sleeps: until the program has said its address
done
port=$(sed 's,.*:,,' "$work/address")
base=https://localhost:$port
export no_proxy=localhost,127.0.0.1 port work

# shellcheck source=test/http/check.sh
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

fetch() { curl -q -sS -m 60 --cacert "$work/cert.pem" "$@"; }
speaks() { fetch "${@:2}" "$base/" | grep -q "HTTP version $1, TLSv1.3"; }
echoes() { fetch "$@" --data-binary "@$work/large" "$base/echo" | cmp - "$work/large"; }
is_smaller() {
    fetch -D "$work/head" -o "$work/coded" -H "Accept-Encoding: gzip" -H "Content-Type: text/plain" \
        "$@" --data-binary "@$work/text" "$base/echo"
    grep -qi '^content-encoding: gzip' "$work/head" && gunzip <"$work/coded" | cmp - "$work/text"
    [[ $(wc -c <"$work/coded") -lt $(($(wc -c <"$work/text") / 2)) ]]
}

head -c 3000000 /dev/urandom >"$work/large"
seq 200000 >"$work/text"
has_http2=$(curl -V | grep -c HTTP2 || true)
if ((has_http2)); then
    check "curl: HTTP/2 by ALPN" speaks 20 --http2
    check "curl: 3 MB there and back over HTTP/2" echoes --http2
    check "curl: the same, Expect: 100-continue" echoes --http2 -H "Expect: 100-continue"
    check "curl: twenty at once on one connection" \
        fetch --http2 -Z --fail --parallel-immediate -o /dev/null "$base/?[1-20]"
    check "curl: compressed over HTTP/2" is_smaller --http2
fi
check "curl: HTTP/1.1" speaks 11 --http1.1
check "curl: 3 MB there and back over HTTP/1.1" echoes --http1.1
check "curl: compressed over HTTP/1.1" is_smaller --http1.1
check "curl: an unknown authority is not trusted" bash -c "! curl -q -sS -m 30 $base/"

if command -v h2load >/dev/null; then
    loads() {
        h2load "$@" "https://127.0.0.1:$port/" >"$work/h2load" && cat "$work/h2load"
        grep -q "2000 succeeded, 0 failed, 0 errored, 0 timeout" "$work/h2load"
    }
    check "h2load: 2,000 requests, 10 connections of 50 streams" loads -n 2000 -c 10 -m 50
    check "h2load: the same over HTTP/1.1" loads -n 2000 -c 10 --h1
fi

if command -v python3 >/dev/null; then
    cat >"$work/client.py" <<'PYTHON'
import http.client, os, ssl
trust = ssl.create_default_context(cafile=os.environ["work"] + "/cert.pem")
c = http.client.HTTPSConnection("localhost", int(os.environ["port"]), timeout=30, context=trust)
for i in range(50):
    c.request("GET", "/")
    r = c.getresponse()
    assert r.status == 200 and b"HTTP version 11" in r.read()
first = c.sock
body = bytes(range(256)) * 1000
c.request("POST", "/echo", iter([body, b"x"]), encode_chunked=True)
assert c.getresponse().read() == body + b"x"
assert c.sock is first
PYTHON
    check "Python's http.client: fifty requests and a body on one connection" python3 "$work/client.py"
fi

if command -v chromium >/dev/null; then
    browse() {
        HOME=$work timeout 100 chromium --headless --no-sandbox --disable-gpu --no-proxy-server \
            --disable-dev-shm-usage --user-data-dir="$work/profile" --ignore-certificate-errors \
            --dump-dom "$base/" 2>"$work/chromium" | tee "$work/dom"
        grep -q "HTTP version 20, TLSv1.3" "$work/dom"
    }
    check "Chromium: HTTP/2 by ALPN" browse
fi

kill -TERM "$pid"
check "the server ended well" wait "$pid"
check "and had nothing to say" bash -c "[[ ! -s $work/errors ]] || { cat $work/errors; false; }"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
