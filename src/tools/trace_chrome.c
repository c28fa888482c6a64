/* SPDX-License-Identifier: MIT
 * trace_chrome.c - a trace as Chrome's trace events (JSON): a row for each worker with the tasks it
 * ran and why each left it, arrows from who woke a task to where it ran next, regions and marks. */
#include "tools/trace.h"

#include "tools/line.h"
#include "tools/trace_kinds.h"

#include <inttypes.h>
#include <stdlib.h>

void cvy_trace_write_json_text(const char *text, FILE *out)
{
    for (const char *c = text; *c;) {
        size_t len = cvy_line_sequence_at(c);
        if (len == 0) {
            (void)fputs("\\ufffd", out);
            len = 1;
        } else if (*c == '"' || *c == '\\') {
            (void)fprintf(out, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20 || *c == '<' || *c == 0x7F) {
            /* '<' too: the text may stand in a page. */
            (void)fprintf(out, "\\u%04x", (unsigned char)*c);
        } else {
            (void)fwrite(c, 1, len, out);
        }
        c += len;
    }
}

/* A member with a moment. Perfetto multiplies the microseconds and cuts to a whole number: four
 * tenths of a nanosecond keep it from the one before, in which another run may still last. */
static void write_moment(int64_t at, FILE *out)
{
    (void)fprintf(out, "\"ts\":%" PRId64 ".%03d4", at / 1000, (int)(at % 1000));
}

static void begin(const struct cvy_trace_model *m, uint32_t task, const char *phase, int64_t at,
                  uint64_t row, FILE *out)
{
    (void)fprintf(out, ",\n{\"ph\":\"%s\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu64 ",", phase,
                  m->trace->header.pid, row);
    write_moment(at, out);
    (void)fputs(",\"name\":\"", out);
    cvy_trace_write_json_text(cvy_trace_name(m, task), out);
    (void)fputc('"', out);
}

/* Behind the workers' rows, which begin with 1: 0 is a thread of the kernel's to Perfetto. How many
 * workers there are the header may not know: the trace may have begun before they did. */
static uint64_t other_row(const struct cvy_trace_model *m)
{
    const struct cvy_trace *t = m->trace;
    size_t n = t->ring_count;

    if (n > 0 && t->rings[n - 1].number == CVY_TRACE_RING_SHARED) {
        n--;
    }
    return n > 0 ? (uint64_t)t->rings[n - 1].number + 2 : 1;
}

static uint64_t row_of(const struct cvy_trace_model *m, uint16_t worker)
{
    uint32_t number = m->trace->rings[worker].number;
    return number == CVY_TRACE_RING_SHARED ? other_row(m) : (uint64_t)number + 1;
}

/* Why a task left its worker: what it did next. */
static const char *what_then(const struct cvy_trace_model *m, const struct cvy_trace_segment *s)
{
    const struct cvy_trace_life *l = &m->lives[s->task];
    const struct cvy_trace_segment *next = s + 1;

    if (next == &m->segments[l->first + l->count]) {
        return l->end >= 0 ? "ended" : "the trace's end";
    }
    if (next->start > s->end) {
        return "events are missing";
    }
    return next->state == CVY_TRACE_QUEUED ? "yielded" : cvy_trace_state(next->state, next->reason);
}

static void write_run(const struct cvy_trace_model *m, const struct cvy_trace_segment *s, FILE *out)
{
    char place[256];

    begin(m, s->task, "X", s->start, row_of(m, s->worker), out);
    (void)fprintf(out, ",\"dur\":%.3f,\"args\":{\"task\":%" PRIu64 ",\"started at\":\"",
                  (double)(s->end - s->start) / 1000, m->lives[s->task].id);
    cvy_trace_write_json_text(cvy_trace_place(m, m->lives[s->task].site, place, sizeof(place)),
                              out);
    (void)fprintf(out, "\",\"then\":\"%s\"}}", what_then(m, s));
}

/* From within the waker's run, which may end with the wake: an arrow at its end would be in none.
 * next: the first run behind the wait, perhaps another task's. */
static void write_arrow(const struct cvy_trace_model *m, size_t i, size_t next, FILE *out)
{
    const struct cvy_trace_segment *s = &m->segments[i];
    const struct cvy_trace_segment *by = cvy_trace_segment_at(m, s->waker, s->end);
    const struct cvy_trace_segment *then = &m->segments[next];
    const struct cvy_trace_life *l = &m->lives[s->task];

    if (by && by->state == CVY_TRACE_RUNNING && next < l->first + l->count) {
        int64_t at = s->end < by->end ? s->end : by->end - 1;
        begin(m, s->task, "s", at, row_of(m, by->worker), out);
        (void)fprintf(out, ",\"cat\":\"wake\",\"id\":%zu}", i);
        begin(m, s->task, "f", then->start, row_of(m, then->worker), out);
        (void)fprintf(out, ",\"cat\":\"wake\",\"bp\":\"e\",\"id\":%zu}", i);
    }
}

static void write_arrows(const struct cvy_trace_model *m, FILE *out)
{
    size_t next = 0;

    for (size_t i = 0; i < m->segment_count; i++) {
        while (next < m->segment_count &&
               (next <= i || m->segments[next].state != CVY_TRACE_RUNNING)) {
            next++;
        }
        if (m->segments[i].state == CVY_TRACE_WAITING && m->segments[i].by == CVY_TRACE_BY_TASK) {
            write_arrow(m, i, next, out);
        }
    }
}

static const char *site_name(const struct cvy_trace_model *m, uint64_t site)
{
    const struct cvy_trace_site *s = cvy_trace_site_at(m->trace, site);
    return s ? s->name : "?";
}

static void write_region(const struct cvy_trace_model *m, size_t i, FILE *out)
{
    const struct cvy_trace_region *r = &m->regions[i];

    for (int is_end = 0; is_end < 2; is_end++) {
        int64_t at = is_end ? (r->end >= 0 ? r->end : m->end) : r->start;
        (void)fprintf(out,
                      ",\n{\"ph\":\"%s\",\"cat\":\"region\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu64
                      ",\"id\":%zu,",
                      is_end ? "e" : "b", m->trace->header.pid, other_row(m), i);
        write_moment(at, out);
        (void)fputs(",\"name\":\"", out);
        cvy_trace_write_json_text(site_name(m, r->site), out);
        (void)fprintf(out, "\",\"args\":{\"task\":%" PRIu64 "}}", m->lives[r->task].id);
    }
}

/* The process's: on a worker's row arrows would come from the mark, and not from the run. */
static void write_mark(const struct cvy_trace_model *m, const struct cvy_trace_mark *k, FILE *out)
{
    (void)fprintf(out, ",\n{\"ph\":\"i\",\"s\":\"p\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu64 ",",
                  m->trace->header.pid, other_row(m));
    write_moment(k->at, out);
    (void)fputs(",\"name\":\"", out);
    cvy_trace_write_json_text(k->text ? k->text : site_name(m, k->site), out);
    (void)fprintf(out, "\",\"args\":{\"value\":%" PRId64 ",\"task\":%" PRIu64 "}}", k->value,
                  m->lives[k->task].id);
}

void cvy_trace_write_chrome(const struct cvy_trace_model *m, FILE *out)
{
    (void)fprintf(out,
                  "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":%" PRIu32
                  ",\"name\":\"process_name\",\"args\":{\"name\":\"covey\"}}",
                  m->trace->header.pid);
    for (size_t i = 0; i < m->trace->ring_count; i++) {
        uint32_t number = m->trace->rings[i].number;
        if (number != CVY_TRACE_RING_SHARED) {
            (void)fprintf(out,
                          ",\n{\"ph\":\"M\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
                          ",\"name\":\"thread_name\",\"args\":{\"name\":\"worker %" PRIu32 "\"}}",
                          m->trace->header.pid, number + 1, number);
        }
    }
    (void)fprintf(out,
                  ",\n{\"ph\":\"M\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu64
                  ",\"name\":\"thread_name\",\"args\":{\"name\":\"regions, logs\"}}",
                  m->trace->header.pid, other_row(m));
    /* An arrow belongs to the run that came last of those of its row and of an earlier moment, or
     * of the same one: to its own, if all runs come first. */
    for (size_t i = 0; i < m->segment_count; i++) {
        if (m->segments[i].state == CVY_TRACE_RUNNING) {
            write_run(m, &m->segments[i], out);
        }
    }
    write_arrows(m, out);
    for (size_t i = 0; i < m->region_count; i++) {
        write_region(m, i, out);
    }
    for (size_t i = 0; i < m->mark_count; i++) {
        write_mark(m, &m->marks[i], out);
    }
    (void)fprintf(out, "\n]}\n");
}
