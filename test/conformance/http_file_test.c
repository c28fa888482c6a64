/* SPDX-License-Identifier: MIT
 * http_file_test.c - covey_http_serve_file(): ranges, conditions, and no way out of the root. */
#include "http_support.h"

#include <covey/http.h>

#include <sys/stat.h>
#include <unistd.h>

#define SIZE 200000

/* A folder with file.txt (a pattern), empty.bin, dir/, link -> file.txt, and a secret beside it. */
static char base[] = "/tmp/covey-http-XXXXXX";
static char root[64];

static void write_file(const char *folder, const char *name, size_t size)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    CHECK(f);
    for (size_t i = 0; i < size; i++) {
        CHECK(fputc('a' + (int)(i % 26), f) != EOF);
    }
    CHECK_EQ(fclose(f), 0);
}

static void make_files(void)
{
    char path[128];

    CHECK(mkdtemp(base));
    (void)snprintf(root, sizeof(root), "%s/root", base);
    CHECK_EQ(mkdir(root, 0700), 0);
    write_file(root, "file.txt", SIZE);
    write_file(root, "empty.bin", 0);
    write_file(base, "secret", 10);
    (void)snprintf(path, sizeof(path), "%s/dir", root);
    CHECK_EQ(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/link", root);
    CHECK_EQ(symlink("file.txt", path), 0);
    (void)snprintf(path, sizeof(path), "%s/up", root);
    CHECK_EQ(symlink("..", path), 0);
}

static void remove_files(void)
{
    static const char *const names[] = {"root/file.txt", "root/empty.bin", "root/dir", "root/link",
                                        "root/up",       "root",           "secret",   ""};
    char path[128];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", base, names[i]);
        CHECK_EQ(remove(path), 0);
    }
}

static int file(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)arg;
    return covey_http_serve_file(ctx, req, w, root, req->path);
}

/* A request with more headers; its whole answer. */
static char *ask(struct site *s, const char *method, const char *path, const char *headers)
{
    char request[512];
    covey_conn *c = dial(s);

    (void)snprintf(request, sizeof(request),
                   "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path,
                   headers);
    say(c, request);
    char *text = hear_all(c);
    covey_close(c);
    return text;
}

static const char *body_of(const char *text)
{
    return strstr(text, "\r\n\r\n") + 4;
}

TASK_TEST(a_file_comes_whole_with_its_type_and_marks)
{
    struct site s = {.handler = file};
    make_files();
    site_open(&s);

    char *text = ask(&s, "GET", "/file.txt", "");
    CHECK_EQ(status_in(text), 200);
    CHECK_EQ(count_of(text, "\r\nContent-Length: 200000\r\n"), 1);
    CHECK_EQ(count_of(text, "\r\nContent-Type: text/plain; charset=utf-8\r\n"), 1);
    CHECK_EQ(count_of(text, "\r\nETag: \""), 1);
    CHECK_EQ(count_of(text, "\r\nLast-Modified: "), 1);
    const char *body = body_of(text);
    CHECK_EQ(strlen(body), SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        CHECK(body[i] == (char)('a' + i % 26));
    }
    free(text);
    text = ask(&s, "HEAD", "/file.txt", "");
    CHECK_EQ(count_of(text, "\r\nContent-Length: 200000\r\n"), 1);
    CHECK_STR(body_of(text), "");
    free(text);
    text = ask(&s, "GET", "/empty.bin", "");
    CHECK_EQ(status_in(text), 200);
    CHECK_EQ(count_of(text, "\r\nContent-Length: 0\r\n"), 1);
    free(text);
    text = ask(&s, "PUT", "/file.txt", "");
    CHECK_EQ(status_in(text), 405);
    free(text);
    CHECK_EQ(site_close(&s), 0);
    remove_files();
}

TASK_TEST(ranges_are_answered_or_refused)
{
    static const struct {
        const char *range;
        int status;
        const char *content_range, *body; /* body NULL: the whole file */
    } cases[] = {
        {"bytes=0-4", 206, "bytes 0-4/200000", "abcde"},
        {"bytes=26-26", 206, "bytes 26-26/200000", "a"},
        {"bytes=199998-", 206, "bytes 199998-199999/200000", "gh"},
        {"bytes=-3", 206, "bytes 199997-199999/200000", "fgh"},
        {"bytes=199999-300000", 206, "bytes 199999-199999/200000", "h"},
        {"bytes=200000-", 416, "bytes */200000", "range not satisfiable\n"},
        {"bytes=-0", 416, "bytes */200000", "range not satisfiable\n"},
        {"bytes=5-4", 200, NULL, NULL},
        {"bytes=0-1,3-4", 200, NULL, NULL},
        {"bytes=", 200, NULL, NULL},
        {"bytes=-", 200, NULL, NULL},
        {"bytes=a-b", 200, NULL, NULL},
        {"bytes=99999999999999999999-", 416, "bytes */200000", "range not satisfiable\n"},
        {"lines=1-2", 200, NULL, NULL},
    };
    struct site s = {.handler = file};
    make_files();
    site_open(&s);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char header[128];
        (void)snprintf(header, sizeof(header), "Range: %s\r\n", cases[i].range);
        char *text = ask(&s, "GET", "/file.txt", header);
        CHECK_EQ(status_in(text), cases[i].status);
        if (cases[i].content_range) {
            CHECK_EQ(count_of(text, cases[i].content_range), 1);
        }
        if (cases[i].body) {
            CHECK_STR(body_of(text), cases[i].body);
        } else {
            CHECK_EQ(strlen(body_of(text)), SIZE);
        }
        free(text);
    }
    CHECK_EQ(site_close(&s), 0);
    remove_files();
}

/* The value of a header of an answer, copied. */
static void value_of(const char *text, const char *name, char *value, size_t size)
{
    const char *at = strstr(text, name);

    CHECK(at);
    at += strlen(name);
    (void)snprintf(value, size, "%.*s", (int)strcspn(at, "\r"), at);
}

TASK_TEST(conditions_are_kept_to)
{
    struct site s = {.handler = file};
    char etag[64], date[64];
    make_files();
    site_open(&s);

    char *text = ask(&s, "HEAD", "/file.txt", "");
    value_of(text, "ETag: ", etag, sizeof(etag));
    value_of(text, "Last-Modified: ", date, sizeof(date));
    free(text);
    const struct {
        const char *name, *value, *more;
        int status;
    } cases[] = {
        {"If-None-Match", etag, "", 304},
        {"If-None-Match", "*", "", 304},
        {"If-None-Match", "\"other\"", "", 200},
        {"If-None-Match", "\"other\"", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n", 200},
        {"If-Modified-Since", date, "", 304},
        {"If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", "", 200},
        {"If-Modified-Since", "nonsense", "", 200},
        {"If-Match", etag, "", 200},
        {"If-Match", "\"other\"", "", 412},
        {"If-Unmodified-Since", date, "", 200},
        {"If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", "", 412},
        {"If-Range", etag, "Range: bytes=0-1\r\n", 206},
        {"If-Range", date, "Range: bytes=0-1\r\n", 206},
        {"If-Range", "\"other\"", "Range: bytes=0-1\r\n", 200},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char headers[256];
        (void)snprintf(headers, sizeof(headers), "%s: %s\r\n%s", cases[i].name, cases[i].value,
                       cases[i].more);
        text = ask(&s, "GET", "/file.txt", headers);
        CHECK_EQ(status_in(text), cases[i].status);
        CHECK(cases[i].status != 304 || !*body_of(text));
        free(text);
    }
    CHECK_EQ(site_close(&s), 0);
    remove_files();
}

TASK_TEST(nothing_outside_the_root_is_served)
{
    static const char *const paths[] = {
        "/../secret",  "/%2e%2e/secret", "/..%2fsecret", "/dir/../../secret",
        "/up/secret",  "/link",          "/dir",         "/",
        "//file.txt/", "/file.txt/",     "/./file.txt",  "/none"};
    struct site s = {.handler = file};
    make_files();
    site_open(&s);

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char *text = ask(&s, "GET", paths[i], "");
        CHECK_EQ(status_in(text), 404);
        free(text);
    }
    CHECK_EQ(site_close(&s), 0);
    remove_files();
}
