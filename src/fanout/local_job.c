/* SPDX-License-Identifier: MIT
 * local_job.c - a job of the engine within the process, and its transitions. See local.h. */
#include "fanout/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cvy_local_job *cvy_local_job_new(struct cvy_local_group *g, uint64_t id,
                                        const covey_fanout_job *from)
{
    size_t name = strlen(from->name) + 1, key = strlen(from->key) + 1;
    struct cvy_local_job *job = malloc(sizeof(*job) + from->len + 1 + name + key);

    if (!job) {
        return NULL;
    }
    char *at = job->bytes;
    *job = (struct cvy_local_job){
        .group = g,
        .state = CVY_LOCAL_WAITING,
        .references = 1,
        .task = {.id = id, .len = from->len, .data = at},
    };
    if (from->len > 0) {
        memcpy(at, from->data, from->len);
    }
    at[from->len] = '\0';
    job->task.name = memcpy(at + from->len + 1, from->name, name);
    job->task.key = memcpy(at + from->len + 1 + name, from->key, key);
    g->references++;
    return job;
}

void cvy_local_job_unref(struct cvy_local_job *job)
{
    if (--job->references == 0) {
        cvy_local_group_unref(job->group);
        free(job);
    }
}

void cvy_local_job_wait(struct cvy_local_job *job)
{
    struct cvy_local_queue *q = job->group->queue;

    job->state = CVY_LOCAL_WAITING;
    cvy_local_list_append(&q->waiting, &job->link);
    (void)covey_chan_try_send(q->work, NULL); /* full: somebody will look */
}

void cvy_local_job_run(struct cvy_local_job *job)
{
    job->state = CVY_LOCAL_RUNNING;
    job->attempts++;
    job->beaten_at = covey_now();
    cvy_local_list_append(&job->group->queue->running, &job->link);
}

/* Takes r. */
static int add_result(struct cvy_local_group *g, covey_fanout_result *r)
{
    struct cvy_local_result *entry = r ? malloc(sizeof(*entry)) : NULL;

    if (!entry) {
        covey_fanout_result_free(r);
        return covey_errorf(-ENOMEM, "fan-out: out of memory for a result");
    }
    *entry = (struct cvy_local_result){.result = r};
    *g->last = entry;
    g->last = &entry->next;
    (void)covey_chan_try_send(g->arrived, NULL);
    return 0;
}

int cvy_local_job_end(struct cvy_local_job *job, covey_fanout_end end,
                      const covey_fanout_report *report)
{
    covey_fanout_result result = {
        .id = job->task.id,
        .end = end,
        .code = report->code,
        .message = report->message,
        .name = job->task.name,
        .key = job->task.key,
        .data = report->data,
        .len = report->len,
        .attempts = job->attempts,
        .failures = job->failures,
        .crashes = job->crashes,
    };
    int code = add_result(job->group, covey_fanout_result_new(&result));

    if (code == 0) {
        job->state = CVY_LOCAL_ENDED;
        cvy_local_list_remove(&job->link);
        cvy_local_job_unref(job);
    }
    return code;
}

int cvy_local_job_cancel(struct cvy_local_job *job)
{
    static const covey_fanout_report report = {.code = COVEY_ECANCELED, .message = "canceled"};

    return cvy_local_job_end(job, COVEY_FANOUT_CANCELED, &report);
}

int cvy_local_job_bury(struct cvy_local_job *job)
{
    char words[64];
    covey_fanout_report report = {
        .code = -EOWNERDEAD,
        .message = words,
        .data = job->task.data,
        .len = job->task.len,
    };

    (void)snprintf(words, sizeof(words), "given up after %d crashes", job->crashes);
    return cvy_local_job_end(job, COVEY_FANOUT_DEAD, &report);
}
