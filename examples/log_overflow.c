/* SPDX-License-Identifier: MIT
 * log_overflow.c - a log that neither stops the program nor loses entries unseen.
 *
 * Twelve tasks log 1,200 entries a second into a channel with room for 100; one task writes them.
 * In the middle the disk hangs for 600 ms, or until an entry was dropped: a sender waits 100 ms at
 * most, drops its entry and counts it in log_dropped_total. When the disk is back, so is the log.
 * The longest wait is printed and not judged: a busy machine adds to it. */
#include "example.h"

enum { TASKS = 12, ENTRIES_EACH = 100, PERIOD_MS = 10, ROOM = 100, LONG_MS = 400 };
static const int64_t longest_wait_allowed = 100 * COVEY_MS;

struct entry {
    int task, number;
};

struct log {
    covey_chan *entries; /* of struct entry */
    int64_t hang_ns;     /* how long the disk hangs */
    atomic_long dropped_total;
    long written;     /* the writer's */
    covey_mutex lock; /* for longest_wait */
    int64_t longest_wait;
};

/* Never fails but with ctx; an entry that finds no room in time is dropped and counted. */
static int log_entry(covey_ctx *ctx, struct log *log, struct entry e)
{
    int which = covey_select(ctx, COVEY_SEND(log->entries, &e), COVEY_AFTER(longest_wait_allowed));

    if (which == 1) {
        atomic_fetch_add(&log->dropped_total, 1);
    }
    return which < 0 ? which : 0;
}

/* The writer: ends when the channel is closed and empty. */
static int write_entries(covey_ctx *ctx, void *arg)
{
    struct log *log = arg;
    struct entry e;
    int err;

    while ((err = covey_chan_recv(ctx, log->entries, &e)) == 0) {
        if (log->written++ == 200) {
            (void)covey_sleep(ctx, log->hang_ns);
            while (log->hang_ns >= LONG_MS * COVEY_MS && atomic_load(&log->dropped_total) == 0 &&
                   covey_sleep(ctx, COVEY_MS) == 0) {
            }
        }
    }
    return err == COVEY_ECLOSED ? 0 : err;
}

struct worker {
    struct log *log;
    int number;
};

/* Does its work, and logs it, every 10 ms. */
static int work(covey_ctx *ctx, void *arg)
{
    struct worker *w = arg;
    int err = 0;

    for (int i = 0; i < ENTRIES_EACH && err == 0; i++) {
        int64_t start = covey_now();
        err = log_entry(ctx, w->log, (struct entry){w->number, i});
        int64_t waited = covey_now() - start;

        covey_mutex_lock(&w->log->lock);
        if (waited > w->log->longest_wait) {
            w->log->longest_wait = waited;
        }
        covey_mutex_unlock(&w->log->lock);
        if (err == 0) {
            err = covey_sleep(ctx, PERIOD_MS * COVEY_MS);
        }
    }
    return err;
}

/* Runs the twelve, and closes the log when the last has ended. */
static int run_workers(covey_ctx *ctx, struct log *log)
{
    covey_group *g = covey_group_new(ctx);
    int err = 0;

    if (!g) {
        return -ENOMEM;
    }
    for (int i = 0; i < TASKS && err == 0; i++) {
        struct worker w = {log, i};
        err = covey_group_go_copy(g, work, &w, sizeof(w));
    }
    int failed = covey_group_wait(g);
    (void)covey_chan_close(log->entries);
    return failed < 0 ? failed : err;
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct log *log = arg;
    const long offered = TASKS * ENTRIES_EACH;
    covey_group *g = covey_group_new(ctx);

    if (!g) {
        return -ENOMEM;
    }
    log->entries = covey_chan_new(sizeof(struct entry), ROOM);
    int err = log->entries ? covey_group_go(g, write_entries, log) : -ENOMEM;

    printf("%ld entries, %d a second, room for %d; the disk hangs for %lld ms:\n", offered,
           TASKS * 1000 / PERIOD_MS, ROOM, (long long)(log->hang_ns / COVEY_MS));
    int64_t start = covey_now();
    if (err == 0) {
        err = run_workers(ctx, log);
    }
    int failed = covey_group_wait(g);
    long dropped = atomic_load(&log->dropped_total);

    expect(err == 0 && failed == 0, "nobody got stuck: all ended after %lld ms",
           (long long)example_ms(start));
    expect(log->written + dropped == offered, "%ld written and log_dropped_total %ld make %ld",
           log->written, dropped, offered);
    expect(dropped > 0 || log->hang_ns < LONG_MS * COVEY_MS,
           "what found no room was dropped; the longest wait of a sender was %lld ms",
           (long long)(log->longest_wait / COVEY_MS));
    covey_chan_unref(log->entries);
    return err < 0 ? err : failed;
}

int main(int argc, char **argv)
{
    int64_t hang_ms = 600;
    const struct example_option options[] = {{"--hang", &hang_ms, "milliseconds the disk hangs"}};

    example_options(argc, argv, "A log channel overflows.", options, 1);
    struct log log = {.hang_ns = hang_ms * COVEY_MS};
    return example_result(covey_run(tour, &log));
}
