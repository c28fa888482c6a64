/* SPDX-License-Identifier: MIT
 * router_fuzz.c - patterns and the requests that are looked up in them. fuzz-layer: http
 *
 * Lines up to an empty one are patterns, the others "METHOD TARGET". A request reaches a pattern
 * that matches it, by a reading of its own that knows no tree; 405 and 404 tell the truth. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "http/server.h"

#define PATTERNS 12

static const char *found; /* the pattern */

static int handler(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const struct cvy_http_exchange *x = cvy_http_exchange_of_request(req);

    (void)ctx;
    (void)w;
    found = arg;
    for (size_t i = 0; i < x->param_count; i++) {
        const char *value = covey_http_path_param(req, x->param_names[i]);
        MUST(value && strlen(value) <= strlen(req->path));
    }
    return 0;
}

/* Behind the method. */
static const char *path_of(const char *pattern)
{
    size_t method = strcspn(pattern, " /");

    return pattern + method + strspn(pattern + method, " ");
}

static bool has_method(const char *pattern, const char *method)
{
    size_t len = strcspn(pattern, " /");

    return len == 0 || (strlen(method) == len && memcmp(pattern, method, len) == 0) ||
           (len == 3 && memcmp(pattern, "GET", 3) == 0 && strcmp(method, "HEAD") == 0);
}

static bool is_literal(const char *literal, size_t literal_len, const char *raw, size_t len)
{
    char *text = malloc(len + 1);

    MUST(text);
    ssize_t n = cvy_http_decode(text, raw, len, false);
    bool is_same = n == (ssize_t)literal_len && memcmp(text, literal, literal_len) == 0;
    free(text);
    return is_same;
}

/* Both are at a '/', or at their ends. */
static bool matches(const char *path, const char *raw)
{
    while (*path == '/') {
        size_t len = strcspn(++path, "/");
        bool is_rest =
            path[len] == '\0' &&
            (len == 0 || (len > 5 && *path == '{' && !strncmp(path + len - 4, "...}", 4)));
        if (*raw != '/' || is_rest) {
            return *raw == '/';
        }
        size_t raw_len = strcspn(++raw, "/");
        if (len == 3 && strncmp(path, "{$}", 3) == 0) {
            return raw_len == 0 && raw[raw_len] == '\0';
        }
        bool is_param = len >= 2 && *path == '{';
        if (is_param ? raw_len == 0 : !is_literal(path, len, raw, raw_len)) {
            return false;
        }
        path += len;
        raw += raw_len;
    }
    return *raw == '\0';
}

static void check(char **patterns, size_t count, const char *method, const char *raw, int status)
{
    bool any = false, any_method = false;

    for (size_t i = 0; i < count; i++) {
        bool is_path = matches(path_of(patterns[i]), raw);
        any = any || is_path;
        any_method = any_method || (is_path && has_method(patterns[i], method));
    }
    if (found) {
        MUST(matches(path_of(found), raw) && has_method(found, method));
    } else {
        MUST(!any_method && status == (any ? 405 : 404));
    }
}

static void ask(covey_http_router *r, char **patterns, size_t count, char *line)
{
    struct cvy_http_server s = {0};
    struct cvy_http_server_conn c = {.server = &s};
    struct cvy_http_exchange *x = &c.h1.x;
    size_t method = strcspn(line, " ");
    char *target = line + method + (line[method] == ' ');

    line[method] = '\0';
    MUST(cvy_h1_init(&c.h1, &c) == 0);
    x->req.method = line;
    x->req.http_version = 11;
    if (*target == '/' && cvy_http_exchange_set_path(x, target, 0) == 0) {
        char *raw = strndup(x->raw_path, x->raw_len);
        MUST(raw);
        cvy_http_writer_begin(&x->writer);
        found = NULL;
        MUST(covey_http_route(NULL, &x->req, &x->writer, r) == 0);
        check(patterns, count, line, raw, x->writer.status);
        free(raw);
    }
    cvy_h1_fini(&c.h1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *rest = text, *patterns[PATTERNS];
    covey_http_router *r = covey_http_router_new();
    size_t count = 0;

    MUST(r);
    for (char *line; *(line = fuzz_line(&rest)) && count < PATTERNS;) {
        if (covey_http_router_handle(r, line, handler, line) == 0) {
            patterns[count++] = line;
        }
    }
    while (*rest) {
        ask(r, patterns, count, fuzz_line(&rest));
    }
    covey_http_router_free(r);
    free(text);
    return 0;
}
