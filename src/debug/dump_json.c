/* SPDX-License-Identifier: MIT
 * dump_json.c - see dump_json.h. docs/debugging.md lists the fields. */
#include "debug/dump_json.h"

#include "base/utf8.h"
#include "os/file.h"
#include "os/module.h"
#include "sched/diagnosis.h"
#include "sched/fold.h"
#include "sched/ignored.h"

#include <stdlib.h>
#include <string.h>

#define HOLDERS_MAX 16

/* What is no UTF-8, as a name cut in the middle of a character, becomes U+FFFD. */
static void string(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t len = cvy_utf8_len(c);
        if (*c == '"' || *c == '\\') {
            (void)fprintf(out, "\\%c", *c);
        } else if (*c < 0x20) {
            (void)fprintf(out, "\\u%04x", *c);
        } else if (len == 0) {
            (void)fputs("\\ufffd", out);
        } else {
            (void)fwrite(c, 1, len, out);
        }
        c += len > 0 ? len : 1;
    }
    (void)fputc('"', out);
}

static void field(FILE *out, const char *name, const char *text)
{
    (void)fprintf(out, ",\"%s\":", name);
    string(out, text);
}

static void place(FILE *out, const char *name, const char *file, int line)
{
    (void)fprintf(out, ",\"%s\":{\"file\":", name);
    string(out, file);
    (void)fprintf(out, ",\"line\":%d}", line);
}

static void site(FILE *out, const char *name, const covey_site *s)
{
    s = cvy_site_still_there(s);
    if (s) {
        place(out, name, s->file, s->line);
    }
}

/* Not by %f: a locale may have another decimal point. */
static void seconds(FILE *out, const char *name, int64_t ns)
{
    long long us = ns / COVEY_US;

    (void)fprintf(out, ",\"%s\":%s%lld.%06lld", name, us < 0 ? "-" : "", llabs(us) / 1000000,
                  llabs(us) % 1000000);
}

/* What has begun while the dump went on is new. */
static void age(const struct cvy_dump *d, const char *name, int64_t since)
{
    seconds(d->out, name, d->now > since ? d->now - since : 0);
}

static void held_by(struct cvy_dump *d, const void *object)
{
    uint32_t holders[HOLDERS_MAX];
    size_t n =
        object && cvy_diagnosis_on() ? cvy_holders_of(object, holders, NULL, HOLDERS_MAX) : 0;

    for (size_t i = 0; i < n; i++) {
        (void)fprintf(d->out, "%s%llu", i > 0 ? "," : ",\"held_by\":[",
                      (unsigned long long)cvy_dump_owner(d, holders[i]));
    }
    if (n > 0) {
        (void)fputc(']', d->out);
    }
}

/* What it is for, the innermost first. */
static void awaiting(struct cvy_dump *d, const struct cvy_view *v)
{
    for (uint32_t i = 0; i < v->note_count; i++) {
        const struct cvy_view_note *n = &v->notes[i];
        (void)fputs(i > 0 ? ",{\"what\":" : ",\"awaiting\":[{\"what\":", d->out);
        string(d->out, n->what);
        if (n->text[0]) {
            field(d->out, "which", n->text);
        }
        if (n->is_work) {
            (void)fputs(",\"is_work\":true", d->out);
        }
        held_by(d, n->object);
        if (n->since > 0) {
            age(d, "seconds", n->since);
        }
        (void)fputc('}', d->out);
    }
    if (v->note_count > 0) {
        (void)fputc(']', d->out);
    }
}

static void wait(struct cvy_dump *d, const struct cvy_view *v)
{
    char detail[256];

    cvy_dump_detail(d, v, detail, sizeof(detail));
    (void)fputs(",\"wait\":{\"for\":", d->out);
    string(d->out, cvy_view_reason(v));
    (void)fprintf(d->out, ",\"object\":\"%p\",\"can_cancel\":%s", v->object,
                  v->can_cancel ? "true" : "false");
    if (detail[0]) {
        field(d->out, "detail", detail);
    }
    if (v->since > 0) {
        age(d, "seconds", v->since);
    }
    awaiting(d, v);
    (void)fputc('}', d->out);
}

static void context(struct cvy_dump *d, const struct cvy_view *v)
{
    (void)fprintf(d->out, ",\"context\":{\"error\":%d", v->done);
    if (v->deadline != CVY_NEVER) {
        seconds(d->out, "deadline_in_seconds", v->deadline - d->now);
        site(d->out, "deadline_set", v->deadline_site);
    }
    (void)fputc('}', d->out);
}

static void group(FILE *out, const struct cvy_view *v)
{
    (void)fprintf(out, ",\"group\":{\"id\":\"%p\"", (const void *)v->group);
    if (v->is_parked) {
        (void)fprintf(out, ",\"opener\":%llu", (unsigned long long)v->group_opener);
        site(out, "opened", v->group_site);
    }
    (void)fputc('}', out);
}

static void stack(struct cvy_dump *d, const struct cvy_view *v)
{
    struct cvy_trimmed t;

    cvy_dump_trim(d, v, &t);
    (void)fputs(",\"stack\":[", d->out);
    for (size_t i = 0; i < t.count; i++) {
        const struct cvy_symbol *s = &t.symbols[i];
        (void)fprintf(d->out, "%s{\"address\":\"%p\"", i > 0 ? "," : "", t.pcs[i]);
        if (s->function) {
            field(d->out, "function", s->function);
        }
        if (s->file) {
            field(d->out, "file", s->file);
            (void)fprintf(d->out, ",\"line\":%d", s->line);
        }
        if (s->module) {
            field(d->out, "module", s->module);
            (void)fprintf(d->out, ",\"offset\":%llu", (unsigned long long)s->offset);
        }
        (void)fputs(s->is_inlined ? ",\"inlined\":true}" : "}", d->out);
    }
    (void)fputc(']', d->out);
}

/* What is the same of tasks and plain threads. */
static void state_and_stack(struct cvy_dump *d, const struct cvy_view *v)
{
    if (v->is_parked) {
        wait(d, v);
        context(d, v);
    }
    if (v->frame_count > 0) {
        stack(d, v);
    }
}

struct list {
    struct cvy_dump *dump;
    size_t count;
};

static bool task(struct cvy_task *t, void *arg)
{
    struct list *l = arg;
    struct cvy_dump *d = l->dump;
    struct cvy_view v;

    if (!cvy_dump_take(d, t, &v)) {
        return true;
    }
    (void)fprintf(d->out, "%s\n{\"id\":%llu", l->count++ > 0 ? "," : "", (unsigned long long)v.id);
    field(d->out, "name", cvy_view_label(&v));
    field(d->out, "state", cvy_view_state(&v));
    site(d->out, "started", v.started);
    if (v.group) {
        group(d->out, &v);
    }
    int64_t ignored = cvy_ignored_since(v.id);
    if (ignored > 0) {
        age(d, "ignores_end_seconds", ignored);
    }
    state_and_stack(d, &v);
    (void)fputc('}', d->out);
    return true;
}

static void thread(struct cvy_dump *d, const struct cvy_view *v, size_t i)
{
    (void)fprintf(d->out, "%s\n{\"id\":%u", i > 0 ? "," : "", v->thread);
    field(d->out, "state", cvy_view_state(v));
    state_and_stack(d, v);
    (void)fputc('}', d->out);
}

void cvy_dump_json(struct cvy_dump *d)
{
    struct list l = {.dump = d};

    (void)fprintf(d->out, "{\"covey\":\"%s\",\"workers\":%d,\"tasks\":[", COVEY_VERSION,
                  d->rt->worker_count);
    (void)cvy_tasks_each(d->rt, task, &l);
    (void)fputs("\n],\"threads\":[", d->out);
    cvy_dump_threads(d, thread);
    (void)fputs("\n]}\n", d->out);
}

/* ---- by place ---- */

static void place_group(FILE *out, const struct cvy_view *v)
{
    const covey_site *opened = cvy_site_still_there(v->group_site);

    if (!opened) {
        return;
    }
    (void)fputs(",\"group\":{\"opened\":{\"file\":", out);
    string(out, opened->file);
    (void)fprintf(out, ",\"line\":%d}", opened->line);
    if (v->group_opener) {
        struct cvy_view opener = {.started = v->opener_started};
        memcpy(opener.name, v->opener_name, sizeof(opener.name));
        field(out, "opener", cvy_view_label(&opener));
        site(out, "opener_started", v->opener_started);
    }
    (void)fputc('}', out);
}

static void json_place(struct cvy_dump *d, const struct cvy_place *p)
{
    const struct cvy_view *v = &p->first;

    (void)fprintf(d->out, "{\"tasks\":%lld,\"one\":%llu", (long long)p->count,
                  (unsigned long long)v->id);
    field(d->out, "name", cvy_view_label(v));
    field(d->out, "state", cvy_view_state(v));
    site(d->out, "started", v->started);
    place_group(d->out, v);
    if (v->state == CVY_TASK_WAITING) {
        field(d->out, "wait", cvy_view_reason(v));
        if (v->note_count > 0 && !v->notes[0].is_work) {
            field(d->out, "awaiting", v->notes[0].what);
        }
        if (p->oldest > 0) {
            age(d, "oldest_seconds", p->oldest);
        }
        stack(d, v);
    }
    (void)fputc('}', d->out);
}

static void json_stats(FILE *out, const covey_stats *s)
{
    (void)fprintf(out,
                  ",\"stats\":{\"tasks_started\":%llu,\"tasks_ended\":%llu,\"tasks_failed\":%llu,"
                  "\"parks\":%llu,\"steals\":%llu,\"takeovers\":%llu,\"threads\":%d,"
                  "\"blocking_threads\":%d}",
                  (unsigned long long)s->tasks_started, (unsigned long long)s->tasks_ended,
                  (unsigned long long)s->tasks_failed, (unsigned long long)s->parks,
                  (unsigned long long)s->steals, (unsigned long long)s->takeovers, s->threads,
                  s->blocking_threads);
}

bool cvy_dump_json_places(struct cvy_dump *d, const covey_stats *stats)
{
    struct cvy_fold *f = cvy_fold_new();

    if (!f) {
        return false;
    }
    cvy_fold_tasks(f, d->rt);
    cvy_fold_sort(f, false);
    (void)fprintf(d->out, "{\"covey\":\"%s\",\"pid\":%u,\"workers\":%d", COVEY_VERSION,
                  cvy_process_id(), d->rt->worker_count);
    json_stats(d->out, stats);
    (void)fprintf(d->out, ",\"others\":%lld,\"places\":[", (long long)f->others);
    for (uint32_t i = 0; i < f->count; i++) {
        (void)fputs(i > 0 ? ",\n" : "\n", d->out);
        json_place(d, &f->places[i]);
    }
    (void)fputs("\n]}\n", d->out);
    free(f);
    return true;
}
