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

TASK_TEST(a_name_that_is_no_utf8_makes_good_json)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    /* A lone byte, a character cut in half, one too long, a surrogate; and two that are good. */
    go_waiting(g, "\xff \xe2\x82 \xc0\xaf \xed\xa0\x80 \xc3\xa9\xe2\x82\xac", receive, ch);
    char *text = dump_as(COVEY_DUMP_JSON);
    check_has(text, "\"name\":\"\\ufffd \\ufffd\\ufffd \\ufffd\\ufffd "
                    "\\ufffd\\ufffd\\ufffd \xc3\xa9\xe2\x82\xac\"");
    free(text);
    text = dump_as(COVEY_DUMP_PLACES_JSON);
    check_has(text, "\"name\":\"\\ufffd ");
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

/* ---- notes of what a wait is for ---- */

static void describe_seven(const covey_wait_note *note, char *out, size_t size)
{
    (void)snprintf(out, size, "%s 7", note->text);
}

static int receive_for_reasons(covey_ctx *ctx, void *arg)
{
    covey_wait_note outer = {.what = "parcel", .text = "  from\n\tfar \n away "};
    covey_wait_note inner = {.what = "lorry", .text = "number", .describe = describe_seven};
    covey_wait_note plain = {.what = "driver"}, hidden = {.what = "weather"};

    covey_wait_note_begin(&hidden);
    covey_wait_note_begin(&outer);
    covey_wait_note_begin(&inner);
    covey_wait_note_begin(&plain);
    int code = receive(ctx, arg);
    covey_wait_note_end(&plain);
    covey_wait_note_end(&inner);
    covey_wait_note_end(&outer);
    code = code < 0 ? code : receive(ctx, arg);
    covey_wait_note_end(&hidden);
    return code < 0 ? code : receive(ctx, arg);
}

TASK_TEST(notes_say_what_a_wait_is_for_until_they_end)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "noted", receive_for_reasons, ch);
    CHECK(dump_says(", awaiting driver"));
    CHECK(dump_says(", awaiting lorry \"number 7\""));
    CHECK(dump_says(", awaiting parcel \"from far away\""));
    CHECK(!dump_says("awaiting weather")); /* the innermost three */
    char *text = dump_as(COVEY_DUMP_JSON);
    check_has(text, "\"awaiting\":[{\"what\":\"driver\"");
    check_has(text, "{\"what\":\"lorry\",\"which\":\"number 7\"");
    free(text);
    CHECK_EQ(covey_chan_send(ctx, ch, NULL), 0);
    while (!dump_says(", awaiting weather")) {
        covey_yield();
    }
    CHECK(!dump_says("awaiting driver") && !dump_says("awaiting parcel"));
    CHECK_EQ(covey_chan_send(ctx, ch, NULL), 0);
    while (dump_says("awaiting")) {
        covey_yield();
    }
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

static int receive_for_long_text(covey_ctx *ctx, void *arg)
{
    char text[200];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    covey_wait_note note = {.what = "text", .text = text};
    covey_wait_note_begin(&note);
    int code = receive(ctx, arg);
    covey_wait_note_end(&note);
    return code;
}

TASK_TEST(a_long_note_is_cut)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "noted", receive_for_long_text, ch);
    CHECK(dump_says("xxxxx...\""));
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

TASK_TEST(folded_dumps_have_notes_too)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 2; i++) {
        GO(g, receive_for_long_text, ch);
    }
    for (bool is_there = false; !is_there; covey_yield()) {
        char *text = dump_as(COVEY_DUMP_FOLDED);
        is_there = strstr(text, "2 tasks \"receive_for_long_text\" waiting in chan receive") &&
                   strstr(text, ", awaiting text, started at");
        free(text);
    }
    char *text = dump_as(COVEY_DUMP_PLACES_JSON);
    check_has(text, "\"wait\":\"chan receive\",\"awaiting\":\"text\"");
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

/* Groups that it opens, and calls that it defers, stand among its notes. */
static int join_between_notes(covey_ctx *ctx, void *arg)
{
    covey_wait_note first = {.what = "first"}, second = {.what = "second"};

    covey_wait_note_begin(&first);
    covey_group *g = covey_group_new(ctx);
    covey_wait_note_begin(&second);
    GO(g, receive, arg);
    covey_wait_note_end(&first);
    int code = covey_group_wait(g);
    covey_wait_note_end(&second);
    return code;
}

TASK_TEST(notes_and_groups_may_overlap)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "joins", join_between_notes, ch);
    while (!dump_says("\"joins\" waiting in group wait")) {
        covey_yield();
    }
    CHECK(dump_says("awaiting second") && !dump_says("awaiting first"));
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

TEST(a_plain_thread_may_note_and_hold)
{
    covey_wait_note note = {.what = "nothing"};

    covey_wait_note_begin(&note);
    covey_wait_note_end(&note);
    CHECK_EQ(covey_hold_begin(&note), 0);
    covey_hold_end(&note, 0);
}

TASK_TEST(a_full_disk_is_told_of)
{
    for (covey_dump_format format = COVEY_DUMP_TREE; format <= COVEY_DUMP_PLACES_JSON; format++) {
        FILE *out = fopen("/dev/full", "w");
        CHECK(out);
        CHECK_EQ(covey_dump_as(out, format), -ENOSPC);
        CHECK_EQ(covey_dump_as(out, format), -ENOSPC);
        (void)fclose(out);
    }
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
