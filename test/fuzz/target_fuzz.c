/* SPDX-License-Identifier: MIT
 * target_fuzz.c - a request's target and the values in its query. fuzz-layer: http
 *
 * The first line is the target, the second a name that is looked for. Nothing decoded is longer
 * than what it was, nor has it a NUL; a value is the same however small the buffer. */
#include "fuzz.h"

#include "http/server.h"

#include <covey/error.h>

static void look_for(const covey_http_server_request *req, const char *name)
{
    char large[4096], small[4];
    ssize_t n = covey_http_query_param(req, name, large, sizeof(large));

    MUST(n == -ENOENT || (n >= 0 && (size_t)n <= strlen(req->query)));
    MUST(covey_http_query_param(req, name, small, sizeof(small)) == n);
    MUST(covey_http_query_param(req, name, NULL, 0) == n);
    /* The same bytes as a form, with nothing behind them that may be read. */
    size_t len = strlen(req->query);
    char *form = memcpy(malloc(len > 0 ? len : 1), req->query, len);
    MUST(covey_http_form_param(form, len, name, small, sizeof(small)) == n);
    free(form);
    if (n >= 0 && n < (ssize_t)sizeof(large)) {
        MUST(strlen(large) == (size_t)n);
        MUST(strlen(small) == (n < 3 ? (size_t)n : 3) && strncmp(small, large, strlen(small)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *rest = text;
    char *target = fuzz_line(&rest), *name = fuzz_line(&rest);
    struct cvy_http_exchange x = {0};
    int status = cvy_http_exchange_set_path(&x, target, 0);

    MUST(status == 0 || status == 400);
    if (status == 0) {
        MUST(strlen(x.req.path) <= x.raw_len && x.text.len <= x.text.cap);
        look_for(&x.req, name);
        look_for(&x.req, "q");
        look_for(&x.req, "");
    }
    cvy_http_exchange_fini(&x);
    free(text);
    return 0;
}
