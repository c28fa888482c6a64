/* SPDX-License-Identifier: MIT
 * serve_file.c - a file as the response: conditional requests and one range (RFC 9110).
 *
 * No name leaves the root: each segment is opened in the directory before it, "." and ".." are
 * refused, and symbolic links are not followed. What may wait for a disk runs off the workers; what
 * is in memory already is read at once. */
#define _GNU_SOURCE
#include <covey.h>
#include <covey/http.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((size_t)64 << 10)
#define NAME_MAX_LEN 255

struct file {
    const char *root, *name;
    int fd;
    int64_t size;
    time_t modified;
    char etag[48], date[32];
    int64_t from, to; /* what is sent: [from, to) */
};

/* ---- opening ---- */

static bool is_plain(const char *segment, size_t len)
{
    return len > 0 && len <= NAME_MAX_LEN && !(len == 1 && segment[0] == '.') &&
           !(len == 2 && segment[0] == '.' && segment[1] == '.');
}

/* The descriptor of name under root, or -errno. */
static int open_beneath(const char *root, const char *name)
{
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    name += strspn(name, "/");
    while (dir >= 0) {
        char segment[NAME_MAX_LEN + 1];
        size_t len = strcspn(name, "/");
        bool is_last = name[len] == '\0';
        int flags = is_last ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY;
        if (!is_plain(name, len)) {
            (void)close(dir);
            return -ENOENT;
        }
        memcpy(segment, name, len);
        segment[len] = '\0';
        int next = openat(dir, segment, flags | O_NOFOLLOW | O_CLOEXEC);
        int code = -errno;
        (void)close(dir);
        if (is_last || next < 0) {
            return next < 0 ? code : next;
        }
        dir = next;
        name += len + 1;
    }
    return -errno;
}

static int open_file(covey_ctx *ctx, void *arg)
{
    struct file *f = arg;
    struct stat st;
    struct tm tm;

    (void)ctx;
    f->fd = open_beneath(f->root, f->name);
    if (f->fd < 0) {
        return f->fd;
    }
    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return -ENOENT;
    }
    f->size = st.st_size;
    f->to = f->size;
    f->modified = st.st_mtim.tv_sec;
    (void)snprintf(f->etag, sizeof(f->etag), "\"%llx.%lx-%llx\"",
                   (unsigned long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                   (unsigned long long)st.st_size);
    (void)strftime(f->date, sizeof(f->date), "%a, %d %b %Y %H:%M:%S GMT",
                   gmtime_r(&f->modified, &tm));
    return 0;
}

/* ---- conditions ---- */

/* Whether a list of entity tags has this one; a weak one counts. */
static bool has_tag(const char *list, const char *etag)
{
    size_t len = strlen(etag);

    if (strcmp(list, "*") == 0) {
        return true;
    }
    while (*list) {
        list += strspn(list, " \t,");
        list += strncmp(list, "W/", 2) == 0 ? 2 : 0;
        if (strncmp(list, etag, len) == 0 && (list[len] == '\0' || strchr(" \t,", list[len]))) {
            return true;
        }
        list += strcspn(list, ",");
    }
    return false;
}

static bool parse_date(const char *text, time_t *at)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

    *at = end && !*end ? timegm(&tm) : 0;
    return end && !*end;
}

static bool is_unchanged(const covey_http_server_request *req, const struct file *f)
{
    const char *tags = covey_http_request_header(req, "If-None-Match");
    const char *since = covey_http_request_header(req, "If-Modified-Since");
    time_t at;

    if (tags) {
        return has_tag(tags, f->etag);
    }
    return since && parse_date(since, &at) && f->modified <= at;
}

/* ---- ranges ---- */

static bool parse_number(const char **text, int64_t *number)
{
    char *end;

    if (**text < '0' || **text > '9') {
        return false;
    }
    errno = 0;
    *number = strtoll(*text, &end, 10);
    *text = end;
    return errno == 0;
}

/* "bytes=1-2", "bytes=1-", "bytes=-2". 206; 200: not for us, the whole file; 416. */
static int set_range(const char *range, struct file *f)
{
    int64_t from = -1, last = -1;

    if (strncasecmp(range, "bytes=", 6) != 0) {
        return 200;
    }
    range += 6;
    bool has_from = parse_number(&range, &from);
    if (*range++ != '-') {
        return 200;
    }
    bool has_last = parse_number(&range, &last);
    if (*range || (!has_from && !has_last) || (has_from && has_last && last < from)) {
        return 200;
    }
    if (!has_from) { /* the last bytes */
        from = last < f->size ? f->size - last : 0;
        has_last = last == 0;
        last = -1;
    }
    if (from >= f->size || (has_last && last < 0)) {
        return 416;
    }
    f->from = from;
    f->to = has_last && last < f->size - 1 ? last + 1 : f->size;
    return 206;
}

static int look_for_range(const covey_http_server_request *req, struct file *f)
{
    const char *range = covey_http_request_header(req, "Range");
    const char *condition = covey_http_request_header(req, "If-Range");
    bool is_same = !condition || strcmp(condition, f->etag) == 0 || strcmp(condition, f->date) == 0;

    return range && is_same && strcmp(req->method, "GET") == 0 ? set_range(range, f) : 200;
}

/* ---- answering ---- */

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"json", "application/json"},
        {"xml", "application/xml"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"gz", "application/gzip"},
        {"zip", "application/zip"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"svg", "image/svg+xml"},
        {"webp", "image/webp"},
        {"ico", "image/x-icon"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"mp3", "audio/mpeg"},
        {"woff2", "font/woff2"},
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(dot + 1, types[i][0]) == 0) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

static int set_headers(covey_http_writer *w, const struct file *f, int status)
{
    char text[96];
    int code = covey_http_set_status(w, status);

    code = code < 0 ? code : covey_http_set_header(w, "ETag", f->etag);
    code = code < 0 ? code : covey_http_set_header(w, "Last-Modified", f->date);
    code = code < 0 ? code : covey_http_set_header(w, "Accept-Ranges", "bytes");
    if (code < 0 || status == 304) {
        return code;
    }
    if (status != 200) {
        int n = status == 416
                    ? snprintf(text, sizeof(text), "bytes */%lld", (long long)f->size)
                    : snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)f->from,
                               (long long)f->to - 1, (long long)f->size);
        code = n < 0 ? -EINVAL : covey_http_set_header(w, "Content-Range", text);
    }
    if (code < 0 || status == 416) {
        return code;
    }
    (void)snprintf(text, sizeof(text), "%lld", (long long)(f->to - f->from));
    code = covey_http_set_header(w, "Content-Length", text);
    return code < 0 ? code : covey_http_set_header(w, "Content-Type", type_of(f->name));
}

struct read {
    struct file *file;
    void *buf;
    size_t len;
    ssize_t got;
};

static int read_blocking(covey_ctx *ctx, void *arg)
{
    struct read *r = arg;

    (void)ctx;
    r->got = pread(r->file->fd, r->buf, r->len, r->file->from);
    return r->got < 0 ? -errno : 0;
}

/* What is in memory at once; else off the workers. */
static ssize_t read_piece(covey_ctx *ctx, struct file *f, char *buf, size_t len)
{
    struct iovec iov = {buf, len};
    struct read r = {f, buf, len, preadv2(f->fd, &iov, 1, f->from, RWF_NOWAIT)};

    if (r.got <= 0) {
        int code = covey_blocking(ctx, read_blocking, &r);
        if (code < 0) {
            return code;
        }
    }
    return r.got > 0 ? r.got : covey_errorf(-EIO, "serve %s: it has become shorter", f->name);
}

static int send_body(covey_ctx *ctx, covey_http_writer *w, struct file *f)
{
    char *buf = malloc(PIECE);
    ssize_t n = buf ? 0 : -ENOMEM;

    while (n >= 0 && f->from < f->to) {
        size_t len = f->to - f->from < (int64_t)PIECE ? (size_t)(f->to - f->from) : PIECE;
        n = read_piece(ctx, f, buf, len);
        if (n > 0) {
            f->from += n;
            n = covey_http_write(ctx, w, buf, (size_t)n);
        }
    }
    free(buf);
    return n < 0 ? (int)n : 0;
}

static int answer(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                  struct file *f)
{
    int status = is_unchanged(req, f) ? 304 : look_for_range(req, f);
    int code = set_headers(w, f, status);

    if (code < 0) {
        return code;
    }
    if (status == 416) {
        return covey_http_respondf(ctx, w, 416, "range not satisfiable\n");
    }
    return status == 304 || strcmp(req->method, "HEAD") == 0 ? 0 : send_body(ctx, w, f);
}

int covey_http_serve_file(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                          const char *root, const char *name)
{
    struct file f = {.root = root, .name = name, .fd = -1};

    if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0) {
        int set = covey_http_set_header(w, "Allow", "GET, HEAD");
        return set < 0 ? set : covey_http_respondf(ctx, w, 405, "method not allowed\n");
    }
    int code = covey_blocking(ctx, open_file, &f);
    if (code == 0) {
        code = answer(ctx, req, w, &f);
    } else if (code == -ENOENT || code == -ENOTDIR || code == -ELOOP || code == -ENAMETOOLONG) {
        code = covey_http_respondf(ctx, w, 404, "not found\n");
    } else if (code == -EACCES) {
        code = covey_http_respondf(ctx, w, 403, "forbidden\n");
    }
    if (f.fd >= 0) {
        (void)close(f.fd);
    }
    return code;
}
