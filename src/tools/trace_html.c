/* SPDX-License-Identifier: MIT
 * trace_html.c - a trace as one page: the files of trace_view/, with the model's columns as base64
 * for typed arrays. Times are 32-bit numbers of a unit that the length of the trace chooses. */
#include "tools/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <trace_view_files.h>

#define PART_BYTES ((size_t)12 << 20) /* of one script element; a multiple of 3 */
#define PEERS_MAX 20000
#define MARKS_MAX 20000

enum type { U8, U16, U32, F64 };

struct column {
    const char *name;
    enum type type;
    size_t offset, length;
};

struct page {
    const struct cvy_trace_model *m;
    FILE *out;
    int64_t unit; /* ns */
    unsigned char *data;
    size_t size, room;
    struct column columns[24];
    size_t column_count;
    size_t *run_first; /* of each ring in run_order, and the end */
    bool is_out_of_memory;
};

static const size_t type_sizes[] = {[U8] = 1, [U16] = 2, [U32] = 4, [F64] = 8};
static const char *const type_names[] = {[U8] = "u8", [U16] = "u16", [U32] = "u32", [F64] = "f64"};

/* Room for a column, zeroed; NULL: out of memory. */
static void *column_add(struct page *p, const char *name, enum type type, size_t length)
{
    size_t offset = (p->size + 7) & ~(size_t)7;
    size_t end = offset + length * type_sizes[type];

    if (end > p->room || !p->data) {
        size_t room = end * 2 + 64;
        unsigned char *larger = realloc(p->data, room);
        if (!larger) {
            p->is_out_of_memory = true;
            return NULL;
        }
        p->data = larger;
        p->room = room;
    }
    memset(p->data + p->size, 0, end - p->size);
    p->size = end;
    p->columns[p->column_count++] =
        (struct column){.name = name, .type = type, .offset = offset, .length = length};
    return p->data + offset;
}

static uint32_t time_of(const struct page *p, int64_t ns)
{
    return (uint32_t)(ns / p->unit);
}

static uint32_t site_index(const struct cvy_trace_model *m, uint64_t address)
{
    const struct cvy_trace_site *s = cvy_trace_site_at(m->trace, address);
    return s ? (uint32_t)(s - m->trace->sites) + 1 : 0;
}

#define FILL(name, kind, ctype, count, value)                                                      \
    do {                                                                                           \
        ctype *at_ = column_add(p, (name), (kind), (count));                                       \
        for (size_t i = 0; at_ && i < (count); i++) {                                              \
            at_[i] = (ctype)(value);                                                               \
        }                                                                                          \
    } while (0)

/* A segment ends where the next one of its task begins, unless it is told. */
static bool ends_apart(const struct page *p, size_t i)
{
    const struct cvy_trace_segment *s = &p->m->segments[i];

    return i + 1 == p->m->segment_count || s[1].task != s->task ||
           time_of(p, s[1].start) != time_of(p, s->end);
}

/* Little is known of most segments, but when they were. */
static bool has_more(const struct page *p, size_t i)
{
    const struct cvy_trace_segment *s = &p->m->segments[i];

    return s->reason || s->object || s->waker || s->by != CVY_TRACE_BY_OTHER;
}

/* A column of the segments that are meant, which are listed; NULL: out of memory. */
static uint32_t *pick(struct page *p, const char *name,
                      bool (*is_meant)(const struct page *p, size_t i), size_t *count)
{
    uint32_t *list = malloc((p->m->segment_count + 1) * sizeof(*list));

    *count = 0;
    if (!list) {
        p->is_out_of_memory = true;
        return NULL;
    }
    for (size_t i = 0; i < p->m->segment_count; i++) {
        if (is_meant(p, i)) {
            list[(*count)++] = (uint32_t)i;
        }
    }
    FILL(name, U32, uint32_t, *count, list[i]);
    return list;
}

static void add_segments(struct page *p)
{
    const struct cvy_trace_segment *s = p->m->segments;
    size_t n = p->m->segment_count;

    FILL("start", U32, uint32_t, n, time_of(p, s[i].start));
    FILL("state", U8, uint8_t, n, s[i].state);
    uint32_t *apart = pick(p, "apart", ends_apart, &n);
    FILL("apart_end", U32, uint32_t, n, time_of(p, s[apart[i]].end));
    free(apart);
    uint32_t *more = pick(p, "more", has_more, &n);
    FILL("more_waker", U32, uint32_t, n, s[more[i]].waker);
    FILL("more_object_low", U32, uint32_t, n, s[more[i]].object);
    FILL("more_object_high", U16, uint16_t, n, s[more[i]].object >> 32);
    FILL("more_reason", U8, uint8_t, n, s[more[i]].reason);
    FILL("more_by", U8, uint8_t, n, s[more[i]].by);
    free(more);
}

static void add_lives(struct page *p)
{
    const struct cvy_trace_life *l = p->m->lives;
    size_t n = p->m->life_count;

    FILL("life_id", F64, double, n, l[i].id);
    FILL("life_first", U32, uint32_t, n + 1, i < n ? l[i].first : p->m->segment_count);
    FILL("life_site", U32, uint32_t, n, site_index(p->m, l[i].site));
    FILL("life_group", U32, uint32_t, n, l[i].group);
    FILL("life_creator", U32, uint32_t, n, l[i].creator);
    FILL("life_start", U32, uint32_t, n, time_of(p, l[i].start));
}

static void add_regions(struct page *p)
{
    const struct cvy_trace_region *r = p->m->regions;
    size_t n = p->m->region_count;

    FILL("region_task", U32, uint32_t, n, r[i].task);
    FILL("region_site", U32, uint32_t, n, site_index(p->m, r[i].site));
    FILL("region_start", U32, uint32_t, n, time_of(p, r[i].start));
    FILL("region_end", U32, uint32_t, n, time_of(p, r[i].end >= 0 ? r[i].end : p->m->end));
}

struct run {
    int64_t start;
    uint32_t segment;
};

static int compare_runs(const void *a, const void *b)
{
    const struct run *x = a;
    const struct run *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* The segments that each worker ran, by time. */
static void add_runs(struct page *p)
{
    const struct cvy_trace_model *m = p->m;
    size_t rings = m->trace->ring_count;
    size_t *at = calloc(rings + 1, sizeof(*at));
    size_t n = 0;

    p->run_first = calloc(rings + 1, sizeof(*p->run_first));
    for (size_t i = 0; at && p->run_first && i < m->segment_count; i++) {
        if (m->segments[i].state == CVY_TRACE_RUNNING) {
            p->run_first[m->segments[i].worker + 1]++;
            n++;
        }
    }
    struct run *runs = malloc((n + 1) * sizeof(*runs));
    uint32_t *order = column_add(p, "run_order", U32, n);
    if (!at || !p->run_first || !runs || !order) {
        p->is_out_of_memory = true;
        free(at);
        free(runs);
        return;
    }
    for (size_t r = 0; r < rings; r++) {
        p->run_first[r + 1] += p->run_first[r];
        at[r] = p->run_first[r];
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        if (s->state == CVY_TRACE_RUNNING) {
            runs[at[s->worker]++] = (struct run){.start = s->start, .segment = (uint32_t)i};
        }
    }
    for (size_t r = 0; r < rings; r++) {
        qsort(runs + p->run_first[r], p->run_first[r + 1] - p->run_first[r], sizeof(*runs),
              compare_runs);
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = runs[i].segment;
    }
    free(at);
    free(runs);
}

/* ---- the JSON beside the columns ---- */

static void text(struct page *p, const char *t)
{
    (void)fputc('"', p->out);
    cvy_trace_write_json_text(t, p->out);
    (void)fputc('"', p->out);
}

static const char *comma(bool *is_first)
{
    bool was_first = *is_first;
    *is_first = false;
    return was_first ? "" : ",";
}

static void write_names(struct page *p)
{
    const struct cvy_trace_model *m = p->m;
    bool is_first = true;
    char place[256];

    (void)fputs(",\"sites\":[[\"\",\"?\"]", p->out);
    for (size_t i = 0; i < m->trace->site_count; i++) {
        (void)fputs(",[", p->out);
        text(p, m->trace->sites[i].name);
        (void)fputc(',', p->out);
        text(p, cvy_trace_place(m, m->trace->sites[i].address, place, sizeof(place)));
        (void)fputc(']', p->out);
    }
    (void)fputs("],\"names\":{", p->out);
    for (size_t i = 1; i < m->life_count; i++) {
        if (m->lives[i].name) {
            (void)fprintf(p->out, "%s\"%zu\":", comma(&is_first), i);
            text(p, m->lives[i].name);
        }
    }
    (void)fputs("},\"reasons\":[", p->out);
    for (int i = 0; i < 256; i++) {
        (void)fputs(i ? "," : "", p->out);
        text(p, cvy_trace_reason((uint8_t)i));
    }
    (void)fputc(']', p->out);
}

static void write_workers(struct page *p)
{
    const struct cvy_trace *t = p->m->trace;
    bool is_first = true;

    (void)fputs(",\"rings\":[", p->out);
    for (size_t i = 0; i < t->ring_count; i++) {
        (void)fprintf(p->out, "%s%" PRIu32, i ? "," : "", t->rings[i].number);
    }
    (void)fputs("],\"workers\":[", p->out);
    for (size_t i = 0; i < t->ring_count; i++) {
        if (t->rings[i].number != CVY_TRACE_RING_SHARED) {
            (void)fprintf(p->out, "%s[%" PRIu32 ",%zu,%zu,%zu]", comma(&is_first),
                          t->rings[i].number, p->run_first[i], p->run_first[i + 1], i);
        }
    }
    (void)fputc(']', p->out);
}

/* [low half of the object, time, what it is connected to], by object and time. */
static void write_peers(struct page *p)
{
    const struct cvy_trace_model *m = p->m;
    bool is_first = true;

    (void)fputs(",\"peers\":[", p->out);
    for (size_t i = 0; i < m->peer_count && i < PEERS_MAX; i++) {
        const struct cvy_trace_peer *r = &m->peers[i];
        if (r->text) {
            (void)fprintf(p->out, "%s[%" PRIu32 ",%" PRIu32 ",", comma(&is_first), r->object,
                          time_of(p, r->at));
            text(p, r->text);
            (void)fputc(']', p->out);
        }
    }
    (void)fputc(']', p->out);
}

static void write_groups(struct page *p)
{
    const struct cvy_trace_model *m = p->m;

    (void)fputs(",\"groups\":[null", p->out);
    for (size_t i = 1; i < m->group_count; i++) {
        const struct cvy_trace_group *g = &m->groups[i];
        (void)fprintf(p->out, ",[%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRId64 ",%" PRIu32,
                      site_index(m, g->site), g->opener, time_of(p, g->start),
                      g->end < 0 ? -1 : g->end / p->unit, g->members);
        (void)fprintf(p->out, ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", g->running / p->unit,
                      g->queued / p->unit, g->waiting / p->unit);
    }
    (void)fputc(']', p->out);
}

static const char *site_name(const struct cvy_trace_model *m, uint64_t site)
{
    const struct cvy_trace_site *s = cvy_trace_site_at(m->trace, site);
    return s ? s->name : "?";
}

/* [time, task, name, value as text or null], as they came. */
static void write_marks(struct page *p)
{
    const struct cvy_trace_model *m = p->m;
    bool is_first = true;

    (void)fprintf(p->out, ",\"mark_count\":%zu,\"marks\":[", m->mark_count);
    for (size_t i = 0; i < m->mark_count && i < MARKS_MAX; i++) {
        const struct cvy_trace_mark *k = &m->marks[i];
        (void)fprintf(p->out, "%s[%" PRIu32 ",%" PRIu32 ",", comma(&is_first), time_of(p, k->at),
                      k->task);
        text(p, k->site ? site_name(m, k->site) : k->text ? k->text : "");
        if (k->site) {
            (void)fprintf(p->out, ",\"%" PRId64 "\"]", k->value);
        } else {
            (void)fputs(",null]", p->out);
        }
    }
    (void)fputc(']', p->out);
}

static void write_meta(struct page *p, const char *title)
{
    const struct cvy_trace_model *m = p->m;

    (void)fputs("{\"title\":", p->out);
    text(p, title);
    (void)fprintf(p->out,
                  ",\"wall\":%.3f,\"unit\":%" PRId64 ",\"end\":%" PRIu32 ",\"events\":%" PRIu64
                  ",\"tasks\":%zu,\"in_ticks\":%s,\"lost\":%" PRIu64
                  ",\"whole\":%s,\"bytes\":%zu,\"columns\":[",
                  (double)cvy_trace_wall_start(m->trace) / 1e6, p->unit, time_of(p, m->end),
                  m->trace->events, m->life_count - 1 - m->over,
                  cvy_trace_has_rate(m->trace) ? "false" : "true", m->trace->lost,
                  m->trace->is_whole ? "true" : "false", p->size);
    for (size_t i = 0; i < p->column_count; i++) {
        const struct column *c = &p->columns[i];
        (void)fprintf(p->out, "%s[\"%s\",\"%s\",%zu,%zu]", i ? "," : "", c->name,
                      type_names[c->type], c->offset, c->length);
    }
    (void)fputc(']', p->out);
    write_names(p);
    write_workers(p);
    write_peers(p);
    write_groups(p);
    write_marks(p);
    (void)fputc('}', p->out);
}

/* ---- the page ---- */

static void write_base64(const unsigned char *data, size_t size, FILE *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[4096];
    size_t len = 0;

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t n = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                     (left > 2 ? data[i + 2] : 0);
        line[len++] = digits[n >> 18];
        line[len++] = digits[n >> 12 & 63];
        line[len++] = left > 1 ? digits[n >> 6 & 63] : '=';
        line[len++] = left > 2 ? digits[n & 63] : '=';
        if (len == sizeof(line)) {
            (void)fwrite(line, 1, len, out);
            len = 0;
        }
    }
    (void)fwrite(line, 1, len, out);
}

static void write_data(struct page *p)
{
    for (size_t at = 0; at < p->size; at += PART_BYTES) {
        size_t n = p->size - at < PART_BYTES ? p->size - at : PART_BYTES;
        (void)fputs("<script type=\"text/plain\">", p->out);
        write_base64(p->data + at, n, p->out);
        (void)fputs("</script>\n", p->out);
    }
}

static const char *file_text(const char *name, size_t len)
{
    size_t i = 0;

    while (cvy_trace_view_files[i].name && (strlen(cvy_trace_view_files[i].name) != len ||
                                            memcmp(cvy_trace_view_files[i].name, name, len) != 0)) {
        i++;
    }
    return cvy_trace_view_files[i].text;
}

/* index.html, in which @META@, @DATA@ and @file@ stand for what they name. */
static void write_page(struct page *p, const char *title)
{
    const char *at = file_text("index.html", strlen("index.html"));

    for (const char *mark; (mark = strchr(at, '@')) != NULL;) {
        const char *end = strchr(mark + 1, '@');
        (void)fwrite(at, 1, (size_t)(mark - at), p->out);
        if (strncmp(mark, "@META@", 6) == 0) {
            write_meta(p, title);
        } else if (strncmp(mark, "@DATA@", 6) == 0) {
            write_data(p);
        } else {
            (void)fputs(file_text(mark + 1, (size_t)(end - mark) - 1), p->out);
        }
        at = end + 1;
    }
    (void)fputs(at, p->out);
}

bool cvy_trace_write_html(const struct cvy_trace_model *m, const char *title, FILE *out)
{
    struct page page = {.m = m, .out = out, .unit = m->end / 4000000000 + 1};

    add_segments(&page);
    add_lives(&page);
    add_runs(&page);
    add_regions(&page);
    if (!page.is_out_of_memory) {
        write_page(&page, title);
    }
    free(page.data);
    free(page.run_first);
    return !page.is_out_of_memory;
}
