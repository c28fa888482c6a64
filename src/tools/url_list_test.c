/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tools/url_list.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/covey-url-list-XXXXXX";

static void write_list(const char *text, size_t len)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    close(fd);
}

static int read_all(covey_ctx *ctx, void *arg)
{
    char **all = arg;
    size_t size;
    FILE *out = open_memstream(all, &size);
    struct cvy_url_list *list = cvy_url_list_open(path);
    char *line;
    int code;

    CHECK(list != NULL);
    while ((code = cvy_url_list_next(ctx, list, &line)) > 0) {
        fprintf(out, "%s|", line);
    }
    fclose(out);
    cvy_url_list_close(list);
    unlink(path);
    return code;
}

TEST(blanks_and_comments_are_skipped)
{
    static const char text[] = "# a list\nhttp://a\r\n\n  http://b \t\n   # more\nhttp://c#x\nlast";
    char *all;

    write_list(text, sizeof(text) - 1);
    CHECK_EQ(covey_run(read_all, &all), 0);
    CHECK_STR(all, "http://a|http://b|http://c#x|last|");
    free(all);
}

TEST(an_empty_list_is_a_list)
{
    char *all;

    write_list("", 0);
    CHECK_EQ(covey_run(read_all, &all), 0);
    CHECK_STR(all, "");
    free(all);
}

TEST(lines_cross_the_buffers_end)
{
    size_t len = 5 * CVY_URL_LINE_MAX, n = 0;
    char *text = malloc(len), *all;

    for (size_t i = 0; i < len; i++) {
        text[i] = i % 1000 == 999 ? '\n' : 'x';
    }
    write_list(text, len);
    CHECK_EQ(covey_run(read_all, &all), 0);
    for (char *bar = all; (bar = strchr(bar, '|')); bar++) {
        n++;
    }
    CHECK_EQ(n, (len + 999) / 1000);
    free(text);
    free(all);
}

TEST(a_line_without_end_is_refused)
{
    size_t len = 2 * CVY_URL_LINE_MAX;
    char *text = malloc(len), *all;

    memset(text, 'x', len);
    write_list(text, len);
    CHECK_EQ(covey_run(read_all, &all), COVEY_ETOOLARGE);
    CHECK(strstr(covey_errmsg(), "line 1") != NULL);
    free(text);
    free(all);
}

static int read_silent_pipe(covey_ctx *ctx, void *arg)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    struct cvy_url_list *list = cvy_url_list_open("-");
    char *line;
    (void)arg;

    CHECK(list != NULL);
    int code = cvy_url_list_next(timed, list, &line);
    cvy_url_list_close(list);
    covey_ctx_unref(timed);
    return code;
}

TEST(waiting_for_a_silent_pipe_ends_with_the_context)
{
    int fds[2];

    CHECK(pipe(fds) == 0 && dup2(fds[0], STDIN_FILENO) == STDIN_FILENO);
    CHECK_EQ(covey_run(read_silent_pipe, NULL), COVEY_EDEADLINE);
}

TEST(a_missing_list_is_told_by_name)
{
    CHECK(cvy_url_list_open("/nonexistent/list") == NULL);
    CHECK(strstr(covey_errmsg(), "/nonexistent/list") != NULL);
}
