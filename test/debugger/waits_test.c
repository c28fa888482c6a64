/* SPDX-License-Identifier: MIT
 * waits_test.c - what a dump says of each wait; and a program for compare_test.sh. */
#include "harness.h"
#include "task.h"
#include "waits.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#define FULL_DIALS 4

static covey_chan *empty, *full, *held;
static covey_mutex mutex, free_mutex, left;
static covey_rwmutex written, read_lock;
static covey_waitgroup waitgroup;
static covey_once_flag once;
static covey_cond cond;
static covey_sem *sem;
static covey_singleflight *flight;
static covey_listener *listener;
static covey_conn *conn;
static covey_udp *udp;
static int pipes[2], blocker[2];

static int receives(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_chan_recv(ctx, empty, NULL);
}

static int sends(covey_ctx *ctx, void *arg)
{
    int value = 1;

    (void)arg;
    return covey_chan_send(ctx, full, &value);
}

static int receives_for_ever(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_chan_recv(NULL, empty, NULL);
}

static int selects(covey_ctx *ctx, void *arg)
{
    int value;

    (void)arg;
    return covey_select(ctx, COVEY_RECV(empty, NULL), COVEY_SEND(full, &value), COVEY_DONE(ctx),
                        COVEY_READABLE(pipes[0]), COVEY_AFTER(1000 * COVEY_SEC),
                        COVEY_RECV(empty, NULL), COVEY_RECV(empty, NULL));
}

static int locks(covey_ctx *ctx, void *arg)
{
    return covey_mutex_lock_ctx(ctx, arg);
}

/* And is gone when somebody wants it. */
static int leaves_locked(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_mutex_lock(arg);
    return 0;
}

static int reads_under(covey_ctx *ctx, void *arg)
{
    return covey_rwmutex_rlock_ctx(ctx, arg);
}

static int writes_under(covey_ctx *ctx, void *arg)
{
    return covey_rwmutex_lock_ctx(ctx, arg);
}

static int holds_all(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_mutex_lock(&mutex);
    covey_rwmutex_lock(&written);
    covey_rwmutex_rlock(&read_lock);
    covey_chan_close(held);
    return covey_sleep(ctx, 1000 * COVEY_SEC);
}

static int waits_for_cond(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_mutex_lock(&free_mutex);
    int code = covey_cond_wait(ctx, &cond, &free_mutex);
    covey_mutex_unlock(&free_mutex);
    return code;
}

static int acquires(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sem_acquire(ctx, sem, 1);
}

static int waits_for_others(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_waitgroup_wait(ctx, &waitgroup);
}

static void never_done(void *arg)
{
    (void)arg;
    (void)covey_chan_recv(NULL, empty, NULL);
}

static int runs_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_once(&once, never_done, arg);
    return 0;
}

static int flies(covey_ctx *ctx, void *arg, void **result)
{
    (void)result;
    return receives(ctx, arg);
}

static int shares(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_singleflight_do(ctx, flight, "key", flies, NULL, NULL, NULL);
}

static int joins(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, receives, NULL);
    return covey_group_wait(g);
}

static int wants_room(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    covey_group_set_limit(g, 1);
    (void)covey_group_go(g, receives, NULL);
    (void)covey_group_go(g, receives, NULL);
    return covey_group_wait(g);
}

static int reads(covey_ctx *ctx, void *arg)
{
    char c;

    (void)arg;
    return (int)covey_read(ctx, conn, &c, 1);
}

static int hears_of_hangup(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_conn_wait_hangup(ctx, conn);
}

static int writes(covey_ctx *ctx, void *arg)
{
    static const char much[1 << 20];

    (void)arg;
    for (;;) {
        ssize_t n = covey_write(ctx, conn, much, sizeof(much));
        if (n < 0) {
            return (int)n;
        }
    }
}

static int accepts(covey_ctx *ctx, void *arg)
{
    covey_conn *c;

    (void)arg;
    return covey_accept(ctx, listener, &c);
}

static int hears_datagrams(covey_ctx *ctx, void *arg)
{
    char c;

    (void)arg;
    return (int)covey_recvfrom(ctx, udp, &c, 1, NULL, 0);
}

static int waits_for_fd(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_wait_fd(ctx, pipes[0], COVEY_FD_READ);
}

static int dials(covey_ctx *ctx, void *arg)
{
    covey_conn *c;
    return covey_dial(ctx, &c, arg);
}

static int blocks_thread(covey_ctx *ctx, void *arg)
{
    char c;

    (void)ctx;
    (void)arg;
    return (int)read(blocker[0], &c, 1);
}

static int blocks(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, blocks_thread, arg);
}

static int has_deadline(covey_ctx *ctx, void *arg)
{
    covey_ctx *limit = covey_ctx_with_timeout(ctx, 1000 * COVEY_SEC);
    int code = receives(limit, arg);

    covey_ctx_unref(limit);
    return code;
}

static int is_deaf(covey_ctx *ctx, void *arg)
{
    covey_ctx *own = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(own);

    (void)covey_group_go(g, receives_for_ever, arg);
    covey_ctx_cancel(own);
    int code = covey_group_wait(g);
    covey_ctx_unref(own);
    return code;
}

static int is_late(covey_ctx *ctx, void *arg)
{
    covey_ctx *limit = covey_ctx_with_timeout(ctx, 1);
    covey_group *g = covey_group_new(limit);

    (void)covey_group_go(g, receives_for_ever, arg);
    int code = covey_group_wait(g);
    covey_ctx_unref(limit);
    return code;
}

static int notes(covey_ctx *ctx, void *arg)
{
    covey_wait_note outer = {.what = "answer", .text = arg};
    covey_wait_note inner = {.what = "nothing"};

    covey_wait_note_begin(&outer);
    covey_wait_note_begin(&inner);
    int code = receives(ctx, NULL);
    covey_wait_note_end(&inner);
    covey_wait_note_end(&outer);
    return code;
}

static void say_which(const covey_wait_note *note, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", note->text);
}

static int notes_by_function(covey_ctx *ctx, void *arg)
{
    covey_wait_note note = {.what = "turn", .text = "the seventh", .describe = say_which};

    covey_wait_note_begin(&note);
    int code = receives(ctx, arg);
    covey_wait_note_end(&note);
    return code;
}

static int is_pinned(covey_ctx *ctx, void *arg)
{
    covey_pin();
    int code = receives(ctx, arg);
    covey_unpin();
    return code;
}

/* An address that takes no more connections, and answers nothing: its queue is full. */
static const char *deaf_address(void)
{
    static char address[32];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && listen(fd, 0) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&to, &len) == 0);
    for (int i = 0; i < FULL_DIALS; i++) {
        int full_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(full_fd, (struct sockaddr *)&to, sizeof(to));
    }
    (void)snprintf(address, sizeof(address), "tcp://127.0.0.1:%d", ntohs(to.sin_port));
    return address;
}

static void make_objects(covey_ctx *ctx)
{
    int value = 1;

    empty = covey_chan_new(0, 0);
    held = covey_chan_new(0, 0);
    full = covey_chan_new(sizeof(int), 2);
    CHECK_EQ(covey_chan_set_name(full, "let\tters"), 0);
    CHECK(covey_chan_send(ctx, full, &value) == 0 && covey_chan_send(ctx, full, &value) == 0);
    sem = covey_sem_new(1);
    CHECK_EQ(covey_sem_acquire(ctx, sem, 1), 0);
    flight = covey_singleflight_new();
    covey_waitgroup_add(&waitgroup, 3);
    CHECK(pipe(pipes) == 0 && pipe(blocker) == 0);
    CHECK(covey_listen(&listener, "tcp://127.0.0.1:0", NULL) == 0);
    CHECK(covey_dial(ctx, &conn, covey_listener_addr(listener)) == 0);
    covey_conn *other;
    CHECK(covey_accept(ctx, listener, &other) == 0);
    CHECK(covey_udp_open(&udp, "udp://127.0.0.1:0", NULL) == 0);
}

#define WAIT(fn, arg)                                                                              \
    {                                                                                              \
#fn, fn, arg                                                                               \
    }

static const struct {
    const char *name;
    covey_fn *fn;
    void *arg;
} waits[] = {
    WAIT(receives, NULL),
    WAIT(sends, NULL),
    WAIT(selects, NULL),
    WAIT(receives_for_ever, NULL),
    WAIT(locks, &mutex),
    WAIT(locks, &left),
    WAIT(reads_under, &written),
    WAIT(writes_under, &read_lock),
    WAIT(waits_for_cond, NULL),
    WAIT(acquires, NULL),
    WAIT(waits_for_others, NULL),
    WAIT(runs_once, NULL),
    WAIT(runs_once, NULL),
    WAIT(shares, NULL),
    WAIT(joins, NULL),
    WAIT(wants_room, NULL),
    WAIT(reads, NULL),
    WAIT(writes, NULL),
    WAIT(hears_of_hangup, NULL),
    WAIT(accepts, NULL),
    WAIT(hears_datagrams, NULL),
    WAIT(waits_for_fd, NULL),
    WAIT(blocks, NULL),
    WAIT(has_deadline, NULL),
    WAIT(is_deaf, NULL),
    WAIT(is_late, NULL),
    WAIT(is_pinned, NULL),
    WAIT(notes, "the answer\nto   everything"),
    WAIT(notes,
         "a text that is cut, since it is longer than the ninety-five bytes which are all that "
         "a dump shows of one"),
    WAIT(notes_by_function, NULL),
};

static const char *const expected[] = {
    "waiting in chan send 0x",
    "(\"let?ters\", 2 of 2 buffered)",
    "waiting in select (receive 0x",
    ", and 2 more) for ",
    "(held by task ",
    ", which has ended) for ",
    "(read by task ",
    "waiting in cond 0x",
    "waiting in semaphore 0x",
    "(0 of 1 free, held by task ",
    "(3 to go)",
    "waiting in once 0x",
    "waiting in singleflight 0x",
    "waiting in group wait 0x",
    "(1 alive, limit 1)",
    "waiting in read (fd ",
    " at udp://127.0.0.1:",
    "waiting in write (fd ",
    "waiting in hang-up (fd ",
    "waiting in accept (fd ",
    "waiting in dial (to tcp://127.0.0.1:",
    "waiting in blocking call of blocks_thread",
    "deadline in ",
    "its context is done (canceled)",
    "its context is done (deadline exceeded, set at ",
    "not cancellable",
    "awaiting answer \"the answer to everything\"",
    "are all that a dump ...\"",
    "awaiting turn \"the seventh\"",
};

static int wait_all(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new_with(ctx, &(covey_group_options){.policy = COVEY_ALL});
    size_t n = sizeof(waits) / sizeof(waits[0]);

    (void)arg;
    make_objects(ctx);
    GO(g, holds_all, NULL);
    CHECK_EQ(covey_chan_recv(ctx, held, NULL), COVEY_ECLOSED);
    covey_group *leaving = covey_group_new(ctx);
    GO(leaving, leaves_locked, &left);
    CHECK_EQ(covey_group_wait(leaving), 0);
    for (size_t i = 0; i < n; i++) {
        const covey_task_options named = {.name = waits[i].name};
        CHECK_EQ(covey_group_go_with(g, &named, waits[i].fn, waits[i].arg), 0);
    }
    GO(g, dials, (void *)(uintptr_t)deaf_address());
    char *text = waits_dump(ctx, (int)n + 7, expected, sizeof(expected) / sizeof(expected[0]));
    free(text);
    _exit(0);
}

TEST(each_wait_is_told_of)
{
    const covey_options options = {.workers = 2, .diagnose = true};

    CHECK_EQ(covey_run_with(&options, wait_all, NULL), 0);
}
