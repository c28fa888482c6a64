/* SPDX-License-Identifier: MIT
 * coordinator.c - covey_fanout: its opening, and its end. */
#include "fanout/fanout.h"

#include <covey/debug.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* How long the goodbye to the engine may take. */
#define GOODBYE_NS (5 * COVEY_SEC)

/* ---- opening ---- */

static int use_defaults(covey_fanout_options *o)
{
    o->queue = o->queue ? o->queue : COVEY_FANOUT_QUEUE;
    o->window = o->window ? o->window : COVEY_FANOUT_WINDOW;
    o->max_failures = o->max_failures ? o->max_failures : 1;
    o->max_crashes = o->max_crashes ? o->max_crashes : COVEY_FANOUT_CRASHES;
    if (!*o->queue || strlen(o->queue) > COVEY_FANOUT_NAME_MAX ||
        (unsigned)o->policy > COVEY_FIRST_SUCCESS || o->window > COVEY_FANOUT_WINDOW_MAX ||
        o->max_failures < 0 || o->max_crashes < 0 || o->keep_dead_ns < 0) {
        return covey_errorf(-EINVAL, "fan-out: an option is out of range");
    }
    return 0;
}

static void release(struct covey_fanout *f)
{
    covey_ctx_unref(f->parent);
    covey_ctx_unref(f->life);
    covey_ctx_unref(f->accepting);
    covey_ctx_unref(f->reading);
    covey_chan_unref(f->results);
    covey_chan_unref(f->permits);
    covey_chan_unref(f->poke);
    covey_map_free(f->ids);
    free((char *)f->options.queue);
    free((char *)f->options.name);
    free(f->words);
    free(f);
}

static bool has_parts(const struct covey_fanout *f, const covey_fanout_options *wanted)
{
    return f->options.queue && (f->options.name || !wanted->name) && f->ids && f->permits &&
           f->poke && (f->results || !f->options.with_results) && covey_ctx_err(f->life) == 0 &&
           covey_ctx_err(f->accepting) == 0 && covey_ctx_err(f->reading) == 0;
}

static struct covey_fanout *make(covey_ctx *ctx, covey_fanout_engine *e,
                                 const covey_fanout_options *o)
{
    struct covey_fanout *f = calloc(1, sizeof(*f));

    if (!f) {
        return NULL;
    }
    f->engine = e;
    f->options = *o;
    f->options.queue = strdup(o->queue);
    f->options.name = o->name ? strdup(o->name) : NULL;
    f->parent = ctx ? covey_ctx_ref(ctx) : NULL;
    f->life = covey_ctx_with_cancel(NULL);
    f->accepting = covey_ctx_with_cancel(NULL);
    f->reading = covey_ctx_with_cancel(NULL);
    f->permits = covey_chan_new(0, o->window);
    f->poke = covey_chan_new(0, 1);
    f->ids = covey_map_new(&(covey_map_options){.kind = COVEY_MAP_SHARDED, .shards = 1});
    f->results = o->with_results ? covey_chan_new(sizeof(covey_fanout_result *), 0) : NULL;
    if (!has_parts(f, o)) {
        release(f);
        return NULL;
    }
    if (getrandom(&f->nonce, sizeof(f->nonce), 0) != sizeof(f->nonce)) {
        f->nonce = (uint64_t)covey_now() ^ (uint64_t)(uintptr_t)f;
    }
    for (size_t i = 0; i < o->window; i++) {
        (void)covey_chan_try_send(f->permits, NULL);
    }
    return f;
}

/* Both tasks or none: 0 or the code that a start failed with. */
static int start(const covey_site *site, struct covey_fanout *f)
{
    const covey_task_options keeper = {.name = "fan-out keeper"};
    const covey_task_options collector = {.name = "fan-out collector"};

    f->tasks = covey_group_new_at(site, f->life, NULL);
    int code = covey_group_go_with(f->tasks, &keeper, cvy_fanout_keep, f);
    if (code == 0) {
        code = covey_group_go_with(f->tasks, &collector, cvy_fanout_collect, f);
    }
    if (code < 0) {
        covey_ctx_cancel(f->life);
        (void)covey_group_wait(f->tasks);
    }
    return code;
}

static void say_goodbye(struct covey_fanout *f)
{
    covey_ctx *limited = covey_ctx_with_timeout(NULL, GOODBYE_NS);

    (void)f->engine->ops->close(limited, f->engine, f->group);
    covey_ctx_unref(limited);
}

int covey_fanout_open_at(const covey_site *site, covey_ctx *ctx, covey_fanout **out,
                         covey_fanout_engine *e, const covey_fanout_options *opts)
{
    covey_fanout_options o = opts ? *opts : (covey_fanout_options){0};
    int code = use_defaults(&o);

    if (code == 0) {
        code = covey_ctx_err(ctx);
    }
    if (code < 0) {
        return code;
    }
    struct covey_fanout *f = make(ctx, e, &o);
    if (!f) {
        return covey_errorf(-ENOMEM, "fan-out: out of memory");
    }
    covey_fanout_spec spec = {
        .queue = f->options.queue,
        .max_failures = o.max_failures,
        .max_crashes = o.max_crashes,
        .keep_dead_ns = o.keep_dead_ns,
    };
    code = e->ops->open(ctx, e, &spec, &f->group);
    if (code < 0) {
        goto fail;
    }
    code = start(site, f);
    if (code < 0) {
        say_goodbye(f);
        (void)covey_errorf(code, "fan-out: no task could be started");
        goto fail;
    }
    if (f->options.name) {
        covey_metrics_register(&f->source, &cvy_fanout_metrics, f->options.name, f);
    }
    *out = f;
    return 0;
fail:
    release(f);
    return code;
}

/* ---- the end ---- */

covey_chan *covey_fanout_results(covey_fanout *f)
{
    return f->results;
}

void covey_fanout_close(covey_fanout *f)
{
    covey_mutex_lock(&f->lock);
    f->is_closed = true;
    cvy_fanout_settle_locked(f, 0);
    covey_mutex_unlock(&f->lock);
    covey_ctx_cancel(f->accepting);
}

void covey_fanout_cancel(covey_fanout *f, int cause)
{
    cvy_fanout_cancel(f, cause);
    covey_ctx_cancel(f->reading);
}

void covey_fanout_stats_of(covey_fanout *f, covey_fanout_stats *stats)
{
    covey_mutex_lock(&f->lock);
    *stats = f->stats;
    covey_mutex_unlock(&f->lock);
}

static int verdict(const struct covey_fanout *f)
{
    if (f->is_won) {
        return 0;
    }
    if (f->code < 0) {
        return covey_errorf(f->code, "%s", f->words ? f->words : covey_strerror(f->code));
    }
    return f->is_orphaned && f->stats.canceled > 0 ? covey_ctx_err(f->parent) : 0;
}

int covey_fanout_wait(covey_fanout *f)
{
    covey_fanout_close(f);
    covey_wait_note note = {.what = "jobs of a fan-out", .text = f->options.queue};
    covey_wait_note_begin(&note);
    (void)covey_group_wait(f->tasks);
    covey_wait_note_end(&note);
    covey_metrics_unregister(&f->source);
    say_goodbye(f);
    if (f->options.stats) {
        *f->options.stats = f->stats;
    }
    int code = verdict(f);
    release(f);
    return code;
}
