/* SPDX-License-Identifier: MIT
 * fan_out_cleanup.c - hundreds of tasks that hold things, and end in every way there is.
 *
 * Each takes a connection, a temporary file and memory, one phase after the other, and gives the
 * end of each to covey_defer() as soon as it has it: so it is released at the task's end whichever
 * way that comes, and before covey_group_wait() returns. Some succeed; some fail; the first
 * failure cancels others, wherever they wait; some outlast a deadline of their own.
 *
 * The phases are regions in a trace (fan_out_cleanup.wN.trace), with what each task spent in them:
 *
 *   covey trace fan_out_cleanup.w2.trace */
#define _GNU_SOURCE
#include "example.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t tasks = 300;

enum { BLOCK_BYTES = 4096 };

/* How many are held now, and how many were taken in all. */
struct held {
    atomic_int connections, files, blocks, taken;
};

struct site {
    covey_listener *listener;
    char folder[64];
    struct held held;
    atomic_int served; /* connections that the other end has open */
};

enum fate { SUCCEEDS, FAILS, OUTLASTS_ITS_DEADLINE, WAITS_FOR_EVER };

struct job {
    struct site *site;
    enum fate fate;
    int number;
};

/* ---- what a task holds; each is released by a deferred call ---- */

struct connection {
    struct site *site;
    covey_conn *conn;
};

static void release_connection(void *arg)
{
    struct connection *c = arg;

    covey_close(c->conn);
    atomic_fetch_sub(&c->site->held.connections, 1);
    free(c);
}

struct file {
    struct site *site;
    char path[128];
    FILE *stream;
};

static void release_file(void *arg)
{
    struct file *f = arg;

    fclose(f->stream);
    (void)unlink(f->path);
    atomic_fetch_sub(&f->site->held.files, 1);
    free(f);
}

struct block {
    struct site *site;
    char bytes[BLOCK_BYTES];
};

static void release_block(void *arg)
{
    struct block *b = arg;

    atomic_fetch_sub(&b->site->held.blocks, 1);
    free(b);
}

/* Whatever goes wrong, `thing` is released: now, or at the task's end. */
static int keep(void (*release)(void *), void *thing, struct site *s, atomic_int *count)
{
    atomic_fetch_add(count, 1);
    atomic_fetch_add(&s->held.taken, 1);
    int code = covey_defer(release, thing);
    if (code < 0) {
        release(thing);
    }
    return code;
}

/* ---- the phases ---- */

static int connect_phase(covey_ctx *ctx, const struct job *job, covey_conn **conn)
{
    struct connection *c = malloc(sizeof(*c));
    covey_trace_region phase = covey_trace_region_begin("connect");
    int code = c ? covey_dial(ctx, conn, covey_listener_addr(job->site->listener)) : -ENOMEM;

    covey_trace_region_end(&phase);
    if (code < 0) {
        free(c);
        return code;
    }
    *c = (struct connection){job->site, *conn};
    return keep(release_connection, c, job->site, &job->site->held.connections);
}

static int open_phase(const struct job *job, FILE **stream)
{
    struct file *f = malloc(sizeof(*f));
    covey_trace_region phase = covey_trace_region_begin("open file");

    if (f) {
        f->site = job->site;
        snprintf(f->path, sizeof(f->path), "%s/%d", job->site->folder, job->number);
        f->stream = fopen(f->path, "w");
    }
    covey_trace_region_end(&phase);
    if (!f || !f->stream) {
        free(f);
        return covey_errorf(-EIO, "task %d: no file", job->number);
    }
    *stream = f->stream;
    return keep(release_file, f, job->site, &job->site->held.files);
}

static int copy_phase(covey_ctx *ctx, const struct job *job, covey_conn *conn, FILE *stream)
{
    struct block *b = malloc(sizeof(*b));

    if (!b) {
        return -ENOMEM;
    }
    b->site = job->site;
    int code = keep(release_block, b, job->site, &job->site->held.blocks);
    if (code < 0) {
        return code;
    }
    covey_trace_region phase = covey_trace_region_begin("copy");
    ssize_t n = covey_read_full(ctx, conn, b->bytes, BLOCK_BYTES);
    if (n == BLOCK_BYTES) {
        n = fwrite(b->bytes, 1, BLOCK_BYTES, stream) == BLOCK_BYTES ? 0 : -EIO;
    }
    covey_trace_region_end(&phase);
    return n < 0 ? (int)n : 0;
}

/* What the task does with what it holds. */
static int work_phase(covey_ctx *ctx, const struct job *job, covey_conn *conn)
{
    char byte;
    covey_trace_region phase = covey_trace_region_begin("work");
    ssize_t code = 0;

    switch (job->fate) {
    case FAILS:
        code = covey_errorf(-EBADMSG, "task %d: bad data", job->number);
        break;
    case OUTLASTS_ITS_DEADLINE:
    case WAITS_FOR_EVER:
        code = covey_read(ctx, conn, &byte, 1); /* the other end sends no more */
        break;
    default:
        code = covey_sleep(ctx, COVEY_MS);
    }
    covey_trace_region_end(&phase);
    return (int)code;
}

static int run_job(covey_ctx *ctx, void *arg)
{
    const struct job *job = arg;
    covey_conn *conn = NULL;
    FILE *stream = NULL;

    int code = connect_phase(ctx, job, &conn);
    code = code < 0 ? code : open_phase(job, &stream);
    code = code < 0 ? code : copy_phase(ctx, job, conn, stream);
    return code < 0 ? code : work_phase(ctx, job, conn);
}

static int run_timed_job(covey_ctx *ctx, void *arg)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    int code = run_job(timed, arg);

    covey_ctx_unref(timed);
    return code;
}

/* ---- the other end: sends a block, then waits until it is left ---- */

struct visit {
    struct site *site;
    covey_conn *conn;
};

static int serve_visit(covey_ctx *ctx, void *arg)
{
    static const char block[BLOCK_BYTES];
    struct visit *v = arg;
    char byte;

    if (covey_write(ctx, v->conn, block, sizeof(block)) > 0) {
        (void)covey_read(ctx, v->conn, &byte, 1);
    }
    covey_close(v->conn);
    atomic_fetch_sub(&v->site->served, 1);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct visit v = {.site = arg};
    covey_group *g = covey_group_new(ctx);

    while (covey_accept(ctx, v.site->listener, &v.conn) == 0) {
        atomic_fetch_add(&v.site->served, 1);
        (void)covey_group_go_copy(g, serve_visit, &v, sizeof(v));
    }
    return covey_group_wait(g);
}

/* ---- what it shows ---- */

static int count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    int n = -2; /* . and .. */

    while (dir && readdir(dir)) {
        n++;
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

static void expect_released(struct site *s)
{
    struct held *h = &s->held;

    expect(atomic_load(&h->connections) == 0 && atomic_load(&h->files) == 0 &&
               atomic_load(&h->blocks) == 0,
           "nothing is held when wait returns, of %d things that were taken",
           atomic_load(&h->taken));
    expect(count_files(s->folder) == 0, "no file is left");
}

/* One fan-out; fates in turn, up to the last one given. */
static int fan_out(covey_ctx *ctx, struct site *s, covey_group_policy policy, enum fate last)
{
    covey_group_options opts = {.policy = policy};
    covey_group *g = covey_group_new_with(ctx, &opts);

    for (int i = 0; i < tasks; i++) {
        struct job job = {s, (enum fate)(i % ((int)last + 1)), i};
        (void)covey_group_go_copy(g, job.fate == OUTLASTS_ITS_DEADLINE ? run_timed_job : run_job,
                                  &job, sizeof(job));
    }
    return covey_group_wait(g);
}

static void show(covey_ctx *ctx, struct site *s)
{
    printf("%lld tasks that succeed:\n", (long long)tasks);
    int code = fan_out(ctx, s, COVEY_FIRST_ERROR, SUCCEEDS);
    expect(code == 0, "all succeeded");
    expect_released(s);

    printf("every third fails, every third outlasts its deadline; all run:\n");
    code = fan_out(ctx, s, COVEY_ALL, OUTLASTS_ITS_DEADLINE);
    expect(code == -EBADMSG || code == COVEY_EDEADLINE, "the first failure: %s", covey_errmsg());
    expect_released(s);

    printf("some fail, and the first failure cancels the rest, which would wait for ever:\n");
    int64_t start = covey_now();
    code = fan_out(ctx, s, COVEY_FIRST_ERROR, WAITS_FOR_EVER);
    expect(code < 0, "after %lld ms: %s", (long long)example_ms(start), covey_errmsg());
    expect_released(s);
}

static void expect_phases(const char *path)
{
    static const char *const phases[] = {"connect", "open file", "copy", "work"};
    FILE *in = fopen(path, "r");
    struct stat file = {0};
    char *text = in && fstat(fileno(in), &file) == 0 ? malloc((size_t)file.st_size + 1) : NULL;
    size_t len = text ? fread(text, 1, (size_t)file.st_size, in) : 0;
    int found = 0;

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]) && text; i++) {
        found += memmem(text, len, phases[i], strlen(phases[i])) != NULL;
    }
    free(text);
    if (in) {
        fclose(in);
    }
    expect(found == 4, "the phases are in the trace: covey trace %s", path);
}

static int tour(covey_ctx *ctx, void *arg)
{
    static struct site site = {.folder = "/tmp/fan_out_cleanup.XXXXXX"};
    covey_group *g = covey_group_new(ctx);
    char path[64];
    int code = covey_listen(&site.listener, "tcp://127.0.0.1:0", NULL);

    (void)arg;
    snprintf(path, sizeof(path), "fan_out_cleanup.w%d.trace", covey_workers());
    if (code == 0 && mkdtemp(site.folder)) {
        (void)covey_trace_start(path);
        (void)covey_group_go(g, serve, &site);
        show(ctx, &site);
        while (atomic_load(&site.served) > 0 && covey_sleep(ctx, COVEY_MS) == 0) {
        }
        expect(atomic_load(&site.served) == 0, "the other end sees no connection any more");
        (void)covey_trace_stop();
        expect_phases(path);
        (void)rmdir(site.folder);
    }
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    covey_listener_close(site.listener);
    return code;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {{"--tasks", &tasks, "in each fan-out"}};

    example_options(argc, argv, "Fan-outs whose tasks release all they hold, however they end.",
                    options, 1);
    return example_result(covey_run(tour, NULL));
}
