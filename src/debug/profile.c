/* SPDX-License-Identifier: MIT
 * profile.c - writes profiles (covey/debug.h): places of the code with what they add up to, for
 * pprof or for flame graphs. */
#include "sched/profile.h"

#include "base/alloc.h"
#include "os/file.h"
#include "os/module.h"
#include "debug/pprof.h"
#include "sched/dump.h"

#include <covey/debug.h>
#include <covey/error.h>

#include <string.h>

#undef errno

#define TASKS CVY_PROFILES /* the kind that needs no recording */
#define OTHERS "(other places)"
#define BLOCK_RATE_DEFAULT (10 * COVEY_US)
#define CPU_RATE_DEFAULT 100
#define CPU_RATE_MAX 1000

static const struct kind {
    const char *name;
    const char *count, *time; /* what a sample has; time NULL: a count only */
    int64_t rate_default, rate_max;
} kinds[] = {
    [CVY_PROFILE_BLOCK] = {"block", "contentions", "delay", BLOCK_RATE_DEFAULT, INT64_MAX / 2},
    [CVY_PROFILE_MUTEX] = {"mutex", "contentions", "delay", 1, INT32_MAX},
    [CVY_PROFILE_CPU] = {"cpu", "samples", "cpu", CPU_RATE_DEFAULT, CPU_RATE_MAX},
    [TASKS] = {"task", "tasks", NULL, 0, 0},
};

static int kind_of(const char *name)
{
    for (int i = 0; name && i <= TASKS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return i;
        }
    }
    return covey_errorf(-EINVAL, "no profile \"%s\"", name ? name : "");
}

static int fail(int code)
{
    return code < 0 ? cvy_fail(cvy_task_self(), code) : 0;
}

int covey_profile_start(const char *kind, int64_t rate)
{
    int k = kind_of(kind);

    if (k < 0) {
        return k;
    }
    if (k == TASKS || rate < 0 || rate > kinds[k].rate_max) {
        return fail(-EINVAL);
    }
    return fail(cvy_profile_start((enum cvy_profile)k, rate ? rate : kinds[k].rate_default));
}

int covey_profile_stop(const char *kind)
{
    int k = kind_of(kind);

    if (k < 0 || k == TASKS) {
        return k < 0 ? k : fail(-EINVAL);
    }
    return fail(cvy_profile_stop((enum cvy_profile)k));
}

/* ---- what is written ---- */

struct request {
    const struct kind *kind;
    int format;
    struct cvy_profile_data data;
};

/* Why the tasks of a place stand still; empty: they run. */
static const char *cause_of(const struct cvy_view *v)
{
    if (v->state == CVY_TASK_WAITING) {
        return cvy_view_reason(v);
    }
    return v->state == CVY_TASK_RUNNING ? "" : cvy_view_state(v);
}

/* A task that runs, or has not yet run, is at its function, for all that is known. */
static void trim(struct cvy_dump *d, const struct cvy_view *v, struct cvy_trimmed *t)
{
    cvy_dump_trim(d, v, t);
    if (t->count == 0 && v->fn) {
        t->count = 1;
        t->pcs[0] = (const void *)(uintptr_t)v->fn;
        cvy_symbols_find_function(&d->symbols, t->pcs[0], &t->symbols[0]);
    }
}

/* ---- folded: "name;outer;inner;[cause] value"; no name if it is that of the outer one ---- */

static void put_frame(FILE *out, const char *text)
{
    for (; *text; text++) {
        (void)fputc(*text == ';' || (unsigned char)*text < ' ' ? ':' : *text, out);
    }
}

static void put_symbol(FILE *out, const void *pc, const struct cvy_symbol *s)
{
    if (s->function) {
        put_frame(out, s->function);
    } else if (s->module) {
        const char *slash = strrchr(s->module, '/');
        put_frame(out, slash ? slash + 1 : s->module);
        (void)fprintf(out, "+0x%llx", (unsigned long long)s->offset);
    } else {
        (void)fprintf(out, "%p", pc);
    }
}

static void put_place(struct cvy_dump *d, const struct request *r, const struct cvy_place *p)
{
    struct cvy_trimmed t;
    const char *cause =
        r->kind == &kinds[TASKS] || r->kind == &kinds[CVY_PROFILE_BLOCK] ? cause_of(&p->first) : "";

    trim(d, &p->first, &t);
    const char *outer = t.count > 0 ? t.symbols[t.count - 1].function : NULL;
    const char *label = cvy_view_label(&p->first);
    if (!outer || strcmp(outer, label) != 0) {
        put_frame(d->out, label);
        (void)fputs(t.count > 0 ? ";" : "", d->out);
    }
    for (size_t i = t.count; i > 0; i--) {
        (void)fputs(i < t.count ? ";" : "", d->out);
        put_symbol(d->out, t.pcs[i - 1], &t.symbols[i - 1]);
    }
    (void)fprintf(d->out, cause[0] ? ";[%s]" : "%s", cause);
    (void)fprintf(d->out, " %lld\n", (long long)(r->kind->time ? p->ns : p->count));
}

static int write_folded(struct cvy_dump *d, const struct request *r)
{
    const struct cvy_fold *f = r->data.fold;

    for (uint32_t i = 0; i < f->count; i++) {
        put_place(d, r, &f->places[i]);
    }
    if (f->others > 0) {
        (void)fprintf(d->out, OTHERS " %lld\n",
                      (long long)(r->kind->time ? f->others_ns : f->others));
    }
    return 0;
}

/* ---- pprof ---- */

static void put_site(struct cvy_pprof *p, const char *key, const covey_site *site)
{
    char text[512];

    site = cvy_site_still_there(site);
    if (site) {
        (void)snprintf(text, sizeof(text), "%s:%d", site->file, site->line);
        cvy_pprof_sample_label(p, key, text);
    }
}

static void put_values(struct cvy_pprof *p, const struct kind *kind, int64_t count, int64_t ns)
{
    cvy_pprof_sample_value(p, count);
    if (kind->time) {
        cvy_pprof_sample_value(p, ns);
    }
}

static void put_sample(struct cvy_dump *d, struct cvy_pprof *p, const struct kind *kind,
                       const struct cvy_place *place)
{
    const struct cvy_view *v = &place->first;
    struct cvy_trimmed t;

    trim(d, v, &t);
    cvy_pprof_sample_begin(p);
    for (size_t i = 0, next; i < t.count; i = next) {
        next = cvy_trimmed_frame_end(&t, i);
        cvy_pprof_sample_frame(p, t.pcs[i], &t.symbols[i], next - i);
    }
    put_values(p, kind, place->count, place->ns);
    cvy_pprof_sample_label(p, "task", cvy_view_label(v));
    put_site(p, "started", v->started);
    put_site(p, "group", v->group_site);
    if (kind != &kinds[CVY_PROFILE_CPU]) {
        cvy_pprof_sample_label(p, "state", cvy_view_state(v));
        cvy_pprof_sample_label(p, "wait", cvy_view_reason(v));
    }
    cvy_pprof_sample_end(p);
}

static void put_others(struct cvy_pprof *p, const struct request *r)
{
    static const struct cvy_symbol others = {.function = OTHERS};

    if (r->data.fold->others > 0) {
        cvy_pprof_sample_begin(p);
        cvy_pprof_sample_frame(p, &others, &others, 1);
        put_values(p, r->kind, r->data.fold->others, r->data.fold->others_ns);
        cvy_pprof_sample_end(p);
    }
}

static void put_head(struct cvy_pprof *p, const struct request *r)
{
    bool is_cpu = r->kind == &kinds[CVY_PROFILE_CPU];
    char text[64];

    cvy_pprof_sample_type(p, r->kind->count, "count");
    if (r->kind->time) {
        cvy_pprof_sample_type(p, r->kind->time, "nanoseconds");
    }
    if (is_cpu) {
        cvy_pprof_period(p, "cpu", "nanoseconds", COVEY_SEC / r->data.rate);
    } else {
        cvy_pprof_period(p, r->kind->count, "count", 1);
    }
    cvy_pprof_time(p, r->data.began_wall_ns, r->data.duration_ns);
    if (r->data.lost > 0) {
        (void)snprintf(text, sizeof(text), "%lld samples were lost", (long long)r->data.lost);
        cvy_pprof_comment(p, text);
    }
}

static int write_pprof(struct cvy_dump *d, const struct request *r)
{
    struct cvy_pprof p;

    cvy_pprof_open(&p);
    put_head(&p, r);
    for (uint32_t i = 0; i < r->data.fold->count; i++) {
        put_sample(d, &p, r->kind, &r->data.fold->places[i]);
    }
    put_others(&p, r);
    return cvy_pprof_close(&p, d->symbols.reader != NULL, d->out);
}

/* ---- from outside ---- */

static int write_profile(struct cvy_dump *d, void *arg)
{
    struct request *r = arg;

    if (r->kind == &kinds[TASKS]) {
        cvy_fold_tasks(r->data.fold, d->rt);
    }
    cvy_fold_sort(r->data.fold, r->kind->time != NULL);
    return r->format == COVEY_PROFILE_PPROF ? write_pprof(d, r) : write_folded(d, r);
}

static int request_fill(struct request *r, int k)
{
    if (k != TASKS) {
        return cvy_profile_copy((enum cvy_profile)k, &r->data);
    }
    r->data = (struct cvy_profile_data){.fold = cvy_fold_new(), .began_wall_ns = cvy_wall_now()};
    return r->data.fold ? 0 : -ENOMEM;
}

int covey_profile_write(const char *kind, int format, FILE *out)
{
    struct request r = {.format = format};
    int k = kind_of(kind);

    if (k < 0) {
        return k;
    }
    if (format != COVEY_PROFILE_PPROF && format != COVEY_PROFILE_FOLDED) {
        return covey_errorf(-EINVAL, "no profile format %d", format);
    }
    r.kind = &kinds[k];
    int code = request_fill(&r, k);
    if (code == 0) {
        code = cvy_dump_to(out, k == TASKS, write_profile, &r);
        free(r.data.fold);
    }
    return fail(code);
}
