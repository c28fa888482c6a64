/* SPDX-License-Identifier: MIT
 * debug_stack_test.c - dumps show the stacks of tasks that run, and of blocking calls, and leave
 * them as they were. */
#include "support.h"

#include "dump_text.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* Behind a call, which then is no jump: who calls has a frame. */
#define HAVE_FRAME() __asm__ volatile("")

/* The parts stand in the dump one after the other. */
static void check_order(const char *text, const char *const *parts)
{
    const char *at = text;

    for (; *parts && at; parts++) {
        const char *found = strstr(at, *parts);
        if (!found) {
            (void)fprintf(stderr, "%s\nhas not, in its place: %s\n", text, *parts);
        }
        at = found;
    }
    CHECK(at);
}

static atomic_bool is_spinning, is_over;

__attribute__((noinline)) static void spin(void)
{
    while (!atomic_load(&is_over)) {
        atomic_store(&is_spinning, true);
    }
}

/* Looks from outside, since with one worker no other task runs. */
static void *look_at_spinning(void *arg)
{
    static const char *const in_tree[] = {"\"spinner\" running", "at spin (debug_stack_test.c:",
                                          "at spinner (debug_stack_test.c:", NULL};
    static const char *const in_json[] = {"\"name\":\"spinner\",\"state\":\"running\"",
                                          "\"stack\":[", "\"function\":\"spin\"", NULL};

    (void)arg;
    while (!atomic_load(&is_spinning)) {
        (void)sched_yield();
    }
    char *tree = dump_as(COVEY_DUMP_TREE);
    char *folded = dump_as(COVEY_DUMP_FOLDED);
    char *json = dump_as(COVEY_DUMP_JSON);
    atomic_store(&is_over, true);
    if (has_libdw()) {
        check_order(tree, in_tree);
        check_order(folded, in_tree);
        check_order(json, in_json);
    }
    free(tree);
    free(folded);
    free(json);
    return NULL;
}

static int spinner(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    spin();
    HAVE_FRAME();
    return 0;
}

static void spin_and_look(covey_ctx *ctx)
{
    covey_group *g = covey_group_new(ctx);
    pthread_t thread;

    atomic_store(&is_over, false);
    atomic_store(&is_spinning, false);
    CHECK_EQ(pthread_create(&thread, NULL, look_at_spinning, NULL), 0);
    GO(g, spinner, NULL);
    JOIN(g);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TASK_TEST(a_running_task_is_shown_where_it_is)
{
    spin_and_look(ctx);
}

static atomic_bool is_reading;

/* One that its end alone ends: what interrupts it does not. */
__attribute__((noinline)) static int read_end(int fd)
{
    char byte;

    atomic_store(&is_reading, true);
    ssize_t n = read(fd, &byte, 1);
    return n == 0 ? 0 : -EIO;
}

static int read_to_end(covey_ctx *ctx, void *arg)
{
    int code = read_end(*(int *)arg);

    (void)ctx;
    HAVE_FRAME();
    return code;
}

static int call_blocking(covey_ctx *ctx, void *arg)
{
    int code = covey_blocking(ctx, read_to_end, arg);

    HAVE_FRAME();
    return code;
}

TASK_TEST(a_blocking_call_is_shown_where_it_is)
{
    static const char *const parts[] = {"\"call_blocking\" waiting in blocking call of read_to_end",
                                        "at read_end (debug_stack_test.c:",
                                        "at read_to_end (debug_stack_test.c:",
                                        "at covey_blocking (",
                                        "at call_blocking (debug_stack_test.c:",
                                        NULL};
    covey_group *g = covey_group_new(ctx);
    int ends[2];

    CHECK_EQ(pipe(ends), 0);
    atomic_store(&is_reading, false);
    GO(g, call_blocking, &ends[0]);
    while (!atomic_load(&is_reading)) {
        covey_yield();
    }
    char *text = dump_as(COVEY_DUMP_TREE);
    if (has_libdw() && !WITH_TSAN) { /* which answers when the call has ended */
        check_order(text, parts);
        CHECK(!strstr(text, "call_run"));
    }
    free(text);
    CHECK_EQ(close(ends[1]), 0);
    JOIN(g);
    CHECK_EQ(close(ends[0]), 0);
}

/* ---- plain threads ---- */

static atomic_int there;

static int receive_in_thread(covey_chan *ch)
{
    int code = covey_chan_recv(NULL, ch, NULL);

    HAVE_FRAME();
    return code;
}

static void *thread_main(void *arg)
{
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(receive_in_thread(arg), 0);
    }
    return NULL;
}

static char *dump_with(covey_dump_format format, const char *words)
{
    for (;;) {
        char *text = dump_as(format);
        if (strstr(text, words)) {
            return text;
        }
        free(text);
        covey_yield();
    }
}

TASK_TEST(a_plain_thread_that_waits_is_shown)
{
    static const char *const in_text[] = {"  plain thread ",
                                          " waiting in chan receive ",
                                          "not cancellable",
                                          "at covey_chan_recv (",
                                          "at receive_in_thread (debug_stack_test.c:",
                                          "at thread_main (debug_stack_test.c:",
                                          NULL};
    static const char *const in_json[] = {"\"threads\":[",
                                          "\"state\":\"waiting\"",
                                          "\"for\":\"chan receive\"",
                                          "\"can_cancel\":false",
                                          "\"function\":\"receive_in_thread\"",
                                          NULL};
    covey_chan *ch = covey_chan_new(0, 0);
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, thread_main, ch), 0);
    for (int i = 0; i < 2; i++) {
        char *tree = dump_with(COVEY_DUMP_TREE, "plain thread");
        char *folded = dump_with(COVEY_DUMP_FOLDED, "plain thread");
        char *json = dump_with(COVEY_DUMP_JSON, "chan receive");
        if (has_libdw() && !WITH_TSAN) { /* which answers when the wait is over */
            check_order(tree, in_text);
            check_order(folded, in_text);
            check_order(json, in_json);
        }
        free(tree);
        free(folded);
        free(json);
        CHECK_EQ(covey_chan_send(ctx, ch, NULL), 0);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    char *text = dump_as(COVEY_DUMP_TREE);
    CHECK(!strstr(text, "plain thread"));
    free(text);
    covey_chan_unref(ch);
}

/* Threads that wait, time out, are woken and end while they are looked at. */
static void *wait_shortly(void *arg)
{
    for (int i = 0; i < 200; i++) {
        covey_ctx *ctx = covey_ctx_with_timeout(NULL, (i % 3) * 100 * COVEY_US);
        (void)covey_chan_recv(ctx, arg, NULL);
        covey_ctx_unref(ctx);
    }
    atomic_fetch_sub(&there, 1);
    return NULL;
}

TASK_TEST(plain_threads_are_looked_at_while_they_come_and_go)
{
    enum { THREADS = 4 };
    covey_chan *ch = covey_chan_new(0, 0);
    pthread_t threads[THREADS];

    atomic_store(&there, THREADS);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_shortly, ch), 0);
    }
    while (atomic_load(&there) > 0) {
        (void)covey_chan_try_send(ch, NULL);
        free(dump_as(COVEY_DUMP_JSON));
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    covey_chan_unref(ch);
}

static atomic_int urgent;

static void on_urgent(int number)
{
    (void)number;
    atomic_fetch_add(&urgent, 1);
}

static int dump_and_raise(covey_ctx *ctx, void *arg)
{
    (void)arg;
    spin_and_look(ctx);
    CHECK_EQ(atomic_load(&urgent), 0);
    CHECK_EQ(raise(SIGURG), 0);
    CHECK_EQ(atomic_load(&urgent), 1);
    return 0;
}

TEST(the_programs_own_handler_of_the_signal_keeps_its_signals)
{
    CHECK(signal(SIGURG, on_urgent) != SIG_ERR);
    CHECK_EQ(covey_run(dump_and_raise, NULL), 0);
    CHECK_EQ(raise(SIGURG), 0);
    CHECK_EQ(atomic_load(&urgent), 2);
}

/* ---- while everything moves ---- */

static int nothing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int start_and_end(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (!atomic_load(&is_over)) {
        covey_group *g = covey_group_new(ctx);
        GO(g, nothing, NULL);
        JOIN(g);
        CHECK_EQ(covey_blocking(ctx, nothing, NULL), 0);
        covey_yield();
    }
    return 0;
}

static void *dump_often(void *arg)
{
    static const covey_dump_format formats[] = {COVEY_DUMP_TREE, COVEY_DUMP_FOLDED,
                                                COVEY_DUMP_JSON};

    (void)arg;
    for (int i = 0, n = turns(20); i < n; i++) {
        free(dump_as(formats[i % 3]));
    }
    return NULL;
}

static int wait_for_dumps(covey_ctx *ctx, void *arg)
{
    pthread_t threads[2];

    (void)ctx;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, dump_often, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    atomic_store(&is_over, true);
    return 0;
}

TASK_TEST(threads_are_asked_while_tasks_and_calls_come_and_go)
{
    covey_group *g = covey_group_new(ctx);

    atomic_store(&is_over, false);
    for (int i = 0; i < 8; i++) {
        GO(g, start_and_end, NULL);
    }
    CHECK_EQ(covey_blocking(ctx, wait_for_dumps, NULL), 0);
    JOIN(g);
}
