/* SPDX-License-Identifier: MIT
 * debug_test.c - dumps and leak scopes (covey/debug.h). */
#include "support.h"

#include "dump_text.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

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

    covey_task_options opts = {.name = "a \"quoted\\name\n"};
    CHECK_EQ(covey_group_go_with(g, &opts, receive, ch), 0);
    await_waiting("a \"quoted\\name\\x0a");
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

TASK_TEST(a_name_cannot_break_its_line_or_move_the_cursor)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);
    covey_task_options opts = {.name = "two\nlines \x1b[31m"};

    CHECK_EQ(covey_group_go_with(g, &opts, receive, ch), 0);
    await_waiting("two\\x0alines \\x1b[31m");
    char *text = dump_as(COVEY_DUMP_FOLDED);
    check_has(text, "\"two\\x0alines \\x1b[31m\" waiting in");
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

static int select_of_many(covey_ctx *ctx, void *arg)
{
    covey_case cases[20];

    for (int i = 0; i < 20; i++) {
        cases[i] = COVEY_RECV(arg, NULL);
    }
    cases[1] = COVEY_RECV((covey_chan *)NULL, NULL);
    return covey_select_n(ctx, cases, 20) < 0 ? 0 : -1;
}

static int select_of_none(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_select_n(ctx, NULL, 0) < 0 ? 0 : -1;
}

TASK_TEST(a_channel_is_told_of_by_its_name)
{
    covey_chan *named = covey_chan_new(0, 3);
    covey_group *g = covey_group_new(ctx);
    char expected[160];

    CHECK_EQ(covey_chan_set_name(named, "orders"), 0);
    go_waiting(g, "alone", receive, named);
    go_waiting(g, "many", select_of_many, named);
    go_waiting(g, "none", select_of_none, NULL);
    (void)snprintf(expected, sizeof(expected), "chan receive %p (\"orders\", 0 of 3 buffered)",
                   (void *)named);
    CHECK(dump_says(expected));
    /* What has no object is no descriptor, and an address is not cut in half. */
    (void)snprintf(expected, sizeof(expected),
                   "select (receive %p \"orders\", receive NULL, receive", (void *)named);
    CHECK(dump_says(expected));
    CHECK(dump_says("\"orders\", and 1"));
    CHECK(dump_says(" more) for ") || dump_says(" more), started"));
    CHECK(dump_says("waiting in select (no case)"));
    CHECK_EQ(covey_chan_set_name(named, NULL), 0);
    CHECK(!dump_says("orders"));
    covey_group_cancel(g, 0);
    CHECK_EQ(covey_chan_close(named), 0);
    (void)covey_group_wait(g);
    covey_chan_unref(named);
}

TASK_TEST(a_deadline_that_has_passed_is_told_with_who_set_it)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_ctx *timeout = covey_ctx_with_timeout(ctx, 0);
    int line = __LINE__ - 1;
    covey_group *g = covey_group_new(timeout);
    char expected[128];

    go_waiting(g, "late", receive_without_ctx, ch);
    (void)snprintf(expected, sizeof(expected), "is done (deadline exceeded, set at %s:%d)",
                   __FILE__, line);
    char *text = dump_as(COVEY_DUMP_TREE);
    check_has(text, expected);
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    (void)covey_group_wait(g);
    covey_ctx_unref(timeout);
    covey_chan_unref(ch);
}

__attribute__((noinline)) static int receive_down_there(covey_chan *ch, int depth)
{
    volatile char here = (char)depth;
    int code = depth > 0 ? receive_down_there(ch, depth - 1) : receive(NULL, ch);
    return code + (here - here);
}

static int receive_deep(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return receive_down_there(arg, 100);
}

TASK_TEST(a_stack_that_is_deeper_than_shown_says_so)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "flat", receive, ch);
    CHECK(!dump_says("... called from deeper than"));
    go_waiting(g, "deep", receive_deep, ch);
    CHECK(dump_says("... called from deeper than 48 frames\n"));
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

static int acquire_three(covey_ctx *ctx, void *arg)
{
    int code = covey_sem_acquire(ctx, arg, 3);

    if (code == 0) {
        covey_sem_release(arg, 3);
    }
    return code;
}

TASK_TEST(a_wait_for_permits_says_how_many_are_free)
{
    covey_sem *s = covey_sem_new(4);
    covey_group *g = covey_group_new(ctx);
    char expected[96];

    CHECK_EQ(covey_sem_acquire(ctx, s, 2), 0);
    go_waiting(g, "acquirer", acquire_three, s);
    (void)snprintf(expected, sizeof(expected), "waiting in semaphore %p (2 of 4 free)", (void *)s);
    CHECK(dump_says(expected));
    covey_sem_release(s, 2);
    JOIN(g);
    covey_sem_free(s);
}

static FILE *shared_out;

static void *dump_often(void *arg)
{
    for (int i = 0; i < 20; i++) {
        covey_dump(shared_out);
    }
    return arg;
}

TASK_TEST(two_dumps_at_once_keep_each_tasks_lines_together)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);
    pthread_t others[2];
    char *text = NULL;
    size_t len = 0;

    go_waiting(g, "first", receive_without_ctx, ch);
    go_waiting(g, "second", receive_without_ctx, ch);
    shared_out = open_memstream(&text, &len);
    CHECK(shared_out);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&others[i], NULL, dump_often, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(others[i], NULL), 0);
    }
    CHECK_EQ(fclose(shared_out), 0);
    int seen = 0;
    for (char *at = text; (at = strstr(at, " waiting in chan receive")) != NULL; at++, seen++) {
        size_t rest = strcspn(at, "\n");
        CHECK(memmem(at, rest, "started at", 10) != NULL);
        CHECK(strncmp(at + rest + 1 + strspn(at + rest + 1, " "), "at ", 3) == 0);
    }
    /* One dump waits while the other looks at a task, which is not runnable for that. But not for
     * ever: it may have lost its CPU. */
    CHECK(seen > 20 * 2);
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

enum { DEEP_STACK = 128 << 10, LEFT_OF_IT = 12 << 10 };

/* Where nearly all of the stack is in use. */
static int dump_in_the_deep(covey_ctx *ctx, void *arg)
{
    volatile char used[DEEP_STACK - LEFT_OF_IT];

    (void)ctx;
    for (size_t i = 0; i < sizeof(used); i += 1024) {
        used[i] = 1;
    }
    *(char **)arg = dump_as(COVEY_DUMP_TREE);
    return used[0] - 1;
}

static int dump_on_a_small_stack(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    COVEY_NO_LEAKS
    {
        *(char **)arg = dump_as(COVEY_DUMP_TREE);
    }
    return 0;
}

TASK_TEST(a_dump_needs_no_room_on_the_callers_stack)
{
    const covey_task_options deep = {.stack_size = DEEP_STACK};
    const covey_task_options small = {.stack_size = 16384};
    covey_group *g = covey_group_new(ctx);
    char *texts[2];

    if (WITH_ASAN || WITH_TSAN) {
        SKIP("their frames are larger");
    }
    CHECK_EQ(covey_group_go_with(g, &deep, dump_in_the_deep, &texts[0]), 0);
    CHECK_EQ(covey_group_go_with(g, &small, dump_on_a_small_stack, &texts[1]), 0);
    JOIN(g);
    check_has(texts[0], "\"dump_in_the_deep\" running");
    check_has(texts[1], "\"dump_on_a_small_stack\" running");
    free(texts[0]);
    free(texts[1]);
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
    for (int i = 0, n = turns(60); i < n; i++) {
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

/* A site as a library has it, which can be unloaded: between pages that stay, so that nothing
 * larger comes to be there afterwards. */
static const covey_site *site_to_unload(void)
{
    char *pages =
        mmap(NULL, (size_t)3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *page = pages + 4096;
    covey_site *site = (covey_site *)(void *)page;

    CHECK(pages != MAP_FAILED);
    site->name = strcpy(page + 256, "plugin_task");
    site->file = strcpy(page + 512, "plugin.c");
    site->line = 7;
    return site;
}

static void unload(const covey_site *site)
{
    CHECK_EQ(munmap((void *)(uintptr_t)site, 4096), 0);
}

static void check_profile_has(const char *part)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    CHECK_EQ(covey_profile_write("task", COVEY_PROFILE_PPROF, out), 0);
    CHECK_EQ(fclose(out), 0);
    CHECK(memmem(text, len, part, strlen(part)));
    free(text);
}

static void check_snapshot_has(const char *part)
{
    char path[] = "/tmp/covey-debug.XXXXXX", bytes[65536];
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    CHECK_EQ(covey_trace_snapshot(path), 0);
    ssize_t len = read(fd, bytes, sizeof(bytes));
    CHECK(len > 0);
    CHECK(memmem(bytes, (size_t)len, part, strlen(part)));
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink(path), 0);
}

TASK_TEST(of_a_library_that_was_unloaded_only_that_is_said)
{
    const char *words = "a library that was unloaded";
    const covey_site *site = site_to_unload();
    covey_chan *ch = covey_chan_new(0, 0);

    CHECK_EQ(covey_trace_flight_start(0), 0);
    covey_group *g = covey_group_new_at(site, ctx, NULL);
    CHECK_EQ(covey_group_go_at(site, g, NULL, receive, ch), 0);
    await_waiting("plugin_task");
    unload(site);
    for (int format = COVEY_DUMP_TREE; format <= COVEY_DUMP_PLACES_JSON; format++) {
        char *text = dump_as((covey_dump_format)format);
        check_has(text, "\"unloaded\"");
        check_has(text, words);
        free(text);
    }
    check_profile_has(words);
    check_snapshot_has(words);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
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
