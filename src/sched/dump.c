/* SPDX-License-Identifier: MIT
 * dump.c - a task's line and stack, and which form a dump takes. See dump.h. */
#include "sched/dump.h"

#include "os/file.h"
#include "os/module.h"

#include "sched/ask.h"
#include "sched/diagnosis.h"
#include "sched/ignored.h"
#include "sched/locker.h"

#include <covey/debug.h>

#include <string.h>

#undef errno

#define TREE_TASKS_MAX 300
#define PLAIN_TASKS_MAX 100
#define SILENCE_NS_MAX (200 * COVEY_MS) /* of threads that are asked for a stack, in a dump */
#define SEARCHES_MAX 64 /* for who holds something, in a dump: each looks at all tasks */
#define DETAIL_ROOM (sizeof(((struct cvy_view *)0)->detail) + 21 * (CVY_VIEW_OWNERS + 1))

void cvy_dump_open(struct cvy_dump *d, struct cvy_runtime *rt, FILE *out, bool is_plain)
{
    *d = (struct cvy_dump){.rt = rt, .out = out, .now = cvy_clock_now(), .is_plain = is_plain};
    cvy_symbols_open(&d->symbols, is_plain);
}

void cvy_dump_close(struct cvy_dump *d)
{
    cvy_symbols_close(&d->symbols);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

static bool is_named(const struct cvy_symbol *s, const char *name)
{
    return s->function && strcmp(s->function, name) == 0;
}

/* Ours, below the task's function. */
static bool is_bottom(const struct cvy_symbol *s)
{
    return is_named(s, "cvy_switch_start") || is_named(s, "task_main") || is_named(s, "task_body");
}

/* A task's function that has ended in a tail call has no frame any more. */
static void add_start(struct cvy_dump *d, const struct cvy_view *v, struct cvy_trimmed *t)
{
    const char *last = t->count > 0 ? t->symbols[t->count - 1].function : NULL;
    struct cvy_symbol s;

    if (!last || !v->fn || v->frame_count == CVY_VIEW_FRAMES) {
        return;
    }
    cvy_symbols_find_function(&d->symbols, (const void *)(uintptr_t)v->fn, &s);
    if (s.function && strcmp(s.function, last) != 0) {
        t->pcs[t->count] = (const void *)(uintptr_t)v->fn;
        t->symbols[t->count++] = s;
    }
}

/* A frame and what is inlined in it; others: how many more frames are to have room. */
static void add_frame(struct cvy_dump *d, const void *pc, size_t others, struct cvy_trimmed *t)
{
    struct cvy_symbol symbols[CVY_SYMBOLS_MAX];
    size_t n = cvy_symbols_find(&d->symbols, pc, symbols);
    size_t i = t->count + n + others < CVY_TRIMMED_MAX ? 0 : n - 1;

    for (; i < n; i++) {
        t->pcs[t->count] = pc;
        t->symbols[t->count++] = symbols[i];
    }
}

/* The call that the user made, from first on. One that ends in a jump has no frame: then what comes
 * behind the last that bears our name. */
static size_t call_of(const struct cvy_trimmed *t, size_t first)
{
    size_t behind = first;

    for (size_t i = first; i < t->count; i++) {
        if (begins(t->symbols[i].function, "covey_")) {
            return i;
        }
        behind = begins(t->symbols[i].function, "cvy_") ? i + 1 : behind;
    }
    return behind;
}

/* Removes, of those from first on, what comes before the call that the user made, or before the
 * fault. */
static void remove_own(struct cvy_trimmed *t, size_t first)
{
    size_t to = first;
    bool is_fault = false;

    for (size_t i = first; i < t->count && !is_fault; i++) {
        is_fault = is_named(&t->symbols[i], "on_fault");
        if (is_fault) {
            to = i + 2 < t->count ? i + 2 : t->count; /* and the kernel's frame */
        } else if (is_named(&t->symbols[i], "cvy_fatal")) {
            to = i + 1;
        }
    }
    if (!is_fault) {
        to = call_of(t, to);
    }
    memmove(&t->pcs[first], &t->pcs[to], (t->count - to) * sizeof(t->pcs[0]));
    memmove(&t->symbols[first], &t->symbols[to], (t->count - to) * sizeof(t->symbols[0]));
    t->count -= to - first;
}

void cvy_dump_trim(struct cvy_dump *d, const struct cvy_view *v, struct cvy_trimmed *t)
{
    size_t interrupted = 0;

    t->count = 0;
    for (size_t i = 0; i < v->frame_count; i++) {
        add_frame(d, v->frames[i], v->frame_count - i - 1, t);
        interrupted = i + 1 == v->interrupted_count ? t->count : interrupted;
    }
    while (t->count > 1 && is_bottom(&t->symbols[t->count - 1])) {
        t->count--;
    }
    add_start(d, v, t);
    remove_own(t, interrupted < t->count ? interrupted : t->count);
}

static void print_frame(struct cvy_dump *d, const void *pc, const struct cvy_symbol *s, int indent)
{
    (void)fprintf(d->out, "%*sat ", indent, "");
    if (s->function && s->file) {
        (void)fprintf(d->out, "%s (%s:%d)\n", s->function, base_name(s->file), s->line);
    } else if (s->module) {
        (void)fprintf(d->out, "%s (%s+0x%llx)\n", s->function ? s->function : "?",
                      base_name(s->module), (unsigned long long)s->offset);
    } else {
        (void)fprintf(d->out, "%p\n", pc);
    }
}

void cvy_dump_ask(struct cvy_dump *d, struct cvy_view *v)
{
    if (!d->is_fatal && d->silence_ns < SILENCE_NS_MAX) {
        int64_t began = cvy_clock_real();
        bool is_told = cvy_ask_stack(d->rt, v);
        d->silence_ns += is_told ? 0 : cvy_clock_real() - began;
    }
}

bool cvy_dump_take(struct cvy_dump *d, struct cvy_task *t, struct cvy_view *v)
{
    if (!cvy_view_take(t, v, false)) {
        return false;
    }
    if (v->state == CVY_TASK_RUNNING ||
        (v->state == CVY_TASK_WAITING && v->reason == CVY_WAIT_BLOCKING)) {
        cvy_dump_ask(d, v);
    }
    return true;
}

void cvy_dump_site(struct cvy_dump *d, const char *before, const covey_site *site)
{
    site = cvy_site_still_there(site);
    if (site && site->line > 0) {
        (void)fprintf(d->out, "%s %s:%d", before, site->file, site->line);
    } else if (site) {
        (void)fprintf(d->out, "%s %s", before, site->file);
    }
}

void cvy_dump_name(struct cvy_dump *d, const struct cvy_view *v)
{
    (void)fputc('"', d->out);
    for (const char *c = cvy_view_label(v); *c; c++) {
        bool is_control = (unsigned char)*c < ' ' || *c == 0x7f;
        (void)fprintf(d->out, is_control ? "\\x%02x" : "%c", (unsigned char)*c);
    }
    (void)fputc('"', d->out);
}

uint64_t cvy_dump_owner(struct cvy_dump *d, uint32_t owner)
{
    if (owner != d->owner && !d->is_plain && d->searches < SEARCHES_MAX) {
        d->owner = owner;
        d->owner_id = cvy_owner_number(d->rt, owner, &d->searches);
    }
    return owner == d->owner ? d->owner_id : owner;
}

void cvy_dump_detail(struct cvy_dump *d, const struct cvy_view *v, char *out, size_t size)
{
    int n = snprintf(out, size, "%s", v->detail);

    for (uint32_t i = 0; i < v->owner_count && n >= 0 && (size_t)n < size; i++) {
        n += snprintf(out + n, size - (size_t)n, "%s%s%llu", n > 0 ? ", " : "",
                      i > 0            ? ""
                      : v->are_readers ? "read by task "
                                       : "held by task ",
                      (unsigned long long)cvy_dump_owner(d, v->owners[i]));
    }
}

static void print_wait(struct cvy_dump *d, const struct cvy_view *v)
{
    char detail[DETAIL_ROOM];

    if (v->state != CVY_TASK_WAITING) {
        return;
    }
    (void)fprintf(d->out, " in %s", cvy_view_reason(v));
    if (v->reason == CVY_WAIT_BLOCKING) {
        struct cvy_symbol s;
        cvy_symbols_find_function(&d->symbols, v->object, &s);
        if (s.function) {
            (void)fprintf(d->out, " of %s", s.function);
        }
    } else if (v->reason == CVY_WAIT_SELECT || v->reason == CVY_WAIT_READ ||
               v->reason == CVY_WAIT_WRITE || v->reason == CVY_WAIT_ACCEPT ||
               v->reason == CVY_WAIT_SLEEP || v->reason == CVY_WAIT_HANGUP ||
               v->reason == CVY_WAIT_DIAL || v->reason == CVY_WAIT_RESOLVE) {
        (void)fprintf(d->out, " (%s)", v->detail);
    } else {
        bool is_left = !d->is_plain && d->searches < SEARCHES_MAX &&
                       cvy_is_left_locked(d->rt, v, &d->searches);
        cvy_dump_detail(d, v, detail, sizeof(detail));
        (void)fprintf(d->out, detail[0] ? " %p (%s%s)" : " %p%s%s", v->object, detail,
                      is_left ? ", which has ended" : "");
    }
    if (v->since > 0 && d->now > v->since) {
        (void)fprintf(d->out, " for %.3f s", (double)(d->now - v->since) / (double)COVEY_SEC);
    }
}

/* "held by task 7, 9" */
static void print_holders(struct cvy_dump *d, const void *object)
{
    uint32_t holders[4];
    size_t n = object && cvy_holders_of && cvy_diagnosis_on()
                   ? cvy_holders_of(object, holders, NULL, 4)
                   : 0;

    for (size_t i = 0; i < n; i++) {
        (void)fprintf(d->out, "%s%llu", i > 0 ? ", " : " (held by task ",
                      (unsigned long long)cvy_dump_owner(d, holders[i]));
    }
    if (n > 0) {
        (void)fputc(')', d->out);
    }
}

static void print_notes(struct cvy_dump *d, const struct cvy_view *v)
{
    for (uint32_t i = 0; i < v->note_count; i++) {
        const struct cvy_view_note *n = &v->notes[i];
        (void)fprintf(d->out, n->text[0] ? ", %s %s \"%s\"" : ", %s %s",
                      n->is_work ? "at work on" : "awaiting", n->what, n->text);
        print_holders(d, n->object);
        if (n->since > 0 && d->now > n->since) {
            (void)fprintf(d->out, " for %.3f s", (double)(d->now - n->since) / (double)COVEY_SEC);
        }
    }
}

static void print_context(struct cvy_dump *d, const struct cvy_view *v)
{
    int64_t ignored = d->is_plain ? 0 : cvy_ignored_since(v->id);

    if (ignored > 0) {
        (void)fprintf(d->out, ", has gone on for %.3f s after its context's end",
                      (double)(d->now - ignored) / (double)COVEY_SEC);
    }
    if (!v->is_parked) {
        return;
    }
    if (v->done) {
        (void)fprintf(d->out, ", its context is done (%s", covey_strerror(v->done));
        cvy_dump_site(d, ", set at", v->done == COVEY_EDEADLINE ? v->deadline_site : NULL);
        (void)fputc(')', d->out);
    } else if (v->deadline != CVY_NEVER) {
        (void)fprintf(d->out, ", deadline in %.3f s",
                      (double)(v->deadline - d->now) / (double)COVEY_SEC);
        cvy_dump_site(d, " set at", v->deadline_site);
    }
    if (!v->can_cancel) {
        (void)fputs(", not cancellable", d->out);
    }
}

size_t cvy_trimmed_frame_end(const struct cvy_trimmed *t, size_t i)
{
    while (i + 1 < t->count && t->symbols[i].is_inlined) {
        i++;
    }
    return i + 1;
}

static void print_frames(struct cvy_dump *d, const struct cvy_view *v, const struct cvy_trimmed *t,
                         int indent)
{
    for (size_t i = 0, next; i < t->count; i = next) {
        const void *pc = t->pcs[i];
        size_t repeats = 0;

        next = cvy_trimmed_frame_end(t, i);
        for (size_t j = i; j < next; j++) {
            print_frame(d, pc, &t->symbols[j], indent);
        }
        for (; next < t->count && t->pcs[next] == pc; next = cvy_trimmed_frame_end(t, next)) {
            repeats++;
        }
        if (repeats > 0) {
            (void)fprintf(d->out, "%*s   and %zu calls of itself\n", indent, "", repeats);
        }
    }
    if (v->frame_count == CVY_VIEW_FRAMES) {
        (void)fprintf(d->out, "%*s... called from deeper than %d frames\n", indent, "",
                      CVY_VIEW_FRAMES);
    }
}

void cvy_dump_frames(struct cvy_dump *d, const struct cvy_view *v, int indent)
{
    struct cvy_trimmed t;

    cvy_dump_trim(d, v, &t);
    print_frames(d, v, &t, indent);
}

void cvy_dump_view(struct cvy_dump *d, const struct cvy_view *v, int depth)
{
    struct cvy_trimmed t;

    cvy_dump_trim(d, v, &t);
    /* A task's lines stand together, whoever else writes there. Names take their time: before. */
    flockfile(d->out);
    if (v->thread) {
        (void)fprintf(d->out, "%*splain thread %u", depth * 2, "", v->thread);
    } else {
        (void)fprintf(d->out, "%*stask %llu ", depth * 2, "", (unsigned long long)v->id);
        cvy_dump_name(d, v);
    }
    (void)fprintf(d->out, " %s", cvy_view_state(v));
    print_wait(d, v);
    print_notes(d, v);
    print_context(d, v);
    cvy_dump_site(d, ", started at", v->started);
    (void)fputc('\n', d->out);
    print_frames(d, v, &t, depth * 2 + 4);
    funlockfile(d->out);
}

/* ---- of what may allocate nothing ---- */

struct plain {
    struct cvy_dump *dump;
    size_t count;
};

static bool plain_one(struct cvy_task *t, void *arg)
{
    struct plain *p = arg;
    struct cvy_view v;

    if (cvy_view_take(t, &v, false) && p->count++ < PLAIN_TASKS_MAX) {
        cvy_dump_view(p->dump, &v, 1);
    }
    return true;
}

static void dump_plain(struct cvy_dump *d)
{
    struct plain p = {.dump = d};

    (void)cvy_tasks_each(d->rt, plain_one, &p);
    if (p.count > PLAIN_TASKS_MAX) {
        (void)fprintf(d->out, "  ... and %zu more\n", p.count - PLAIN_TASKS_MAX);
    }
}

void cvy_dump_any(struct cvy_dump *d)
{
    if (d->is_plain) {
        dump_plain(d);
    } else if (cvy_tasks_each(d->rt, NULL, NULL) <= TREE_TASKS_MAX || !cvy_dump_folded(d)) {
        (void)cvy_dump_tree(d);
    }
}

/* ---- from outside ---- */

struct request {
    struct cvy_runtime *rt;
    FILE *out;
    int (*write)(struct cvy_dump *d, void *arg);
    void *arg;
    int code;
};

static void serve(void *arg)
{
    struct request *r = arg;
    struct cvy_relay relay;
    struct cvy_dump d;
    FILE *out = cvy_relay_open(&relay, r->out);

    cvy_dump_open(&d, r->rt, out, false);
    r->code = r->write(&d, r->arg);
    cvy_dump_close(&d);
    int code = cvy_relay_close(&relay, out);
    r->code = r->code == 0 ? code : r->code;
}

int cvy_dump_to(FILE *out, bool needs_runtime, int (*write)(struct cvy_dump *d, void *arg),
                void *arg)
{
    struct cvy_thread *th = cvy_enter();
    struct request r = {
        .rt = cvy_runtime_get(), .out = out, .write = write, .arg = arg, .code = COVEY_ECLOSED};
    bool is_task = !th->task->is_foreign;

    if (is_task) {
        /* It may take seconds: as user code, whose worker can be given to another thread. The
         * runtime lives as long as its tasks; for a plain thread's sake it waits for our leave. */
        cvy_leave(th);
    }
    if (r.rt || !needs_runtime) {
        cvy_with_stack(CVY_DUMP_STACK, serve, &r);
    }
    if (!is_task) {
        cvy_leave(th);
    }
    return r.code;
}

static int write_tree(struct cvy_dump *d, void *arg)
{
    (void)arg;
    (void)cvy_dump_tree(d);
    return 0;
}

void covey_dump(FILE *out)
{
    if (cvy_dump_to(out, true, write_tree, NULL) == COVEY_ECLOSED) {
        (void)fputs("covey: no runtime is up\n", out);
    }
}
