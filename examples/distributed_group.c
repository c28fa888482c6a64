/* SPDX-License-Identifier: MIT
 * distributed_group.c - a group whose tasks run elsewhere: invoices made by workers that may be
 * other processes, or on other hosts.
 *
 * The coordinator fans jobs out and waits, as for a group of its own tasks: results and the first
 * error come home, a failure cancels what others are doing, and a worker that goes away leaves its
 * jobs to the rest. A job may so be run twice; what it does to the world is done once, since it is
 * written down under the job's key.
 *
 * By default workers are tasks of this process. With --redis redis://... they are processes, forked
 * here, and one of them is killed in the middle. */
#include "example.h"

#include <covey/redis_fanout.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, INVOICES_MAX = 10000 };

static int64_t invoices = 200;
static char *url; /* NULL: within this process */
static const covey_fanout_timing timing = {.beat_ns = 50 * COVEY_MS, .dead_ns = 2 * COVEY_SEC};

/* The ledger: what was done to the world, under the job's key. Shared by all processes. */
static struct ledger {
    atomic_bool is_written[INVOICES_MAX];
    atomic_int written, found, auditing;
} * ledger;

/* ---- what workers do ---- */

static int make_invoice(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    int number = atoi(call->key), cents = atoi(call->data);
    bool is_written = false;
    char text[64];

    int code = covey_sleep(ctx, 5 * COVEY_MS); /* the work */
    if (code < 0) {
        return code;
    }
    bool is_first = atomic_compare_exchange_strong(&ledger->is_written[number], &is_written, true);
    atomic_fetch_add(is_first ? &ledger->written : &ledger->found, 1);
    code = covey_sleep(ctx, 5 * COVEY_MS); /* and some more, before it can say so */
    if (code < 0) {
        return code;
    }
    int len =
        snprintf(text, sizeof(text), "%d with tax, by worker %d", cents + cents / 5, *(int *)arg);
    return covey_fanout_reply(call, text, (size_t)len + 1);
}

static int audit(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    atomic_fetch_add(&ledger->auditing, 1);
    int code = covey_sleep(ctx, 3600 * COVEY_SEC);
    return code < 0 ? covey_errorf(code, "told to stop: %s", covey_strerror(covey_ctx_cause(ctx)))
                    : 0;
}

static int print(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)call;
    (void)arg;
    return covey_errorf(-EIO, "the printer is on fire");
}

static int work(covey_ctx *ctx, covey_fanout_engine *e, int number)
{
    const covey_fanout_handler handlers[] = {
        {.name = "invoice", .fn = make_invoice, .arg = &number},
        {.name = "audit", .fn = audit},
        {.name = "print", .fn = print},
    };
    const covey_fanout_worker_options opts = {.queue = "invoices", .jobs = 4};

    return covey_fanout_serve(ctx, e, handlers, 3, &opts);
}

/* ---- where they are: in a process each, or here ---- */

static pid_t processes[WORKERS];

static struct {
    covey_fanout_engine *engine;
    covey_ctx *ctx[WORKERS];
    covey_group *group;
} here;

static int worker_process(covey_ctx *ctx, void *arg)
{
    covey_ctx *until = covey_ctx_with_signals(ctx, (int[]){SIGTERM}, 1);
    covey_redis *r = NULL;
    int code = covey_redis_open(ctx, &r, url, NULL);

    if (code == 0) {
        covey_fanout_engine *e = covey_redis_fanout(r, &timing);
        code = e ? work(until, e, *(int *)arg) : -ENOMEM;
        covey_fanout_engine_free(e);
        covey_redis_close(r);
    }
    covey_ctx_unref(until);
    return code;
}

/* Before covey_run(): a forked child has no runtime, and starts one of its own. */
static void fork_workers(void)
{
    for (int i = 0; i < WORKERS; i++) {
        fflush(stdout);
        processes[i] = fork();
        if (processes[i] == 0) {
            _exit(covey_run(worker_process, &i) < 0);
        }
    }
}

static void end_processes(void)
{
    int status, well = 0;

    for (int i = 0; i < WORKERS; i++) {
        if (processes[i] > 0) {
            (void)kill(processes[i], SIGTERM);
            well += waitpid(processes[i], &status, 0) == processes[i] && status == 0;
        }
    }
    expect(well == WORKERS - 1, "the other %d worker processes left in good order", well);
}

static int worker_task(covey_ctx *ctx, void *arg)
{
    int number = *(int *)arg;

    (void)ctx;
    return work(here.ctx[number], here.engine, number);
}

static void start_tasks(covey_ctx *ctx)
{
    here.group = covey_group_new(ctx);
    for (int i = 0; i < WORKERS; i++) {
        here.ctx[i] = covey_ctx_with_cancel(ctx);
        (void)covey_group_go_copy(here.group, worker_task, &i, sizeof(i));
    }
}

static void end_tasks(void)
{
    for (int i = 0; i < WORKERS; i++) {
        covey_ctx_cancel(here.ctx[i]);
    }
    expect(covey_group_wait(here.group) == 0, "the workers left in good order");
    for (int i = 0; i < WORKERS; i++) {
        covey_ctx_unref(here.ctx[i]);
    }
}

/* Worker 0 is no more. */
static void lose_a_worker(void)
{
    if (url) {
        (void)kill(processes[0], SIGKILL);
        (void)waitpid(processes[0], NULL, 0);
        processes[0] = 0;
        printf("  killed worker 0 (SIGKILL)\n");
    } else {
        covey_ctx_cancel(here.ctx[0]);
        printf("  worker 0 leaves\n");
    }
}

/* ---- what the coordinator does ---- */

static int submit_invoices(covey_ctx *ctx, void *arg)
{
    char key[16], cents[16];

    for (int i = 0; i < invoices; i++) {
        snprintf(key, sizeof(key), "%d", i);
        snprintf(cents, sizeof(cents), "%d", 100 * i);
        covey_fanout_job job = {.name = "invoice", .key = key, .data = cents, .len = strlen(cents)};
        int code = covey_fanout_submit(ctx, arg, &job, NULL);
        if (code < 0) {
            return code;
        }
    }
    covey_fanout_close(arg);
    return 0;
}

/* Reads until the last one; with a worker lost on the way. How many were right. */
static int64_t read_invoices(covey_ctx *ctx, covey_fanout *f)
{
    covey_fanout_result *r;
    int64_t right = 0, count = 0;

    while (covey_chan_recv(ctx, covey_fanout_results(f), &r) == 0) {
        int cents = 100 * atoi(r->key);
        right += r->end == COVEY_FANOUT_DONE && atoi(r->data) == cents + cents / 5;
        if (++count == 1) {
            printf("  the first to come home: invoice %s: %s\n", r->key, (const char *)r->data);
        }
        if (count == invoices / 4) {
            lose_a_worker();
        }
        covey_fanout_result_free(r);
    }
    return right;
}

static int fan_out_invoices(covey_ctx *ctx, covey_fanout_engine *e)
{
    covey_fanout_stats stats;
    const covey_fanout_options opts = {
        .queue = "invoices", .window = 64, .with_results = true, .stats = &stats};
    covey_fanout *f;
    int code = covey_fanout_open(ctx, &f, e, &opts);

    if (code < 0) {
        return code;
    }
    printf("%lld invoices, %d workers, one of which goes away:\n", (long long)invoices, WORKERS);
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, submit_invoices, f);
    int64_t start = covey_now(), right = read_invoices(ctx, f);
    code = covey_group_wait(g);
    int waited = covey_fanout_wait(f);
    expect(code == 0 && waited == 0 && right == invoices, "%lld results came home in %lld ms",
           (long long)right, (long long)example_ms(start));
    expect(atomic_load(&ledger->written) == invoices,
           "each invoice was written once; %llu runs of %lld jobs, %llu of them crashed, %d found "
           "their invoice in the ledger",
           (unsigned long long)stats.attempts, (long long)invoices,
           (unsigned long long)stats.crashes, atomic_load(&ledger->found));
    return 0;
}

static int fan_out_audits(covey_ctx *ctx, covey_fanout_engine *e)
{
    covey_fanout_options opts = {.queue = "invoices", .with_results = true};
    const char *const names[] = {"audit", "audit", "audit", "print"};
    covey_fanout_result *r;
    covey_fanout *f;
    int told = 0, code = covey_fanout_open(ctx, &f, e, &opts);

    if (code < 0) {
        return code;
    }
    printf("three audits that take an hour, and a job that fails:\n");
    int64_t start = covey_now();
    for (int i = 0; i < 4; i++) {
        code = covey_fanout_submit(ctx, f, &(covey_fanout_job){.name = names[i]}, NULL);
        while (code == 0 && i == 2 && atomic_load(&ledger->auditing) < 3) {
            code = covey_sleep(ctx, COVEY_MS); /* until all of them have begun */
        }
        if (code < 0) {
            break;
        }
    }
    covey_fanout_close(f);
    while (covey_chan_recv(ctx, covey_fanout_results(f), &r) == 0) {
        printf("  %s: %s: %s\n", r->name, covey_fanout_end_name(r->end), r->message);
        told += r->end == COVEY_FANOUT_CANCELED && strstr(r->message, "told to stop") != NULL;
        covey_fanout_result_free(r);
    }
    code = covey_fanout_wait(f);
    expect(code == -EIO, "after %lld ms: %s", (long long)example_ms(start), covey_errmsg());
    expect(told == 3, "its failure reached %d running audits", told);
    return 0;
}

/* ---- the two engines ---- */

static int tour_here(covey_ctx *ctx, void *arg)
{
    (void)arg;
    here.engine = covey_fanout_local(&timing);
    if (!here.engine) {
        return -ENOMEM;
    }
    start_tasks(ctx);
    int code = fan_out_invoices(ctx, here.engine);
    if (code == 0) {
        code = fan_out_audits(ctx, here.engine);
    }
    end_tasks();
    covey_fanout_engine_free(here.engine);
    return code;
}

/* How many keys of this queue there are. */
static size_t count_keys(covey_ctx *ctx, covey_redis *r)
{
    covey_redis_reply *reply = NULL;
    size_t n = 0;
    char cursor[32] = "0";

    do {
        if (covey_redis_command(ctx, r, &reply, "SCAN %s MATCH covey:fanout:{invoices}*", cursor) <
            0) {
            return SIZE_MAX;
        }
        snprintf(cursor, sizeof(cursor), "%s", covey_redis_text(covey_redis_at(reply, 0), NULL));
        n += covey_redis_at(reply, 1)->count;
        covey_redis_reply_free(reply);
    } while (strcmp(cursor, "0") != 0);
    return n;
}

static int tour_of_redis(covey_ctx *ctx, void *arg)
{
    covey_redis *r = NULL;
    int code = covey_redis_open(ctx, &r, url, NULL);
    covey_fanout_engine *e = code == 0 ? covey_redis_fanout(r, &timing) : NULL;

    (void)arg;
    if (e) {
        code = fan_out_invoices(ctx, e);
    }
    if (e && code == 0) {
        code = fan_out_audits(ctx, e);
        size_t left = count_keys(ctx, r);
        expect(left == 0, "%zu keys are left in Redis, while the workers wait for more", left);
    }
    covey_fanout_engine_free(e);
    covey_redis_close(r);
    return code;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {{"--invoices", &invoices, "jobs"}};

    if (argc > 2 && strcmp(argv[1], "--redis") == 0) {
        url = argv[2];
        argv[2] = argv[0];
        argc -= 2;
        argv += 2;
    }
    example_options(argc, argv, "Fans out invoices. --redis URL (first): to worker processes.",
                    options, 1);
    if (invoices < 8 || invoices > INVOICES_MAX) {
        invoices = invoices < 8 ? 8 : INVOICES_MAX;
    }
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ledger == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (!url) {
        return example_result(covey_run(tour_here, NULL));
    }
    fork_workers();
    int code = covey_run(tour_of_redis, NULL);
    end_processes();
    return example_result(code);
}
