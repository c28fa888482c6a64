/* SPDX-License-Identifier: MIT
 * note.c - see note.h. */
#include "sched/note.h"

#include <string.h>

/* What lies in a note's last bytes. */
struct cvy_note {
    struct cvy_scope scope;
    int64_t since;
};

static_assert(sizeof(struct cvy_note) <= sizeof(((covey_wait_note *)0)->own_) &&
                  offsetof(covey_wait_note, own_) % _Alignof(struct cvy_note) == 0,
              "covey_wait_note has room for it");

static struct cvy_note *own_part(covey_wait_note *note)
{
    return (struct cvy_note *)(void *)note->own_;
}

void cvy_note_open(struct cvy_thread *th, covey_wait_note *note)
{
    struct cvy_note *n = own_part(note);

    n->scope.kind = CVY_SCOPE_NOTE;
    n->scope.site = NULL;
    n->since = th->worker->checked_at;
    cvy_scope_open(&n->scope, th->task);
}

void covey_wait_note_begin(covey_wait_note *note)
{
    struct cvy_thread *th = cvy_enter();

    /* A plain thread stands in no dump. */
    if (!th->task->is_foreign) {
        cvy_note_open(th, note);
    }
    cvy_leave(th);
}

void covey_wait_note_end(covey_wait_note *note)
{
    if (!cvy_task_self()->is_foreign) {
        cvy_scope_close(&own_part(note)->scope);
    }
}

const covey_wait_note *cvy_note_next(const struct cvy_scope **from)
{
    const struct cvy_scope *s = *from;

    while (s && s->kind != CVY_SCOPE_NOTE) {
        s = s->next;
    }
    *from = s ? s->next : NULL;
    return s ? (const covey_wait_note *)(const void *)((const char *)s -
                                                       offsetof(covey_wait_note, own_))
             : NULL;
}

int64_t cvy_note_since(const covey_wait_note *note)
{
    return own_part((covey_wait_note *)(uintptr_t)note)->since;
}

/* On one line, with each stretch of white space as one space: statements have many lines. */
static void tidy(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        bool is_space = (unsigned char)*from <= ' ' || *from == 0x7f;
        if (!is_space) {
            *to++ = *from;
        } else if (to > text && to[-1] != ' ') {
            *to++ = ' ';
        }
    }
    while (to > text && to[-1] == ' ') {
        to--;
    }
    *to = '\0';
}

static void write_text(const covey_wait_note *note, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    if (note->describe) {
        note->describe(note, out, size);
    } else if (note->text) {
        len = strnlen(note->text, size);
        memcpy(out, note->text, len);
        out[len < size ? len : size - 1] = '\0';
    }
    tidy(out);
    if (len == size && strlen(out) > 3) {
        memcpy(out + strlen(out) - 3, "...", 3);
    }
}

void cvy_notes_view(const struct cvy_task *t, struct cvy_view *v, bool is_brief)
{
    /* The list is in a cold line of the record. */
    const struct cvy_scope *from = t->owns & CVY_OWNS_SCOPES ? t->scopes : NULL;
    const covey_wait_note *note;

    while (v->note_count < CVY_VIEW_NOTES && (note = cvy_note_next(&from)) != NULL) {
        struct cvy_view_note *n = &v->notes[v->note_count++];
        n->what = note->what;
        n->object = note->object;
        n->is_work = note->is_work;
        n->since = cvy_note_since(note);
        n->text[0] = '\0';
        if (!is_brief) {
            write_text(note, n->text, sizeof(n->text));
        }
    }
}
