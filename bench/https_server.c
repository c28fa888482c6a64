/* SPDX-License-Identifier: MIT
 * https_server.c - row 20h: the same over TLS, in HTTP/2. usage: https_server CERTIFICATE KEY;
 * h2load makes the load (bench/http_load.py). */
#include "hello.h"

#include <covey/http.h>
#include <covey/tls.h>

static covey_tls_identity identity;

static int serve(covey_ctx *ctx, void *arg)
{
    const covey_tls_options opts = {
        .identities = &identity, .identity_count = 1, .alpn = covey_http_alpn()};
    covey_tls_config *config;

    (void)arg;
    BENCH_CHECK(covey_tls_config_new(&config, &opts) == 0);
    int code = bench_serve_hello(
        ctx, (covey_http_server_options){.wrap = covey_tls_wrap, .wrap_arg = config});
    covey_tls_config_unref(config);
    return code;
}

int main(int argc, char **argv)
{
    BENCH_CHECK(argc == 3);
    identity = (covey_tls_identity){.cert_file = argv[1], .key_file = argv[2]};
    bench_raise_descriptor_limit();
    return bench_start(1, argv, serve);
}
