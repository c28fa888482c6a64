/* SPDX-License-Identifier: MIT
 * task_test.c - tasks: starting them, their names and ids, what is theirs alone (stack, errno,
 * registers), pinning, yielding, and that one that blocks or spins in C holds up only itself. */
#include "support.h"

#include "pool.h"

#include <fcntl.h>
#include <fenv.h>
#include <float.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

static int signal_end(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_chan_send(NULL, arg, NULL);
}

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* Starting. */

struct start {
    covey_chan *end;
    covey_ctx *root;
    int plain;
};

static int see_start(covey_ctx *ctx, void *arg)
{
    struct start *s = arg;

    CHECK(ctx == s->root);
    CHECK_EQ(s->plain, 4); /* written before the call that started it */
    s->plain = 5;
    return covey_chan_send(NULL, s->end, NULL);
}

TASK_TEST(a_detached_task_runs_under_the_root_context)
{
    struct start s = {.end = covey_chan_new(0, 0), .root = ctx, .plain = 4};

    CHECK_EQ(covey_go(see_start, &s), 0);
    CHECK_EQ(covey_chan_recv(NULL, s.end, NULL), 0);
    CHECK_EQ(s.plain, 5);
    covey_chan_unref(s.end);
}

static int start_detached(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_go(see_start, arg);
}

TASK_TEST(a_detached_task_of_a_groups_task_outlives_the_group)
{
    struct start s = {.end = covey_chan_new(0, 0), .root = ctx, .plain = 4};
    covey_group *g = covey_group_new(ctx);

    GO(g, start_detached, &s);
    JOIN(g); /* the detached one still waits to send */
    CHECK_EQ(covey_chan_recv(NULL, s.end, NULL), 0);
    covey_chan_unref(s.end);
}

static int set_ran(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_store((atomic_int *)arg, 1);
    return 0;
}

struct long_turns {
    covey_chan *ch;
    atomic_bool was_woken;
};

static int wait_for_a_value(covey_ctx *ctx, void *arg)
{
    struct long_turns *l = arg;

    CHECK_EQ(covey_chan_recv(ctx, l->ch, NULL), 0);
    atomic_store(&l->was_woken, true);
    return 0;
}

/* Turns long enough for the worker to look at its clock after each. */
static int yield_after_long_turns(covey_ctx *ctx, void *arg)
{
    struct long_turns *l = arg;

    (void)ctx;
    while (!atomic_load(&l->was_woken)) {
        for (int64_t until = covey_now() + 200 * COVEY_US; covey_now() < until;) {
        }
        covey_yield();
    }
    return 0;
}

TASK_TEST(a_woken_task_gets_its_turn_among_others_that_yield_after_long_turns)
{
    struct long_turns l = {.ch = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "receiver", wait_for_a_value, &l);
    GO(g, yield_after_long_turns, &l);
    /* So many that the worker looks after each of them. */
    for (int i = 0; i < 150; i++) {
        for (int64_t until = covey_now() + 200 * COVEY_US; covey_now() < until;) {
        }
        covey_yield();
    }
    CHECK_EQ(covey_chan_send(ctx, l.ch, NULL), 0);
    JOIN(g);
    covey_chan_unref(l.ch);
}

/* Every turn goes by way of the worker's own stack then, where the ring once went before the slot.
 */
TEST(a_woken_task_gets_its_turn_under_migration)
{
    CHECK_EQ(setenv("COVEY_DEBUG", "migrate", 1), 0);
    CHECK_EQ(
        covey_run(main_a_woken_task_gets_its_turn_among_others_that_yield_after_long_turns, NULL),
        0);
}

struct talk {
    covey_chan *there, *back;
    atomic_int others_ran;
};

static int answer(covey_ctx *ctx, void *arg)
{
    struct talk *t = arg;

    while (covey_chan_recv(ctx, t->there, NULL) == 0) {
        CHECK_EQ(covey_chan_send(ctx, t->back, NULL), 0);
    }
    return 0;
}

static int talk_until_others_ran(covey_ctx *ctx, void *arg)
{
    struct talk *t = arg;

    for (int rounds = 0; !atomic_load(&t->others_ran); rounds++) {
        /* Of two workers the other may have taken it, and lost its processor. */
        CHECK(covey_workers() > 1 || rounds < 1000);
        CHECK_EQ(covey_chan_send(ctx, t->there, NULL), 0);
        CHECK_EQ(covey_chan_recv(ctx, t->back, NULL), 0);
    }
    covey_chan_close(t->there);
    return 0;
}

/* Each of the two wakes the other last; with one worker there is nobody else to run the third. */
TASK_TEST(two_that_talk_leave_turns_to_others)
{
    struct talk t = {.there = covey_chan_new(0, 0), .back = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);

    GO(g, answer, &t);
    GO(g, talk_until_others_ran, &t);
    GO(g, set_ran, &t.others_ran);
    JOIN(g);
    covey_chan_unref(t.there);
    covey_chan_unref(t.back);
}

/* Long turns, each of which ends only when a plain thread has started the next: the queue that
 * threads feed is never empty, and the worker looks at it after each turn. */
struct flood {
    sem_t wanted, started;
    atomic_int count;
    atomic_bool is_over;
};

static void await(sem_t *s)
{
    while (sem_wait(s) != 0) {
    }
}

static int flow_on(covey_ctx *ctx, void *arg)
{
    struct flood *f = arg;

    (void)ctx;
    for (int64_t until = covey_now() + 200 * COVEY_US; covey_now() < until;) {
    }
    CHECK_EQ(sem_post(&f->wanted), 0);
    await(&f->started);
    return 0;
}

static void *start_as_wanted(void *arg)
{
    struct flood *f = arg;

    for (await(&f->wanted); !atomic_load(&f->is_over); await(&f->wanted)) {
        CHECK_EQ(covey_go(flow_on, f), 0);
        atomic_fetch_add(&f->count, 1);
        CHECK_EQ(sem_post(&f->started), 0);
    }
    CHECK_EQ(sem_post(&f->started), 0);
    return NULL;
}

static int join_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return -pthread_join(*(pthread_t *)arg, NULL);
}

static uint64_t takeovers(void)
{
    covey_stats s;

    covey_stats_get(&s);
    return s.takeovers;
}

static int take_turns_in_a_flood(covey_ctx *ctx, void *arg)
{
    struct flood *f = arg;
    pthread_t thread;
    uint64_t taken = takeovers(), next;

    CHECK_EQ(pthread_create(&thread, NULL, start_as_wanted, f), 0);
    CHECK_EQ(covey_go(flow_on, f), 0);
    for (int before = 0, now = 0; now < 300; before = now) {
        covey_yield();
        next = takeovers();
        now = atomic_load(&f->count);
        /* Turns that others had in between; any number, while this thread stood still and had lost
         * its worker. */
        CHECK(now - before <= 4 || takeovers() != taken);
        taken = next;
    }
    atomic_store(&f->is_over, true);
    return covey_blocking(ctx, join_thread, &thread);
}

TEST(what_threads_start_without_end_leaves_turns_to_others)
{
    static struct flood f;
    covey_options one_worker = {.workers = 1};

    CHECK_EQ(sem_init(&f.wanted, 0, 0), 0);
    CHECK_EQ(sem_init(&f.started, 0, 0), 0);
    CHECK_EQ(covey_run_with(&one_worker, take_turns_in_a_flood, &f), 0);
}

TASK_TEST(a_yielding_task_meets_everyone_it_started)
{
    atomic_int ran[50];

    for (int i = 0; i < 50; i++) {
        atomic_init(&ran[i], 0);
        CHECK_EQ(covey_go(set_ran, &ran[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        while (!atomic_load(&ran[i])) {
            covey_yield();
        }
    }
}

struct relay {
    atomic_int *left;
    covey_chan *end;
};

static int relay_on(covey_ctx *ctx, void *arg)
{
    struct relay *r = arg;

    (void)ctx;
    if (atomic_fetch_sub(r->left, 1) == 1) {
        return covey_chan_send(NULL, r->end, NULL);
    }
    return covey_go_copy(relay_on, r, sizeof(*r));
}

TASK_TEST(each_of_ten_thousand_starts_the_next)
{
    atomic_int left = 10000;
    struct relay r = {&left, covey_chan_new(0, 0)};

    CHECK_EQ(covey_go_copy(relay_on, &r, sizeof(r)), 0);
    CHECK_EQ(covey_chan_recv(NULL, r.end, NULL), 0);
    CHECK_EQ(atomic_load(&left), 0);
    covey_chan_unref(r.end);
}

TASK_TEST(thousands_are_alive_at_once)
{
    enum { N = 5000 };
    covey_group *g = covey_group_new(ctx);
    covey_chan *end = covey_chan_new(0, 0);

    for (int i = 0; i < N; i++) {
        GO(g, signal_end, end);
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_chan_recv(NULL, end, NULL), 0);
    }
    JOIN(g);
    covey_chan_unref(end);
}

static const size_t copy_sizes[] = {1, 2, 8, 24, 63, 64, 65, 100, 1000, 4096, 100000};

struct copied {
    size_t len;
    unsigned char fill;
};

static int check_block(covey_ctx *ctx, void *arg)
{
    struct copied head;
    unsigned char *block = arg;

    (void)ctx;
    memcpy(&head, block, sizeof(head));
    CHECK((uintptr_t)block % _Alignof(max_align_t) == 0);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = sizeof(head); i < head.len; i++) {
            CHECK_EQ(block[i], head.fill);
        }
        covey_yield();
    }
    return 0;
}

static int check_byte(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_yield();
    CHECK_EQ(*(unsigned char *)arg, 0x5a);
    return 0;
}

TASK_TEST(go_copy_copies_its_argument)
{
    unsigned char *block = malloc(100000), byte = 0x5a;

    CHECK(block);
    for (size_t s = 0; s < sizeof(copy_sizes) / sizeof(*copy_sizes); s++) {
        struct copied head = {copy_sizes[s], (unsigned char)(s + 1)};

        if (head.len < sizeof(head)) {
            CHECK_EQ(covey_go_copy(check_byte, &byte, 1), 0);
            continue;
        }
        memset(block, head.fill, head.len);
        memcpy(block, &head, sizeof(head));
        CHECK_EQ(covey_go_copy(check_block, block, head.len), 0);
        memset(block, 0xff, head.len);
    }
    byte = 0;
    free(block);
}

TASK_TEST(the_turns_of_a_loop_do_not_share_their_variable)
{
    enum { N = 200 };
    static atomic_int seen[N];
    covey_group *g = covey_group_new(ctx);
    atomic_int *place;

    for (int i = 0; i < N; i++) {
        place = &seen[i];
        CHECK_EQ(covey_group_go_copy(g, count_up, place, sizeof(*place)), 0);
        atomic_store(&seen[i], 1);
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(atomic_load(&seen[i]), 1); /* the tasks counted in copies */
    }
}

TEST(without_a_runtime_no_task_starts)
{
    atomic_int count = 0;
    covey_task_options opts = {.name = "nobody"};

    CHECK_EQ(covey_go(count_up, &count), COVEY_ECLOSED);
    CHECK_EQ(covey_go_with(&opts, count_up, &count), COVEY_ECLOSED);
    CHECK_EQ(covey_go_copy(count_up, &count, sizeof(count)), COVEY_ECLOSED);
    CHECK_EQ(atomic_load(&count), 0);
}

TASK_TEST(an_argument_too_large_for_memory_is_enomem)
{
    atomic_int count = 0;

    if (WITH_ASAN || WITH_TSAN) {
        SKIP("the sanitizer's allocator does not return");
    }
    CHECK_EQ(covey_go_copy(count_up, &count, SIZE_MAX), -ENOMEM);
    CHECK_EQ(covey_go_copy(count_up, &count, SIZE_MAX - 64), -ENOMEM);
}

static int nothing_to_do(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(*(int *)arg, 0);
    return 0;
}

/* A function stands behind each macro, for other languages. */
TASK_TEST(functions_stand_behind_the_macros)
{
    atomic_int count = 0;
    covey_task_options opts = {.name = "other"};
    covey_group_options group_opts = {.limit = 0};
    covey_group *g = (covey_group_new)(ctx);
    covey_waitgroup wg = {0};
    covey_ctx *c[3];
    int nothing = 0;

    CHECK_EQ((covey_group_go)(g, count_up, &count), 0);
    CHECK_EQ((covey_group_go_with)(g, &opts, count_up, &count), 0);
    CHECK_EQ((covey_group_try_go)(g, count_up, &count), 0);
    CHECK_EQ((covey_group_go_copy)(g, nothing_to_do, &nothing, sizeof(nothing)), 0);
    CHECK_EQ((covey_group_try_go_copy)(g, nothing_to_do, &nothing, sizeof(nothing)), 0);
    JOIN(g);
    JOIN((covey_group_new_with)(ctx, &group_opts));
    CHECK_EQ((covey_waitgroup_go)(&wg, count_up, &count), 0);
    CHECK_EQ(covey_waitgroup_wait(ctx, &wg), 0);
    CHECK_EQ((covey_go)(count_up, &count), 0);
    CHECK_EQ((covey_go_with)(&opts, count_up, &count), 0);
    CHECK_EQ((covey_go_copy)(nothing_to_do, &nothing, sizeof(nothing)), 0);
    while (atomic_load(&count) < 6) {
        covey_yield();
    }
    c[0] = (covey_ctx_with_timeout)(ctx, 0);
    c[1] = (covey_ctx_with_deadline)(ctx, covey_now());
    c[2] = (covey_ctx_for_cleanup)(ctx, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_sleep(c[i], COVEY_SEC), COVEY_EDEADLINE);
        CHECK(strstr(covey_errmsg(), "deadline exceeded"));
        covey_ctx_unref(c[i]);
    }
}

/* Ids and names. */

TEST(outside_a_task_there_is_no_id_and_no_name)
{
    CHECK_EQ(covey_task_id(), 0);
    CHECK_STR(covey_task_name(), "");
    covey_yield();
    covey_pin();
    covey_unpin();
}

struct identity {
    uint64_t id;
};

static int note_id(covey_ctx *ctx, void *arg)
{
    struct identity *me = arg;

    (void)ctx;
    me->id = covey_task_id();
    CHECK(me->id != 0);
    for (int i = 0; i < 3; i++) {
        covey_yield();
        CHECK(covey_task_id() == me->id);
    }
    return 0;
}

TASK_TEST(ids_are_unique_and_stay)
{
    enum { N = 300 };
    static struct identity ids[N];
    uint64_t mine = covey_task_id();

    CHECK(mine != 0);
    for (int round = 0; round < N / 30; round++) {
        covey_group *g = covey_group_new(ctx);

        for (int i = 0; i < 30; i++) {
            GO(g, note_id, &ids[round * 30 + i]);
        }
        JOIN(g);
    }
    for (int i = 0; i < N; i++) {
        CHECK(ids[i].id != mine);
        for (int j = 0; j < i; j++) {
            CHECK(ids[i].id != ids[j].id);
        }
    }
    CHECK(covey_task_id() == mine);
}

static int check_name(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_yield();
    CHECK_STR(covey_task_name(), arg);
    return 0;
}

TASK_TEST(a_task_is_named_by_its_function_or_by_option)
{
    covey_group *g = covey_group_new(ctx);
    char name[64] = "reader 7";
    covey_task_options opts = {.name = name}, none = {.name = NULL};

    CHECK_STR(covey_task_name(), "main_a_task_is_named_by_its_function_or_by_option");
    GO(g, check_name, "check_name");
    CHECK_EQ(covey_group_go_with(g, &none, check_name, "check_name"), 0);
    CHECK_EQ(covey_group_go_with(g, &opts, check_name, "reader 7"), 0);
    (void)strcpy(name, "changed since"); /* it was copied */
    JOIN(g);
    g = covey_group_new(ctx);
    (void)strcpy(name, "0123456789012345678901234567890"); /* cut at 31 bytes */
    CHECK_EQ(strlen(name), 31);
    CHECK_EQ(covey_group_go_with(g, &opts, check_name, "0123456789012345678901234567890"), 0);
    (void)strcat(name, "123456789");
    CHECK_EQ(covey_group_go_with(g, &opts, check_name, "0123456789012345678901234567890"), 0);
    JOIN(g);
}

/* Stacks. */

__attribute__((noinline)) static int descend(int depth, const char *above)
{
    volatile char frame[4096];

    memset((char *)frame, depth & 0x7f, sizeof(frame));
    CHECK(above != (const char *)frame);
    if (depth % 16 == 0) {
        covey_yield();
    }
    if (depth > 0) {
        CHECK_EQ(descend(depth - 1, (const char *)frame), depth - 1);
    }
    for (size_t i = 0; i < sizeof(frame); i += 512) {
        CHECK_EQ(frame[i], depth & 0x7f);
    }
    return depth;
}

static int use_stack(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(descend(*(int *)arg, NULL), *(int *)arg);
    return 0;
}

TASK_TEST(a_stack_grows_to_the_size_asked_for)
{
    static const struct {
        size_t stack_size;
        int pages;
    } tries[] = {{(size_t)1 << 20, 100}, {(size_t)16 << 20, 1000}, {(size_t)1 << 30, 2000}};

    for (int i = 0; i < 3; i++) {
        covey_task_options opts = {.stack_size = tries[i].stack_size};
        covey_group *g = covey_group_new(ctx);

        for (int j = 0; j < 4; j++) {
            CHECK_EQ(covey_group_go_with(g, &opts, use_stack, (void *)&tries[i].pages), 0);
        }
        JOIN(g);
    }
}

TASK_TEST(the_default_stack_holds_a_hundred_kilobytes)
{
    covey_group *g = covey_group_new(ctx);
    int pages = WITH_ASAN || WITH_TSAN ? 10 : 25;

    for (int i = 0; i < 50; i++) {
        GO(g, use_stack, &pages);
    }
    JOIN(g);
}

TASK_TEST(a_stack_beyond_one_gigabyte_is_einval)
{
    covey_task_options opts = {.stack_size = ((size_t)1 << 30) + 1};
    atomic_int count = 0;

    CHECK_EQ(covey_go_with(&opts, count_up, &count), -EINVAL);
    opts.stack_size = SIZE_MAX;
    CHECK_EQ(covey_go_with(&opts, count_up, &count), -EINVAL);
    settle();
    CHECK_EQ(atomic_load(&count), 0);
}

struct leaf {
    covey_chan *in, *out;
};

static int leaf_task(covey_ctx *ctx, void *arg)
{
    struct leaf *l = arg;
    int v, rc = covey_chan_recv(ctx, l->in, &v);

    if (rc == 0) {
        v++;
        rc = covey_chan_send(ctx, l->out, &v);
    }
    return rc;
}

TASK_TEST(compact_tasks_wait_and_pass_values)
{
    enum { N = 1000 };
    covey_task_options opts = {.compact = true}, larger = {.compact = true, .stack_size = 4096};
    struct leaf l = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0)};
    covey_group *g = covey_group_new(ctx);
    long sum = 0;

    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_group_go_with(g, i % 2 ? &opts : &larger, leaf_task, &l), 0);
    }
    for (int i = 0; i < N; i++) {
        int v;

        CHECK_EQ(covey_chan_send(NULL, l.in, &i), 0);
        CHECK_EQ(covey_chan_recv(NULL, l.out, &v), 0);
        sum += v;
    }
    CHECK_EQ(sum, (long)N * (N + 1) / 2);
    JOIN(g);
    covey_chan_unref(l.in);
    covey_chan_unref(l.out);
}

/* Formatting needs more stack than a compact task has. */
static int fail_with_words(covey_ctx *ctx, void *arg)
{
    int nth = *(int *)arg;

    (void)ctx;
    (void)covey_errorf(-EIO, "leaf %d, %s, %.3f", nth, "out of paper", 0.125);
    covey_yield();
    CHECK(strstr(covey_errmsg(), "out of paper, 0.125"));
    return covey_wrapf(-EIO, "printing %d pages", 40 + nth);
}

TASK_TEST(compact_tasks_may_format_their_words)
{
    covey_task_options opts = {.compact = true};

    for (int i = 0; i < 20; i++) {
        covey_group *g = covey_group_new(ctx);

        CHECK_EQ(covey_group_go_with(g, &opts, fail_with_words, &i), 0);
        CHECK_EQ(covey_group_wait(g), -EIO);
        char words[64];
        (void)snprintf(words, sizeof(words), "printing %d pages: leaf %d, out of paper, 0.125",
                       40 + i, i);
        CHECK_STR(covey_errmsg(), words);
    }
}

/* The largest number has thousands of digits, which printf works out on the stack. */
static int fail_with_a_large_number(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_errorf(-EIO, "%.0Lf pages", LDBL_MAX);
}

TASK_TEST(compact_tasks_may_format_the_largest_number)
{
    static char words[LDBL_MAX_10_EXP + 16];
    covey_task_options opts = {.compact = true};
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(covey_group_go_with(g, &opts, fail_with_a_large_number, NULL), 0);
    CHECK_EQ(covey_group_wait(g), -EIO);
    (void)snprintf(words, sizeof(words), "%.0Lf pages", LDBL_MAX);
    CHECK_STR(covey_errmsg(), words);
}

/* What is a task's own. */

static int keep_errno(covey_ctx *ctx, void *arg)
{
    int mine = *(int *)arg;

    errno = mine;
    for (int i = 0; i < 50; i++) {
        covey_yield();
        CHECK_EQ(errno, mine);
        errno = ++mine;
        if (i % 10 == 0) {
            CHECK_EQ(covey_sleep(ctx, 100 * COVEY_US), 0);
            CHECK_EQ(errno, mine);
        }
    }
    CHECK_EQ(open("/nowhere/at/all", O_RDONLY), -1);
    CHECK_EQ(errno, ENOENT); /* libc's errno is this one */
    covey_yield();
    CHECK_EQ(errno, ENOENT);
    return 0;
}

TASK_TEST(errno_is_kept_per_task)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 20; i++) {
        int first = 1000 * (i + 1);

        CHECK_EQ(covey_group_go_copy(g, keep_errno, &first, sizeof(first)), 0);
    }
    JOIN(g);
}

static int keep_registers(covey_ctx *ctx, void *arg)
{
    unsigned seed = *(unsigned *)arg;
    double d[8];
    unsigned long n[8];

    (void)ctx;
    for (int i = 0; i < 8; i++) {
        d[i] = seed + i * 0.5;
        n[i] = seed * 1000UL + (unsigned long)i;
    }
    for (int turn = 0; turn < 200; turn++) {
        for (int i = 0; i < 8; i++) {
            d[i] = d[i] + n[i] % 3;
            n[i] = n[i] + 3;
        }
        covey_yield();
    }
    for (int i = 0; i < 8; i++) {
        CHECK(d[i] == seed + i * 0.5 + 200.0 * ((seed * 1000UL + (unsigned long)i) % 3));
        CHECK(n[i] == seed * 1000UL + (unsigned long)i + 600);
    }
    return 0;
}

TASK_TEST(registers_survive_a_switch)
{
    covey_group *g = covey_group_new(ctx);

    for (unsigned i = 0; i < 16; i++) {
        CHECK_EQ(covey_group_go_copy(g, keep_registers, &i, sizeof(i)), 0);
    }
    JOIN(g);
}

static int keep_rounding(covey_ctx *ctx, void *arg)
{
    int mode = *(int *)arg;

    (void)ctx;
    CHECK_EQ(fegetround(), FE_TONEAREST);
    CHECK_EQ(fesetround(mode), 0);
    for (int i = 0; i < 50; i++) {
        covey_yield();
        CHECK_EQ(fegetround(), mode);
    }
    return 0;
}

TASK_TEST(the_rounding_mode_is_a_tasks_own)
{
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 12; i++) {
        CHECK_EQ(covey_group_go_copy(g, keep_rounding, &modes[i % 4], sizeof(int)), 0);
    }
    JOIN(g);
    CHECK_EQ(fegetround(), FE_TONEAREST);
}

/* Pinning. */

static int stay(covey_ctx *ctx, void *arg)
{
    int thread = thread_id();

    (void)arg;
    for (int i = 0; i < 50; i++) {
        covey_yield();
        CHECK_EQ(thread_id(), thread);
        if (i % 10 == 0) {
            CHECK_EQ(covey_sleep(ctx, 100 * COVEY_US), 0);
            CHECK_EQ(thread_id(), thread);
        }
    }
    return 0;
}

static int pin_and_stay(covey_ctx *ctx, void *arg)
{
    covey_pin();
    covey_pin();
    CHECK_EQ(stay(ctx, arg), 0);
    covey_unpin();
    CHECK_EQ(stay(ctx, arg), 0); /* calls nest */
    covey_unpin();
    return 0;
}

TASK_TEST(a_pinned_task_stays_on_its_thread)
{
    covey_task_options opts = {.pinned = true};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 4; i++) {
        GO(g, pin_and_stay, NULL);
        CHECK_EQ(covey_group_go_with(g, &opts, stay, NULL), 0);
    }
    JOIN(g);
}

static int keep_off(covey_ctx *ctx, void *arg)
{
    int thread = *(int *)arg;

    (void)ctx;
    for (int i = 0; i < 5; i++) {
        CHECK(thread_id() != thread);
        covey_yield();
    }
    return 0;
}

TASK_TEST(no_other_task_uses_a_pinned_tasks_thread)
{
    covey_group *g = covey_group_new(ctx);
    int thread;

    covey_pin();
    thread = thread_id();
    for (int i = 0; i < 200; i++) {
        GO(g, keep_off, &thread);
    }
    for (int i = 0; i < 20; i++) {
        covey_yield();
        CHECK_EQ(thread_id(), thread);
    }
    JOIN(g);
    CHECK_EQ(thread_id(), thread);
    covey_unpin();
}

TASK_TEST(more_pinned_tasks_than_workers)
{
    enum { N = 20 };
    covey_task_options opts = {.pinned = true};
    struct leaf l = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0)};
    covey_group *g = covey_group_new(ctx);

    covey_pin();
    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_group_go_with(g, &opts, leaf_task, &l), 0);
    }
    for (int i = 0; i < N; i++) {
        int v;

        CHECK_EQ(covey_chan_send(NULL, l.in, &i), 0);
        CHECK_EQ(covey_chan_recv(NULL, l.out, &v), 0);
    }
    JOIN(g);
    covey_unpin();
    covey_chan_unref(l.in);
    covey_chan_unref(l.out);
}

static int end_pinned(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    covey_pin();
    return 0;
}

TASK_TEST(a_task_may_end_pinned)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 20; i++) {
        GO(g, end_pinned, NULL);
    }
    JOIN(g);
    g = covey_group_new(ctx);
    for (int i = 0; i < 100; i++) {
        int byte = 0x5a;

        CHECK_EQ(covey_group_go_copy(g, check_byte, &byte, sizeof(byte)), 0);
    }
    JOIN(g);
}

/* A task that never calls covey holds up only itself. */

static int spin_until_set(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    while (!atomic_load((atomic_int *)arg)) {
    }
    return 0;
}

static int set_flag(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_store((atomic_int *)arg, 1);
    return 0;
}

TASK_TEST(spinning_tasks_do_not_stop_the_others)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int flag = 0;

    for (int i = 0; i < 4; i++) {
        GO(g, spin_until_set, &flag);
    }
    GO(g, set_flag, &flag);
    JOIN(g);
}

TASK_TEST(the_first_task_may_spin_too)
{
    atomic_int flag = 0;

    CHECK_EQ(covey_go(set_flag, &flag), 0);
    (void)spin_until_set(ctx, &flag);
}

static int set_flag_later(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_sleep(ctx, 2 * COVEY_MS), 0);
    return set_flag(ctx, arg);
}

TASK_TEST(timers_go_on_while_a_task_spins)
{
    atomic_int flag = 0;

    CHECK_EQ(covey_go(set_flag_later, &flag), 0);
    covey_yield();
    (void)spin_until_set(ctx, &flag);
}

static int read_byte(covey_ctx *ctx, void *arg)
{
    char byte;

    (void)ctx;
    return read(*(int *)arg, &byte, 1) == 1 ? 7 : -EIO;
}

static int write_byte(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return write(*(int *)arg, "x", 1) == 1 ? 0 : -EIO;
}

TASK_TEST(tasks_blocked_in_the_kernel_do_not_stop_the_others)
{
    enum { N = 10 };
    int p[2];
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
    for (int i = 0; i < N; i++) {
        GO(g, read_byte, &p[0]);
    }
    for (int i = 0; i < N; i++) {
        GO(g, write_byte, &p[1]);
    }
    JOIN(g);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
}

/* Blocking calls on the thread pool. */

struct block {
    covey_ctx *ctx;
    uint64_t task;
    int thread, fd, runs, result;
    atomic_int entered;
};

static int note_block(covey_ctx *ctx, void *arg)
{
    struct block *b = arg;

    CHECK(ctx == b->ctx);
    CHECK_EQ(covey_task_id(), 0); /* a plain thread */
    CHECK_STR(covey_task_name(), "");
    b->runs++;
    return 42;
}

TASK_TEST(blocking_runs_fn_outside_the_task_and_gives_its_code)
{
    struct block b = {.ctx = ctx};
    uint64_t me = covey_task_id();

    for (int i = 1; i <= 20; i++) {
        CHECK_EQ(covey_blocking(ctx, note_block, &b), 42);
        CHECK_EQ(b.runs, i);
        CHECK(covey_task_id() == me);
    }
}

static int fail_block(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_errorf(-EIO, "disk on fire");
}

static int fail_silent(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return -ENOENT;
}

TASK_TEST(blocking_carries_the_message)
{
    CHECK_EQ(covey_blocking(ctx, fail_block, NULL), -EIO);
    CHECK_EQ(covey_errcode(), -EIO);
    CHECK_STR(covey_errmsg(), "disk on fire");
    CHECK_EQ(covey_blocking(ctx, fail_silent, NULL), -ENOENT);
    CHECK_STR(covey_errmsg(), covey_strerror(-ENOENT));
}

TASK_TEST(blocking_waits_for_a_thread_under_its_context)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    struct pool_crowd c;
    struct block b = {.ctx = ctx};

    if (WITH_TSAN) {
        SKIP("too many threads for TSan");
    }
    pool_take(ctx, &c);
    CHECK_EQ(covey_blocking(limited, note_block, &b), COVEY_EDEADLINE);
    pool_let_go(&c);
    CHECK_EQ(covey_blocking(ctx, note_block, &b), 42);
    CHECK_EQ(pool_join(&c), 0);
    CHECK_EQ(b.runs, 1);
    covey_ctx_unref(limited);
}

TASK_TEST(blocking_with_a_done_context_does_not_run_fn)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED), *late = done_ctx(COVEY_EDEADLINE);
    struct block b = {.ctx = done};

    CHECK_EQ(covey_blocking(done, note_block, &b), COVEY_ECANCELED);
    CHECK_EQ(covey_blocking(late, note_block, &b), COVEY_EDEADLINE);
    CHECK_EQ(b.runs, 0);
    covey_ctx_unref(done);
    covey_ctx_unref(late);
}

static int block_read(covey_ctx *ctx, void *arg)
{
    struct block *b = arg;
    char byte;

    (void)ctx;
    atomic_store(&b->entered, 1);
    return read(b->fd, &byte, 1) == 1 ? 7 : -EIO;
}

static int block_task(covey_ctx *ctx, void *arg)
{
    struct block *b = arg;

    (void)ctx;
    b->result = covey_blocking(b->ctx, block_read, b);
    return 0;
}

TASK_TEST(once_fn_runs_a_cancellation_sees_it_through)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(NULL);
    struct block b = {.ctx = c};
    int p[2];

    CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
    b.fd = p[0];
    GO(g, block_task, &b);
    while (!atomic_load(&b.entered)) {
        covey_yield();
    }
    covey_ctx_cancel(c);
    settle();
    CHECK_EQ(covey_select(NULL, COVEY_JOINED(g), COVEY_DEFAULT), 1);
    CHECK_EQ(write(p[1], "x", 1), 1);
    JOIN(g);
    CHECK_EQ(b.result, 7);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
    covey_ctx_unref(c);
}

TASK_TEST(many_block_at_once)
{
    enum { N = 40 };
    struct block b[N];
    covey_group *g = covey_group_new(ctx);
    int p[2];

    CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
    for (int i = 0; i < N; i++) {
        b[i] = (struct block){.fd = p[0], .ctx = ctx};
        GO(g, block_task, &b[i]);
    }
    for (int i = 0; i < N; i++) { /* all of them are in read() before the first byte comes */
        while (!atomic_load(&b[i].entered)) {
            covey_yield();
        }
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ(write(p[1], "x", 1), 1);
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(b[i].result, 7);
    }
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
}

static int use_channels(covey_ctx *ctx, void *arg)
{
    struct leaf *l = arg;

    CHECK_EQ(covey_task_id(), 0);
    return leaf_task(ctx, l);
}

static int block_on_channels(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, use_channels, arg);
}

TASK_TEST(in_a_blocking_fn_every_primitive_works)
{
    struct leaf l = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0)};
    covey_group *g = covey_group_new(ctx);
    int v = 1;

    GO(g, block_on_channels, &l);
    CHECK_EQ(covey_chan_send(NULL, l.in, &v), 0);
    CHECK_EQ(covey_chan_recv(NULL, l.out, &v), 0);
    CHECK_EQ(v, 2);
    JOIN(g);
    covey_chan_unref(l.in);
    covey_chan_unref(l.out);
}

static int block_again(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, note_block, arg);
}

TASK_TEST(blocking_inside_a_blocking_fn_simply_calls_fn)
{
    struct block b = {.ctx = ctx};

    CHECK_EQ(covey_blocking(ctx, block_again, &b), 42);
    CHECK_EQ(b.runs, 1);
}

static int note_priority(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg = getpriority(PRIO_PROCESS, (id_t)gettid());
    return 0;
}

/* Each on threads of its own, which stay what they are. */
TASK_TEST(compute_stands_back_and_blocking_does_not)
{
    int usual = getpriority(PRIO_PROCESS, (id_t)gettid()), priority;

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_compute(ctx, note_priority, &priority), 0);
        CHECK_EQ(priority, 19);
        CHECK_EQ(covey_blocking(ctx, note_priority, &priority), 0);
        CHECK_EQ(priority, usual);
    }
    CHECK_EQ(getpriority(PRIO_PROCESS, (id_t)gettid()), usual);
}

static int compute_again(covey_ctx *ctx, void *arg)
{
    return covey_compute(ctx, note_block, arg);
}

TASK_TEST(compute_is_blocking_in_all_else)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    struct block b = {.ctx = ctx};

    CHECK_EQ(covey_compute(ctx, note_block, &b), 42);
    CHECK_EQ(covey_compute(ctx, compute_again, &b), 42);
    CHECK_EQ(b.runs, 2);
    CHECK_EQ(covey_compute(done, note_block, &b), COVEY_ECANCELED);
    CHECK_EQ(b.runs, 2);
    CHECK_EQ(covey_compute(ctx, fail_block, NULL), -EIO);
    CHECK_STR(covey_errmsg(), "disk on fire");
    covey_ctx_unref(done);
}

static int hold_the_thread(covey_ctx *ctx, void *arg)
{
    struct timespec until;
    struct timespec now;

    (void)ctx;
    (void)arg;
    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &until), 0);
    do {
        /* No call into covey: its worker is given away, and then there is nothing to do for it. */
        CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    } while ((now.tv_sec - until.tv_sec) * 1000 + (now.tv_nsec - until.tv_nsec) / 1000000 < 500);
    return 0;
}

static int end_at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int wait_for_who_holds_its_thread(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_group_go(g, i < covey_workers() ? hold_the_thread : end_at_once, NULL), 0);
    }
    return covey_group_wait(g);
}

TEST(a_task_that_alone_runs_c_code_is_no_deadlock)
{
    CHECK_EQ(covey_run(wait_for_who_holds_its_thread, NULL), 0);
}
