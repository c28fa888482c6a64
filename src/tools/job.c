/* SPDX-License-Identifier: MIT
 * job.c - see job.h. */
#include "tools/job.h"

#include "tools/attempt.h"
#include "tools/report.h"
#include "tools/status.h"

#include <stdlib.h>
#include <string.h>

/* A pause is at least what the server asked for, too. */
static const covey_backoff backoff = {
    .base_ns = 500 * COVEY_MS,
    .cap_ns = 30 * COVEY_SEC,
};

#define SCARCE_TRIES 50 /* when there are no descriptors left: others are about to end */
#define SCARCE_PAUSE (100 * COVEY_MS)

/* A transfer in the course of its tries. */
struct progress {
    struct cvy_job *job;
    struct cvy_result *result;
    struct cvy_target target;
    bool has_target;
    bool may_resume;
    int scarce_tries;
};

struct cvy_job *cvy_job_new(struct cvy_fetch *f, uint64_t n, const char *url, const char *path)
{
    size_t url_size = strlen(url) + 1, path_size = path ? strlen(path) + 1 : 0;
    struct cvy_job *job = malloc(sizeof(*job) + url_size + path_size);
    if (!job) {
        return NULL;
    }
    *job = (struct cvy_job){.fetch = f, .n = n, .url = job->text};
    memcpy(job->text, url, url_size);
    if (path) {
        memcpy(job->text + url_size, path, path_size);
        job->path = job->text + url_size;
    }
    return job;
}

static uint64_t random_of(const struct cvy_job *job)
{
    uint64_t x = (uint64_t)covey_now() + job->n * UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */

    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* ---- one try ---- */

static int run_with_timeout(covey_ctx *ctx, struct progress *p, struct cvy_attempt *a)
{
    int64_t timeout = p->job->fetch->options.timeout_ns;

    if (timeout == 0) {
        return cvy_attempt_run(ctx, a);
    }
    covey_ctx *timed = covey_ctx_with_timeout(ctx, timeout);
    int code = cvy_attempt_run(timed, a);
    if (code == COVEY_EDEADLINE && covey_ctx_err(ctx) == 0) {
        code = covey_errorf(-ETIMEDOUT, "fetch %s: not done after %.3g s (--timeout)", p->job->url,
                            (double)timeout / (double)COVEY_SEC);
    }
    covey_ctx_unref(timed);
    return code;
}

/* The file gets its name, or its part is left or removed. */
static int settle_target(covey_ctx *ctx, struct progress *p, struct cvy_attempt *a, int code)
{
    const struct cvy_fetch_options *o = &p->job->fetch->options;

    if (!p->has_target) {
        return code;
    }
    if (code < 0 || (a->is_unwanted && !a->is_complete)) {
        cvy_target_abandon(&p->target, o->resume && !a->must_restart);
        return code;
    }
    if (a->is_complete) { /* nothing came, so nothing was opened */
        code = cvy_target_open(&p->target, p->job->url, a->validator, a->asked_from);
    }
    if (code == 0) {
        code = cvy_target_commit(ctx, &p->target, o->fsync);
    }
    a->is_local = code < 0 && covey_ctx_err(ctx) != code;
    return code;
}

static int try_once(covey_ctx *ctx, struct progress *p, struct cvy_attempt *a)
{
    char text[64];

    *a = (struct cvy_attempt){
        .job = p->job, .target = p->has_target ? &p->target : NULL, .may_resume = p->may_resume};
    int code = settle_target(ctx, p, a, run_with_timeout(ctx, p, a));
    bool is_good = (a->status >= 200 && a->status < 300) || a->is_complete;
    if (code == 0 && !is_good) {
        code = covey_errorf(COVEY_EPROTO, "fetch %s: HTTP %s", p->job->url,
                            cvy_status_text(a->status, text, sizeof(text)));
    }
    return code;
}

/* ---- tries ---- */

static void note_try(struct progress *p, const struct cvy_attempt *a, int code)
{
    struct cvy_result *r = p->result;

    r->code = code;
    r->is_local = a->is_local;
    r->status = a->status;
    r->bytes += a->received;
    r->http_version = a->response.http_version;
    r->ttfb_ns = a->response.ttfb_ns;
    r->total_ns = a->response.total_ns;
    r->reused = a->response.connection_reused;
    (void)snprintf(r->message, sizeof(r->message), "%s", code < 0 ? covey_errmsg() : "");
}

/* Whether a failed try is worth another, and after what pause. */
static bool may_try_again(covey_ctx *ctx, struct progress *p, const struct cvy_attempt *a,
                          int64_t *pause)
{
    const struct cvy_fetch_options *o = &p->job->fetch->options;
    const struct cvy_result *r = p->result;
    int64_t deadline;

    if (a->must_restart && p->may_resume) {
        p->may_resume = false;
        *pause = 0;
        return true;
    }
    if ((r->code == -EMFILE || r->code == -ENFILE) && p->scarce_tries < SCARCE_TRIES) {
        p->scarce_tries++;
        *pause = SCARCE_PAUSE;
        return true;
    }
    bool is_status = r->code == COVEY_EPROTO && a->is_unwanted;
    if (o->discard && r->code == COVEY_EPROTO) {
        is_status = a->status >= 400;
    }
    int retries = r->attempts - 1 - p->scarce_tries;
    if (retries >= o->retries || a->is_local || a->has_output ||
        !covey_http_is_transient(is_status ? 0 : r->code, a->status)) {
        return false;
    }
    p->may_resume = o->resume;
    *pause = covey_backoff_pause(&backoff, retries + 1, random_of(p->job));
    *pause = *pause > a->retry_after_ns ? *pause : a->retry_after_ns;
    return !covey_ctx_deadline(ctx, &deadline) || covey_now() + *pause < deadline;
}

static void try_until_settled(covey_ctx *ctx, struct progress *p)
{
    struct cvy_result *r = p->result;

    for (;;) {
        struct cvy_attempt a;
        int64_t pause;

        r->attempts++;
        note_try(p, &a, try_once(ctx, p, &a));
        bool is_canceled = r->code < 0 && covey_ctx_err(ctx) == r->code;
        bool is_over = r->code == 0 || is_canceled || !may_try_again(ctx, p, &a, &pause);
        cvy_attempt_fini(&a);
        if (is_over) {
            r->outcome = r->code == 0 ? CVY_FETCHED : is_canceled ? CVY_CANCELED : CVY_FAILED;
            return;
        }
        atomic_fetch_add_explicit(&p->job->fetch->counts.retries, 1, memory_order_relaxed);
        int code = covey_sleep(ctx, pause);
        if (code < 0) {
            r->outcome = CVY_CANCELED;
            return;
        }
    }
}

static void transfer(covey_ctx *ctx, struct cvy_job *job, struct cvy_result *r)
{
    const struct cvy_fetch_options *o = &job->fetch->options;
    struct progress p = {.job = job, .result = r, .may_resume = o->resume};

    if (job->path) {
        if (cvy_target_init(&p.target, job->path, job->n, o->resume) < 0) {
            *r = (struct cvy_result){.outcome = CVY_FAILED,
                                     .code = -ENOMEM,
                                     .is_local = true,
                                     .message = "out of memory"};
            return;
        }
        p.has_target = true;
        if (o->resume && cvy_target_is_done(&p.target)) {
            r->outcome = CVY_SKIPPED;
            cvy_target_fini(&p.target);
            return;
        }
    }
    try_until_settled(ctx, &p);
    if (p.has_target) {
        cvy_target_fini(&p.target);
    }
}

/* ---- the task ---- */

/* What ends everything: the next transfer would meet it too. */
static bool is_fatal(const struct cvy_fetch *f, int code)
{
    return code == -ENOSPC || code == -EDQUOT || code == -EROFS || code == -EIO ||
           (f->options.to_stdout && code == -EPIPE);
}

/* With --per-host: the host's permit first, so that those who wait for it hold no turn. */
static int wait_for_turn(covey_ctx *ctx, const struct cvy_job *job, struct cvy_host **host)
{
    struct cvy_fetch *f = job->fetch;

    if (!f->turns) {
        return 0;
    }
    int code = cvy_host_acquire(ctx, &f->hosts, cvy_url_split(job->url).host, host);
    if (code < 0) {
        return code;
    }
    code = covey_sem_acquire(ctx, f->turns, 1);
    if (code < 0) {
        cvy_host_release(&f->hosts, *host);
    }
    return code;
}

int cvy_job_run(covey_ctx *ctx, void *arg)
{
    struct cvy_job *job = arg;
    struct cvy_fetch *f = job->fetch;
    struct cvy_host *host = NULL;
    struct cvy_result r = {0};

    atomic_fetch_add_explicit(&f->counts.started, 1, memory_order_relaxed);
    int code = wait_for_turn(ctx, job, &host);
    if (code == 0) {
        atomic_fetch_add_explicit(&f->counts.running, 1, memory_order_relaxed);
        transfer(ctx, job, &r);
        atomic_fetch_sub_explicit(&f->counts.running, 1, memory_order_relaxed);
        if (f->turns) {
            covey_sem_release(f->turns, 1);
            cvy_host_release(&f->hosts, host);
        }
    } else {
        r.outcome = code == -ENOMEM ? CVY_FAILED : CVY_CANCELED;
        r.code = code;
        r.is_local = code == -ENOMEM;
        (void)snprintf(r.message, sizeof(r.message), "fetch %s: %s", job->url, covey_errmsg());
    }
    cvy_report_result(job, &r);
    if (r.outcome == CVY_FAILED && r.is_local) {
        cvy_fetch_local_error(f, r.code, NULL, is_fatal(f, r.code));
    }
    free(job);
    return r.outcome == CVY_FAILED && f->options.fail_fast ? covey_errorf(r.code, "%s", r.message)
                                                           : 0;
}
