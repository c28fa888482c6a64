/* SPDX-License-Identifier: MIT
 * submit.c - adds jobs to a fan-out.
 *
 * A job is among `ids` before the engine hears of it: its result may come before the engine's
 * answer does. Once it has, nothing here is touched any more: the fan-out may be over by then. */
#include "fanout/fanout.h"

#include <covey/debug.h>

#include <stdio.h>
#include <string.h>

static int check_job(const covey_fanout_job *job)
{
    if (!job->name || !*job->name || strlen(job->name) > COVEY_FANOUT_NAME_MAX ||
        (job->key && strlen(job->key) > COVEY_FANOUT_NAME_MAX) || (job->len > 0 && !job->data)) {
        return covey_errorf(-EINVAL, "fan-out: a job without a name, or one that is too long");
    }
    return job->len > COVEY_FANOUT_DATA_MAX
               ? covey_errorf(COVEY_ETOOLARGE, "fan-out: a payload of %zu bytes", job->len)
               : 0;
}

static int refuse_locked(const struct covey_fanout *f)
{
    if (f->is_lost) {
        return covey_errorf(COVEY_ELOST, "fan-out: the engine has lost it");
    }
    if (f->is_canceled) {
        return covey_errorf(COVEY_ECANCELED, "fan-out was cancelled%s%s", f->words ? ": " : "",
                            f->words ? f->words : "");
    }
    return f->is_closed ? covey_errorf(COVEY_ECLOSED, "fan-out is closed") : 0;
}

/* From here on the job counts, and a result of it is awaited. */
static int enter(struct covey_fanout *f, uint64_t *id)
{
    covey_mutex_lock(&f->lock);
    int code = refuse_locked(f);
    if (code == 0) {
        *id = f->last_id + 1;
        code = covey_map_store(f->ids, id, sizeof(*id), (void *)(uintptr_t)covey_now());
    }
    if (code == 0) {
        f->last_id++;
        f->open++;
        f->stats.submitted++;
    }
    covey_mutex_unlock(&f->lock);
    return code;
}

/* The job did not come to be: 1: its key is known; else a code, which is a failure unless it was
 * the caller's own end. False: the job has its result already. */
static bool take_back(struct covey_fanout *f, uint64_t id, int code, bool is_failure)
{
    covey_mutex_lock(&f->lock);
    bool is_open = covey_map_delete(f->ids, &id, sizeof(id));
    if (is_open) {
        f->stats.submitted--;
        f->stats.repeated += code == 1;
        if (is_failure) {
            cvy_fanout_fail_locked(f, code, covey_errmsg());
        }
    }
    covey_mutex_unlock(&f->lock);
    if (is_open) {
        if (is_failure && cvy_fanout_is_strict(f)) {
            cvy_fanout_cancel(f, code);
        }
        (void)covey_chan_try_send(f->permits, NULL);
        covey_mutex_lock(&f->lock);
        cvy_fanout_settle_locked(f, 1);
        covey_mutex_unlock(&f->lock);
    }
    return is_open;
}

int covey_fanout_submit(covey_ctx *ctx, covey_fanout *f, const covey_fanout_job *job, uint64_t *id)
{
    covey_fanout_job copy = *job;
    char key[48];
    uint64_t number = 0, first = 0;
    int code = check_job(job);

    if (code == 0) {
        covey_wait_note note = {.what = "room for a job in a fan-out", .text = job->name};
        covey_wait_note_begin(&note);
        code = covey_select(ctx, COVEY_RECV(f->permits, NULL), COVEY_DONE(f->accepting));
        covey_wait_note_end(&note);
    }
    if (code < 0) {
        return code;
    }
    bool has_permit = code == 0;
    code = enter(f, &number);
    if (code < 0) {
        if (has_permit) {
            (void)covey_chan_try_send(f->permits, NULL);
        }
        return code;
    }
    if (!job->key) {
        (void)snprintf(key, sizeof(key), "%016llx/%llu", (unsigned long long)f->nonce,
                       (unsigned long long)number);
        copy.key = key;
    }
    code = f->engine->ops->submit(ctx, f->engine, f->group, number, &copy, &first);
    bool is_failure = code < 0 && code != covey_ctx_err(ctx);
    if (code != 0 && take_back(f, number, code, is_failure)) {
        number = first;
    } else {
        code = 0;
    }
    if (id && code >= 0) {
        *id = number;
    }
    return code;
}
