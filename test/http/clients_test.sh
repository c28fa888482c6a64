#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clients_test.sh - examples/hello_http with curl and Python's http.client, up to its drain.
set -euo pipefail
command -v curl >/dev/null && command -v python3 >/dev/null || exit 77
work=$(mktemp -d "${TMPDIR:-/tmp}/covey-http.XXXXXX")
passed=0
failed=0

"$COVEY_BUILD_DIR/examples/hello_http" tcp://127.0.0.1:0 >"$work/address" 2>"$work/errors" &
server=$!
trap 'kill -KILL "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
until [[ -s $work/address ]]; do
    kill -0 "$server"
    sleep 0.02 # sleeps: until the program has said its address
done
base=http://$(sed 's,^tcp://,,' "$work/address")
export no_proxy=127.0.0.1 base

# shellcheck source=test/http/check.sh
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

says() { [[ $(curl -q -sS -m 30 "${@:2}") == "$1" ]]; }
has_status() { [[ $(curl -q -sS -m 30 -o /dev/null -w '%{http_code}' "${@:2}") == "$1" ]]; }
echoes() { curl -q -sS -m 60 "$@" --data-binary "@$work/large" "$base/echo" | cmp - "$work/large"; }

head -c 3000000 /dev/urandom >"$work/large"
check "curl: a path parameter" says "Hello, a b" "$base/hello/a%20b"
check "curl: HEAD" has_status 200 -I "$base/hello/x"
check "curl: not found" has_status 404 "$base/none"
check "curl: method not allowed" has_status 405 -X DELETE "$base/echo"
check "curl: 3 MB there and back, Expect: 100-continue" echoes -H "Expect: 100-continue"
check "curl: the same in chunks" echoes -H "Transfer-Encoding: chunked"
check "curl: HTTP/1.0" echoes -0
check "curl: two on one connection" \
    bash -c "[[ \$(curl -q -sS -o /dev/null -o /dev/null -w '%{num_connects}' $base/hello/1 $base/hello/2) == 10 ]]"
check "curl: HTTP/2 offered and not taken" has_status 200 --http2 "$base/hello/x"
if curl -V | grep -q HTTP2; then
    check "curl: HTTP/2 by prior knowledge" says "Hello, a b" --http2-prior-knowledge "$base/hello/a%20b"
    check "curl: the 3 MB over HTTP/2" echoes --http2-prior-knowledge
fi
check "curl: twenty at once" curl -q -sS -Z --fail -o /dev/null "$base/hello/[1-20]"
if command -v h2load >/dev/null; then
    loads() {
        h2load "$@" >"$work/h2load" && cat "$work/h2load"
        grep -q "2000 succeeded, 0 failed, 0 errored, 0 timeout" "$work/h2load"
    }
    check "h2load: 2,000 requests by prior knowledge" loads -n 2000 -c 10 -m 50 "$base/hello/x"
fi

cat >"$work/client.py" <<'PYTHON'
import http.client, os, urllib.parse
where = urllib.parse.urlsplit(os.environ["base"])
c = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
for i in range(100):
    c.request("GET", f"/hello/{i}")
    r = c.getresponse()
    assert r.status == 200 and r.read() == b"Hello, %d\n" % i
first = c.sock
body = bytes(range(256)) * 1000
c.request("POST", "/echo", body)
assert c.getresponse().read() == body
c.request("POST", "/echo", iter([body, b"x"]), encode_chunked=True)
assert c.getresponse().read() == body + b"x"
c.request("HEAD", "/hello/x")
r = c.getresponse()
assert r.read() == b"" and r.headers["Content-Length"] == "9"
assert c.sock is first
PYTHON
check "Python's http.client: a hundred requests and bodies on one connection" python3 "$work/client.py"

cat >"$work/drain.py" <<'PYTHON'
import os, signal, socket, sys, urllib.parse
where = urllib.parse.urlsplit(os.environ["base"])
with socket.create_connection((where.hostname, where.port), timeout=60) as c:
    c.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    c.sendall(b"2710\r\n" + b"a" * 10000 + b"\r\n")
    answer = c.recv(9)  # it runs
    os.kill(int(sys.argv[1]), signal.SIGTERM)
    c.sendall(b"1\r\nb\r\n0\r\n\r\n")
    while piece := c.recv(65536):
        answer += piece
assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"0\r\n\r\n"), answer[-200:]
assert (answer.count(b"a" * 100), answer.count(b"b\r\n")) > (0, 0), answer[-200:]
PYTHON
check "curl: a wait" says "waited 1 ms" "$base/wait/1"
# A request that runs when the server is told to end is answered.
check "a drain answers what runs" python3 "$work/drain.py" "$server"
check "the server ended well" wait "$server"
check "and had nothing to say" bash -c "[[ ! -s $work/errors ]]"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
