/* SPDX-License-Identifier: MIT
 * top_source.c - see top_source.h. One request a connection: an answer ends where its length says,
 * or with the connection. */
#include "tools/top_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#undef errno

#define ANSWER_MAX ((size_t)1 << 30)
#define HEAD_MAX ((size_t)64 << 10)

static bool is_socket(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISSOCK(s.st_mode);
}

bool cvy_top_source_parse(struct cvy_top_source *s, const char *text)
{
    static const char http[] = "http://";
    int n;
    bool is_unix = strncmp(text, "unix://", 7) == 0;
    if (is_unix || text[0] == '/' || text[0] == '.' || is_socket(text)) {
        char *path = is_unix ? NULL : realpath(text, NULL); /* an address has an absolute one */
        n = snprintf(s->addr, sizeof(s->addr), "%s%s", is_unix ? "" : "unix://",
                     path ? path : text);
        free(path);
        (void)snprintf(s->host, sizeof(s->host), "localhost");
        return n < (int)sizeof(s->addr);
    }
    if (strncmp(text, http, strlen(http)) == 0) {
        text += strlen(http);
    } else if (strncmp(text, "tcp://", 6) == 0) {
        text += 6;
    } else if (strstr(text, "://")) {
        return false;
    }
    int len = (int)strcspn(text, "/?#");
    const char *bracket = memchr(text, ']', (size_t)len);
    bool has_port = memchr(bracket ? bracket : text, ':',
                           (size_t)(text + len - (bracket ? bracket : text))) != NULL;
    n = snprintf(s->addr, sizeof(s->addr), "tcp://%.*s%s", len, text, has_port ? "" : ":80");
    (void)snprintf(s->host, sizeof(s->host), "%.*s", len, text);
    return len > 0 && n < (int)sizeof(s->addr);
}

struct answer {
    char *text;
    size_t len, room;
    size_t body; /* where it begins; 0: the head is not whole yet */
};

/* The value of a header, as far as the end of text; NULL: it has none. */
static const char *header_of(const struct answer *a, const char *name)
{
    size_t len = strlen(name);
    const char *line = a->body ? strstr(a->text, "\r\n") : NULL;

    while (line && line < a->text + a->body - 4) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            return line + len + 1 + strspn(line + len + 1, " \t");
        }
        line = strstr(line, "\r\n");
    }
    return NULL;
}

/* Whether no more is to come, or wanted. */
static bool is_whole(struct answer *a)
{
    const char *end = a->body ? NULL : strstr(a->text, "\r\n\r\n");

    if (end) {
        a->body = (size_t)(end - a->text) + 4;
    }
    if (a->body == 0) {
        return a->len > HEAD_MAX;
    }
    const char *length = header_of(a, "Content-Length");
    return header_of(a, "Transfer-Encoding") ||
           (length && a->len - a->body >= strtoull(length, NULL, 10));
}

/* To the end of the answer. */
static int read_all(covey_ctx *ctx, covey_conn *c, int64_t patience_ns, struct answer *a)
{
    for (;;) {
        if (a->len + 1 >= a->room) {
            size_t room = a->room ? 2 * a->room : (size_t)64 << 10;
            char *larger = room <= ANSWER_MAX ? realloc(a->text, room) : NULL;
            if (!larger) {
                return covey_errorf(-ENOMEM, "the answer is too long");
            }
            a->text = larger;
            a->room = room;
        }
        covey_ctx *patient = covey_ctx_with_timeout(ctx, patience_ns);
        ssize_t n = covey_read(patient, c, a->text + a->len, a->room - 1 - a->len);
        covey_ctx_unref(patient);
        a->len += n > 0 ? (size_t)n : 0;
        a->text[a->len] = '\0';
        if (n <= 0 || is_whole(a)) {
            return n < 0 ? (int)n : 0;
        }
    }
}

/* 0: a success, and all of it is there; else a code with a message. */
static int check(const struct cvy_top_source *s, const struct answer *a)
{
    if (a->body == 0 || strncmp(a->text, "HTTP/1.", 7) != 0) {
        return covey_errorf(-EPROTO, "%s: no HTTP server", s->addr);
    }
    if (strncmp(a->text + 8, " 200", 4) != 0) {
        return covey_errorf(-EPROTO, "%s: the server says %.*s; is it covey_debug_serve()?",
                            s->addr, (int)strcspn(a->text + 9, "\r"), a->text + 9);
    }
    const char *encoding = header_of(a, "Transfer-Encoding");
    if (encoding) {
        return covey_errorf(-EPROTO, "%s: Transfer-Encoding: %.*s is not understood", s->addr,
                            (int)strcspn(encoding, "\r"), encoding);
    }
    const char *length = header_of(a, "Content-Length");
    if (length && strtoull(length, NULL, 10) != a->len - a->body) {
        return covey_errorf(-EPROTO, "%s: the answer was cut off", s->addr);
    }
    return 0;
}

static int exchange(covey_ctx *ctx, const struct cvy_top_source *s, const char *target,
                    int64_t patience_ns, struct answer *a)
{
    char request[1024];
    covey_conn *c;
    covey_ctx *patient = covey_ctx_with_timeout(ctx, patience_ns);
    int code = covey_dial(patient, &c, s->addr);

    covey_ctx_unref(patient);
    if (code < 0) {
        return code;
    }
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, s->host);
    code = (int)covey_write(ctx, c, request, (size_t)n);
    if (code >= 0) {
        code = read_all(ctx, c, patience_ns, a);
    }
    covey_close(c);
    return code;
}

int cvy_top_source_get(covey_ctx *ctx, const struct cvy_top_source *s, const char *target,
                       int64_t patience_ns, char **body, size_t *len)
{
    struct answer a = {0};
    int code = exchange(ctx, s, target, patience_ns, &a);

    if (code == COVEY_EDEADLINE) {
        (void)covey_errorf(code, "%s: no answer for %d s", s->addr, (int)(patience_ns / COVEY_SEC));
    } else if (code >= 0) {
        code = check(s, &a);
    }
    if (code < 0) {
        free(a.text);
        return code;
    }
    *len = a.len - a.body;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): what check() passes has text */
    memmove(a.text, a.text + a.body, *len + 1);
    *body = a.text;
    return 0;
}
