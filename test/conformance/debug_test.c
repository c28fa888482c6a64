/* SPDX-License-Identifier: MIT
 * debug_test.c - dumps and leak scopes (covey/debug.h). */
#include "support.h"

#include <unistd.h>

static bool has_libdw(void)
{
#if defined(__x86_64__)
    return access("/usr/lib/x86_64-linux-gnu/libdw.so.1", R_OK) == 0;
#else
    return access("/usr/lib/aarch64-linux-gnu/libdw.so.1", R_OK) == 0;
#endif
}

/* A dump's text; free it. */
static char *dump_as(covey_dump_format format)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    CHECK_EQ(covey_dump_as(out, format), 0);
    CHECK_EQ(fclose(out), 0);
    return text;
}

static void check_has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        (void)fprintf(stderr, "%s\nhas not: %s\n", text, part);
        CHECK(!"the dump has it");
    }
}

/* The place of the line on which part stands, and how far it is indented. */
static int indent_of(const char *text, const char *part, const char **at)
{
    const char *line = strstr(text, part);

    CHECK(line);
    while (line > text && line[-1] != '\n') {
        line--;
    }
    *at = line;
    return (int)strspn(line, " ");
}

static int receive(covey_ctx *ctx, void *arg)
{
    int code = covey_chan_recv(ctx, arg, NULL);
    return code == COVEY_ECLOSED ? 0 : code;
}

static int receive_without_ctx(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return receive(NULL, arg);
}

static int inner_line;

static int open_inner(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    inner_line = __LINE__ - 1;

    GO(g, receive, arg);
    int code = covey_group_wait(g);
    return code; /* no tail call: it has a frame */
}

TASK_TEST(a_task_stands_under_the_one_that_opened_its_group)
{
    covey_chan *ch = covey_chan_new(0, 7);
    covey_ctx *timeout = covey_ctx_with_timeout(ctx, 3600 * COVEY_SEC);
    int timeout_line = __LINE__ - 1;
    covey_group *g = covey_group_new(timeout);
    int group_line = __LINE__ - 1;
    char expected[128];

    GO(g, open_inner, ch);
    await_waiting("open_inner");
    await_waiting("receive");
    char *text = dump_as(COVEY_DUMP_TREE);
    check_has(text, "\"receive\" waiting in chan receive 0x");
    check_has(text, "(0 of 7 buffered)");
    check_has(text, "\"open_inner\" waiting in group wait 0x");
    check_has(text, "(1 alive)");
    (void)snprintf(expected, sizeof(expected), "debug_test.c:%d", timeout_line);
    check_has(text, "deadline in 3");
    check_has(text, expected);
    (void)snprintf(expected, sizeof(expected), "opened at %s:%d", __FILE__, group_line);
    check_has(text, expected);
    char inner[128];
    (void)snprintf(inner, sizeof(inner), "opened at %s:%d", __FILE__, inner_line);
    const char *under[5];
    int indents[5] = {indent_of(text, "\"main_a_task", &under[0]),
                      indent_of(text, expected, &under[1]),
                      indent_of(text, "\"open_inner\"", &under[2]),
                      indent_of(text, inner, &under[3]), indent_of(text, "\"receive\"", &under[4])};
    for (int i = 1; i < 5; i++) {
        CHECK(under[i] > under[i - 1]);
        CHECK(indents[i] > indents[i - 1]);
    }
    if (has_libdw()) {
        check_has(text, "at covey_group_wait ("); /* LTO may say another file */
        check_has(text, "at open_inner (debug_test.c:");
        check_has(text, "at receive (debug_test.c:");
    }
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_ctx_unref(timeout);
    covey_chan_unref(ch);
}

TASK_TEST(a_wait_that_no_context_ends_says_so)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    GO(g, receive_without_ctx, ch);
    await_waiting("receive_without_ctx");
    covey_group_cancel(g, 0);
    char *text = dump_as(COVEY_DUMP_TREE);
    check_has(text, "its context is done (canceled), not cancellable");
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

TASK_TEST(identical_tasks_are_folded_to_one_place)
{
    enum { TASKS = 1000 };
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < TASKS; i++) {
        GO(g, receive, ch);
    }
    go_waiting(g, "other", receive, ch);
    for (;;) {
        char *text = dump_as(COVEY_DUMP_FOLDED);
        bool is_done = strstr(text, "  1000 tasks \"receive\" waiting in chan receive") != NULL;
        if (is_done) {
            check_has(text, "covey: 1002 task(s) on ");
            check_has(text, "in 3 place(s)");
            check_has(text, "\"other\" waiting in chan receive 0x");
        }
        free(text);
        if (is_done) {
            break;
        }
        covey_yield();
    }
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

TASK_TEST(the_json_dump_has_what_the_text_has)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "a \"quoted\\name\n", receive, ch);
    char *text = dump_as(COVEY_DUMP_JSON);
    check_has(text, "{\"covey\":\"" COVEY_VERSION "\",\"workers\":");
    check_has(text, "\"name\":\"a \\\"quoted\\\\name\\u000a\",\"state\":\"waiting\"");
    check_has(text, "\"wait\":{\"for\":\"chan receive\",\"object\":\"0x");
    check_has(text, "\"can_cancel\":true,\"detail\":\"unbuffered\"");
    check_has(text, "\"group\":{\"id\":\"0x");
    check_has(text, "\"stack\":[{\"address\":\"0x");
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

TEST(without_a_runtime_the_formats_say_closed)
{
    CHECK_EQ(covey_dump_as(stderr, COVEY_DUMP_FOLDED), COVEY_ECLOSED);
    CHECK_EQ(covey_dump_as(stderr, (covey_dump_format)99), -EINVAL);
}

/* ---- dumps while everything moves ---- */

static int ping(covey_ctx *ctx, void *arg)
{
    covey_chan **pair = arg;
    int turns = 0;
    int code = 0;

    while (code == 0) {
        code = covey_chan_send(ctx, pair[0], NULL);
        code = code == 0 ? covey_chan_recv(ctx, pair[1], NULL) : code;
        turns++;
    }
    CHECK(turns > 1);
    return 0;
}

static int pong(covey_ctx *ctx, void *arg)
{
    covey_chan **pair = arg;
    int code = 0;

    while (code == 0) {
        code = covey_chan_recv(ctx, pair[0], NULL);
        code = code == 0 ? covey_chan_send(ctx, pair[1], NULL) : code;
    }
    return 0;
}

static int sleep_shortly(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (covey_sleep(ctx, 50 * COVEY_US) == 0) {
    }
    return 0;
}

/* Waits under contexts that end all the time. */
static int time_out(covey_ctx *ctx, void *arg)
{
    while (covey_ctx_err(ctx) == 0) {
        covey_ctx *short_one = covey_ctx_with_timeout(ctx, 100 * COVEY_US);
        CHECK(covey_chan_recv(short_one, arg, NULL) < 0);
        covey_ctx_unref(short_one);
    }
    return 0;
}

TASK_TEST(no_wake_is_lost_while_tasks_are_looked_at)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *pairs[4][2], *silent = covey_chan_new(0, 0);
    covey_dump_format formats[] = {COVEY_DUMP_TREE, COVEY_DUMP_FOLDED, COVEY_DUMP_JSON};

    for (int i = 0; i < 4; i++) {
        pairs[i][0] = covey_chan_new(0, 0);
        pairs[i][1] = covey_chan_new(0, 0);
        GO(g, ping, pairs[i]);
        GO(g, pong, pairs[i]);
        GO(g, sleep_shortly, NULL);
        GO(g, time_out, silent);
    }
    for (int i = 0; i < 150; i++) {
        free(dump_as(formats[i % 3]));
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    for (int i = 0; i < 4; i++) {
        covey_chan_unref(pairs[i][0]);
        covey_chan_unref(pairs[i][1]);
    }
    covey_chan_unref(silent);
}

/* ---- leak scopes ---- */

TASK_TEST(a_scope_that_leaves_nothing_passes)
{
    int runs = 0;

    COVEY_NO_LEAKS
    {
        covey_chan *ch = covey_chan_new(0, 0);
        covey_group *g = covey_group_new(ctx);
        GO(g, receive, ch);
        CHECK_EQ(covey_chan_close(ch), 0);
        JOIN(g);
        covey_chan_unref(ch);
        runs++;
    }
    CHECK_EQ(runs, 1);
}

TASK_TEST(a_task_and_a_descriptor_left_are_counted_until_they_go)
{
    covey_chan *ch = covey_chan_new(0, 0);
    int fds[2];

    CHECK_EQ(covey_go(receive, ch), 0); /* before: not the scope's */
    covey_leak_scope scope = covey_leak_scope_open(__FILE__, __LINE__);
    CHECK_EQ(covey_leak_count(&scope), 0);
    CHECK_EQ(covey_go(receive, ch), 0);
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(covey_leak_count(&scope), 3);
    CHECK_EQ(covey_chan_close(ch), 0);
    (void)close(fds[0]);
    CHECK_EQ(covey_leak_count(&scope), 1);
    (void)close(fds[1]);
    CHECK_EQ(covey_leak_count(&scope), 0);
    covey_leak_scope_close(&scope);
    covey_leak_scope_drop(&scope); /* harmless */
    covey_chan_unref(ch);
}

static int start_one(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_go(receive, arg);
}

TEST(a_scope_may_enclose_a_whole_run)
{
    COVEY_NO_LEAKS
    {
        covey_chan *ch = covey_chan_new(0, 0);
        CHECK_EQ(covey_run(start_one, ch), 0);
        covey_chan_unref(ch);
    }
}
