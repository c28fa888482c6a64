/* SPDX-License-Identifier: MIT
 * serve_answer.c - see serve_answer.h. A body is made whole before its first byte is sent, so that
 * a slow client holds up nothing but its own task. */
#include "debug/serve_answer.h"

#include "base/alloc.h"
#include "os/file.h"
#include "os/sys.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/error.h>

#include <pthread.h>
#include <string.h>

#undef errno

#define PIECE ((size_t)64 << 10)

static const char *words_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 301:
        return "Moved Permanently";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

/* In pieces, each of which must be taken in time. */
static int send_all(struct cvy_client *c, const char *data, size_t len)
{
    int code = 0;

    for (size_t at = 0; at < len && code >= 0; at += PIECE) {
        covey_ctx *ctx = covey_ctx_with_timeout(c->ctx, c->patience_ns);
        code = (int)covey_write(ctx, c->conn, data + at, len - at < PIECE ? len - at : PIECE);
        covey_ctx_unref(ctx);
    }
    return code < 0 ? code : 0;
}

/* len < 0: told by the end of the connection. */
static int send_head(struct cvy_client *c, int status, const char *type, int64_t len,
                     const char *more)
{
    char head[1024];
    char length[48] = "";

    if (len >= 0) {
        (void)snprintf(length, sizeof(length), "Content-Length: %lld\r\n", (long long)len);
    }
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s%s"
                     "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
                     "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
                     "frame-ancestors 'none'\r\n"
                     "Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n"
                     "Connection: close\r\n\r\n",
                     status, words_of(status), type, length, more);
    return send_all(c, head, (size_t)n);
}

static int send_body(struct cvy_client *c, int status, const char *type, const char *body,
                     size_t len)
{
    const char *more = status == 405   ? "Allow: GET, HEAD\r\n"
                       : status == 301 ? "Location: /debug/covey/\r\n"
                                       : "";
    int code = send_head(c, status, type, (int64_t)len, more);
    return code < 0 || c->is_head ? code : send_all(c, body, len);
}

int cvy_answer_text(struct cvy_client *c, int status, const char *text)
{
    char body[600];

    int n = snprintf(body, sizeof(body), "%s\n", text);
    return send_body(c, status, CVY_TYPE_TEXT, body,
                     (size_t)n < sizeof(body) ? (size_t)n : sizeof(body) - 1);
}

int cvy_answer_failure(struct cvy_client *c, int code)
{
    char text[512];
    int status = code == -EBUSY                             ? 409
                 : code == -ENOENT                          ? 404
                 : code == -EINVAL                          ? 400
                 : code == COVEY_ECLOSED || code == -EAGAIN ? 503
                                                            : 500;

    (void)snprintf(text, sizeof(text), "%s", covey_errmsg());
    return cvy_answer_text(c, status, text);
}

struct writing {
    int (*write)(FILE *out, void *arg);
    void *arg;
    covey_chan *written; /* closed at the end */
    int code;
    char words[256]; /* of a failure */
    char *text;
    size_t len;
};

static void *write_off(void *arg)
{
    struct writing *w = arg;

    cvy_thread_find_descriptors();
    FILE *out = cvy_alloc_fails() ? NULL : open_memstream(&w->text, &w->len);

    w->code = out ? w->write(out, w->arg) : covey_errorf(-ENOMEM, "no memory for an answer");
    if (out && fclose(out) != 0 && w->code == 0) {
        w->code = covey_errorf(-ENOMEM, "no memory for an answer");
    }
    if (w->code < 0) {
        (void)snprintf(w->words, sizeof(w->words), "%s", covey_errmsg());
    }
    (void)covey_chan_close(w->written);
    return NULL;
}

/* Not a thread of the pool: a program all of whose blocking calls hang is one that is asked why. A
 * task's stack may be small, and the worker is others'. */
static int write_in_thread(struct writing *w)
{
    pthread_t thread;

    w->written = covey_chan_new(0, 0);
    if (!w->written || cvy_alloc_fails() || pthread_create(&thread, NULL, write_off, w) != 0) {
        covey_chan_unref(w->written);
        return covey_errorf(-EAGAIN, "no thread for an answer");
    }
    (void)covey_chan_recv(NULL, w->written, NULL);
    (void)pthread_join(thread, NULL); /* it is on its way out */
    covey_chan_unref(w->written);
    return w->code < 0 ? covey_errorf(w->code, "%s", w->words) : 0;
}

int cvy_answer_written(struct cvy_client *c, const char *type, int (*write)(FILE *out, void *arg),
                       void *arg)
{
    struct writing w = {.write = write, .arg = arg};

    if (c->is_head) {
        return send_head(c, 200, type, -1, "");
    }
    int code = write_in_thread(&w);
    code = code < 0 ? cvy_answer_failure(c, code) : send_body(c, 200, type, w.text, w.len);
    free(w.text);
    return code;
}

int cvy_answer_file(struct cvy_client *c, int fd, const char *name)
{
    char more[128];
    char *piece = cvy_alloc(PIECE);
    int64_t at = 0;

    if (!piece) {
        return covey_errorf(-ENOMEM, "no memory for a file's answer");
    }
    (void)snprintf(more, sizeof(more), "Content-Disposition: attachment; filename=\"%s\"\r\n",
                   name);
    int code = send_head(c, 200, CVY_TYPE_BINARY, cvy_file_size(fd), more);
    while (code >= 0 && (code = (int)cvy_file_read_at(fd, piece, PIECE, at)) > 0) {
        at += code;
        code = send_all(c, piece, (size_t)code);
    }
    free(piece);
    return code;
}
