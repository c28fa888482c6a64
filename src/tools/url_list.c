/* SPDX-License-Identifier: MIT
 * url_list.c - see url_list.h. */
#include "tools/url_list.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cvy_url_list *cvy_url_list_open(const char *path)
{
    struct cvy_url_list *l = calloc(1, sizeof(*l));
    if (!l) {
        (void)covey_errorf(-ENOMEM, "%s: %s", path, covey_strerror(-ENOMEM));
        return NULL;
    }
    bool is_standard = strcmp(path, "-") == 0;

    l->fd = is_standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0) {
        int code = -errno;
        free(l);
        (void)covey_errorf(code, "%s: %s", path, covey_strerror(code));
        return NULL;
    }
    return l;
}

void cvy_url_list_close(struct cvy_url_list *l)
{
    if (l) {
        if (l->fd != STDIN_FILENO) {
            (void)close(l->fd);
        }
        free(l);
    }
}

/* More bytes behind those that are there. 0 or a code. */
static int fill(covey_ctx *ctx, struct cvy_url_list *l)
{
    if (l->from > 0) {
        memmove(l->buf, l->buf + l->from, l->to - l->from);
        l->to -= l->from;
        l->from = 0;
    }
    if (l->to == CVY_URL_LINE_MAX) {
        return covey_errorf(COVEY_ETOOLARGE, "line %llu is longer than %zu bytes",
                            (unsigned long long)l->number + 1, CVY_URL_LINE_MAX);
    }
    if (!l->is_file) {
        int code = covey_wait_fd(ctx, l->fd, COVEY_FD_READ);
        l->is_file = code == -EPERM;
        if (code < 0 && !l->is_file) {
            return code;
        }
    }
    ssize_t n = read(l->fd, l->buf + l->to, CVY_URL_LINE_MAX - l->to);
    if (n < 0) {
        int code = -errno;
        /* Somebody else's descriptor may be non-blocking, and the bytes may be gone. */
        return code == COVEY_EAGAIN || code == -EINTR
                   ? 0
                   : covey_errorf(code, "reading the list: %s", covey_strerror(code));
    }
    l->to += (size_t)n;
    l->is_at_end = n == 0;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Without the blanks around it. NULL: nothing to see. */
static char *trim(char *line, size_t len)
{
    while (len > 0 && is_blank(line[len - 1])) {
        len--;
    }
    line[len] = '\0';
    while (is_blank(*line)) {
        line++;
    }
    return *line == '\0' || *line == '#' ? NULL : line;
}

int cvy_url_list_next(covey_ctx *ctx, struct cvy_url_list *l, char **line)
{
    for (;;) {
        char *start = l->buf + l->from;
        size_t have = l->to - l->from;
        char *newline = memchr(start, '\n', have);
        size_t len = newline ? (size_t)(newline - start) : have;

        if (!newline && !l->is_at_end) {
            int code = fill(ctx, l);
            if (code < 0) {
                return code;
            }
            continue;
        }
        if (!newline && have == 0) {
            return 0;
        }
        l->number++;
        l->from += len + (newline != NULL);
        *line = trim(start, len);
        if (*line) {
            return 1;
        }
    }
}
