/* SPDX-License-Identifier: MIT
 * result.c - results of jobs, in one allocation each; and the defaults of an engine's timing. */
#include <covey/fanout_engine.h>

#include <stdlib.h>
#include <string.h>

/* Copies len bytes and a NUL to *at, which moves on behind them. */
static char *copy(char **at, const void *bytes, size_t len)
{
    char *start = *at;

    if (len > 0) {
        memcpy(start, bytes, len);
    }
    start[len] = '\0';
    *at += len + 1;
    return start;
}

static size_t length(const char *text)
{
    return text ? strlen(text) : 0;
}

covey_fanout_result *covey_fanout_result_new(const covey_fanout_result *from)
{
    size_t message = length(from->message), name = length(from->name), key = length(from->key);
    covey_fanout_result *r = malloc(sizeof(*r) + from->len + message + name + key + 4);

    if (!r) {
        return NULL;
    }
    char *at = (char *)(r + 1);
    *r = *from;
    r->data = copy(&at, from->data, from->len);
    r->message = copy(&at, from->message, message);
    r->name = copy(&at, from->name, name);
    r->key = copy(&at, from->key, key);
    return r;
}

void covey_fanout_result_free(covey_fanout_result *r)
{
    free(r);
}

const char *covey_fanout_end_name(covey_fanout_end end)
{
    static const char *const names[] = {"done", "failed", "dead", "canceled", "lost"};
    return (size_t)end < sizeof(names) / sizeof(names[0]) ? names[end] : "unknown";
}

int covey_fanout_timing_of(const covey_fanout_timing *timing, covey_fanout_timing *out)
{
    covey_fanout_timing t = timing ? *timing : (covey_fanout_timing){0};

    t.beat_ns = t.beat_ns ? t.beat_ns : COVEY_FANOUT_BEAT_NS;
    t.dead_ns = t.dead_ns ? t.dead_ns : COVEY_FANOUT_DEAD_NS;
    if (t.beat_ns < COVEY_MS || t.dead_ns / 4 < t.beat_ns) {
        return covey_errorf(-EINVAL, "fan-out: a beat of %lld ns, dead after %lld",
                            (long long)t.beat_ns, (long long)t.dead_ns);
    }
    *out = t;
    return 0;
}

void covey_fanout_engine_free(covey_fanout_engine *e)
{
    if (e) {
        e->ops->free(e);
    }
}
