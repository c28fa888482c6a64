/* SPDX-License-Identifier: MIT
 * pprof.c - see pprof.h. */
#include "debug/pprof.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <covey/error.h>

#include <string.h>

#undef errno

enum { VARINT, TEXT = 2 }; /* wire types */

enum profile {
    SAMPLE_TYPE = 1,
    SAMPLE,
    MAPPING,
    LOCATION,
    FUNCTION,
    STRING,
    TIME = 9,
    DURATION,
    PERIOD_TYPE,
    PERIOD,
    COMMENT
};
enum value_type { TYPE = 1, UNIT };
enum sample { SAMPLE_LOCATION = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum label { KEY = 1, STR };
enum mapping {
    MAPPING_ID = 1,
    START,
    LIMIT,
    OFFSET,
    FILENAME,
    BUILD_ID,
    HAS_FUNCTIONS,
    HAS_FILENAMES,
    HAS_LINES,
    HAS_INLINED
};
enum location { LOCATION_ID = 1, LOCATION_MAPPING, ADDRESS, LINE };
enum line { LINE_FUNCTION = 1, LINE_NUMBER };
enum function { FUNCTION_ID = 1, NAME, SYSTEM_NAME, FUNCTION_FILE };

/* ---- bytes ---- */

static bool reserve(struct cvy_pprof *p, struct cvy_bytes *b, size_t more)
{
    if (p->has_failed) {
        return false;
    }
    if (more <= b->room - b->len) {
        return true;
    }
    size_t room = 2 * b->room + more + 256;
    unsigned char *larger = cvy_realloc(b->data, room);
    if (!larger) {
        p->has_failed = true;
        return false;
    }
    b->data = larger;
    b->room = room;
    return true;
}

static void put_varint(struct cvy_pprof *p, struct cvy_bytes *b, uint64_t n)
{
    if (!reserve(p, b, 10)) {
        return;
    }
    for (; n >= 0x80; n >>= 7) {
        b->data[b->len++] = (unsigned char)(n | 0x80);
    }
    b->data[b->len++] = (unsigned char)n;
}

static void put_number(struct cvy_pprof *p, struct cvy_bytes *b, unsigned field, uint64_t n)
{
    put_varint(p, b, field << 3 | VARINT);
    put_varint(p, b, n);
}

static void put_bytes(struct cvy_pprof *p, struct cvy_bytes *b, unsigned field, const void *data,
                      size_t len)
{
    put_varint(p, b, field << 3 | TEXT);
    put_varint(p, b, len);
    if (len > 0 && reserve(p, b, len)) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
}

/* A message that was built apart becomes a field, and its room is free for the next. */
static void put_message(struct cvy_pprof *p, struct cvy_bytes *b, unsigned field,
                        struct cvy_bytes *message)
{
    put_bytes(p, b, field, message->data, message->len);
    message->len = 0;
}

/* ---- texts ---- */

static size_t hash(const char *text)
{
    static const struct cvy_hash_seed seed = {0x243F6A8885A308D3, 0x13198A2E03707344};
    return (size_t)cvy_hash_bytes(&seed, text, strlen(text));
}

static bool strings_grow(struct cvy_pprof *p)
{
    size_t room = p->string_table_room ? 2 * p->string_table_room : 256;
    uint32_t *table = cvy_alloc_zeroed(room * sizeof(*table));

    if (!table) {
        return false;
    }
    for (size_t i = 0; i < p->string_count; i++) {
        size_t at = hash(p->strings[i]) & (room - 1);
        while (table[at] != 0) {
            at = (at + 1) & (room - 1);
        }
        table[at] = (uint32_t)i + 1;
    }
    free(p->string_table);
    p->string_table = table;
    p->string_table_room = room;
    return true;
}

/* The index of a text; 0, which is the empty one, without memory. */
static uint64_t string(struct cvy_pprof *p, const char *text)
{
    if (p->has_failed || (p->string_count * 2 >= p->string_table_room && !strings_grow(p)) ||
        !cvy_grow(&p->strings, p->string_count, &p->string_room, sizeof(*p->strings))) {
        p->has_failed = true;
        return 0;
    }
    size_t at = hash(text) & (p->string_table_room - 1);
    for (; p->string_table[at] != 0; at = (at + 1) & (p->string_table_room - 1)) {
        if (strcmp(p->strings[p->string_table[at] - 1], text) == 0) {
            return p->string_table[at] - 1;
        }
    }
    char *copy = cvy_strdup(text);
    if (!copy) {
        p->has_failed = true;
        return 0;
    }
    p->strings[p->string_count++] = copy;
    p->string_table[at] = (uint32_t)p->string_count;
    return p->string_count - 1;
}

/* ---- places ---- */

static void add_module(const struct cvy_module *m, void *arg)
{
    struct cvy_pprof *p = arg;

    if (p->has_failed ||
        !cvy_grow(&p->modules, p->module_count, &p->module_room, sizeof(*p->modules))) {
        p->has_failed = true;
        return;
    }
    struct cvy_module *copy = &p->modules[p->module_count];
    *copy = *m;
    copy->path = cvy_strdup(m->path);
    p->has_failed = copy->path == NULL;
    p->module_count += copy->path != NULL;
}

/* 1 + the index of the module that pc is in; 0: none. */
static uint64_t mapping_of(const struct cvy_pprof *p, const void *pc)
{
    for (size_t i = 0; i < p->module_count; i++) {
        if ((uintptr_t)pc >= p->modules[i].start && (uintptr_t)pc < p->modules[i].end) {
            return i + 1;
        }
    }
    return 0;
}

static struct cvy_pprof_location *slot_of(struct cvy_pprof_location *table, size_t room,
                                          const void *pc, size_t symbol_count)
{
    size_t at = (size_t)(((uintptr_t)pc * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (room - 1);

    while (table[at].id != 0 && (table[at].pc != pc || table[at].symbol_count != symbol_count)) {
        at = (at + 1) & (room - 1);
    }
    return &table[at];
}

static bool locations_grow(struct cvy_pprof *p)
{
    size_t room = p->location_room ? 2 * p->location_room : 256;
    struct cvy_pprof_location *table = cvy_alloc_zeroed(room * sizeof(*table));

    if (!table) {
        return false;
    }
    for (size_t i = 0; i < p->location_room; i++) {
        const struct cvy_pprof_location *l = &p->locations[i];
        if (l->id != 0) {
            *slot_of(table, room, l->pc, l->symbol_count) = *l;
        }
    }
    free(p->locations);
    p->locations = table;
    p->location_room = room;
    return true;
}

static void put_line(struct cvy_pprof *p, uint64_t function, const struct cvy_symbol *s)
{
    struct cvy_bytes line = {0};

    put_number(p, &line, LINE_FUNCTION, function);
    put_number(p, &line, LINE_NUMBER, s->file ? (uint64_t)s->line : 0);
    put_message(p, &p->inner, LINE, &line);
    free(line.data);
}

static void put_function(struct cvy_pprof *p, uint64_t id, const struct cvy_symbol *s)
{
    struct cvy_bytes *b = &p->inner;

    put_number(p, b, FUNCTION_ID, id);
    put_number(p, b, NAME, string(p, s->function));
    put_number(p, b, SYSTEM_NAME, string(p, s->function));
    put_number(p, b, FUNCTION_FILE, string(p, s->file ? s->file : ""));
    put_message(p, &p->out, FUNCTION, b);
}

/* A new location, and its functions as far as they are known. */
static void put_location(struct cvy_pprof *p, const struct cvy_pprof_location *l,
                         const struct cvy_symbol *symbols)
{
    struct cvy_bytes *b = &p->inner; /* message holds a sample */
    uint64_t functions = p->function_count;

    put_number(p, b, LOCATION_ID, l->id);
    put_number(p, b, LOCATION_MAPPING, mapping_of(p, l->pc));
    put_number(p, b, ADDRESS, (uintptr_t)l->pc);
    for (size_t i = 0; i < l->symbol_count; i++) {
        if (symbols[i].function) {
            put_line(p, ++p->function_count, &symbols[i]);
        }
    }
    put_message(p, &p->out, LOCATION, b);
    for (size_t i = 0; i < l->symbol_count; i++) {
        if (symbols[i].function) {
            put_function(p, ++functions, &symbols[i]);
        }
    }
}

/* ---- the profile ---- */

void cvy_pprof_open(struct cvy_pprof *p)
{
    *p = (struct cvy_pprof){0};
    (void)string(p, "");
    cvy_modules_each(add_module, p);
}

static void put_value_type(struct cvy_pprof *p, unsigned field, const char *type, const char *unit)
{
    put_number(p, &p->message, TYPE, string(p, type));
    put_number(p, &p->message, UNIT, string(p, unit));
    put_message(p, &p->out, field, &p->message);
}

void cvy_pprof_sample_type(struct cvy_pprof *p, const char *type, const char *unit)
{
    put_value_type(p, SAMPLE_TYPE, type, unit);
}

void cvy_pprof_period(struct cvy_pprof *p, const char *type, const char *unit, int64_t period)
{
    put_value_type(p, PERIOD_TYPE, type, unit);
    put_number(p, &p->out, PERIOD, (uint64_t)period);
}

void cvy_pprof_time(struct cvy_pprof *p, int64_t wall_ns, int64_t duration_ns)
{
    put_number(p, &p->out, TIME, (uint64_t)wall_ns);
    put_number(p, &p->out, DURATION, (uint64_t)duration_ns);
}

void cvy_pprof_comment(struct cvy_pprof *p, const char *text)
{
    put_number(p, &p->out, COMMENT, string(p, text));
}

void cvy_pprof_sample_begin(struct cvy_pprof *p)
{
    p->message.len = 0;
}

void cvy_pprof_sample_frame(struct cvy_pprof *p, const void *pc, const struct cvy_symbol *symbols,
                            size_t count)
{
    if (p->has_failed || (p->location_count * 2 >= p->location_room && !locations_grow(p))) {
        p->has_failed = true;
        return;
    }
    struct cvy_pprof_location *l = slot_of(p->locations, p->location_room, pc, count);
    if (l->id == 0) {
        *l =
            (struct cvy_pprof_location){.pc = pc, .symbol_count = count, .id = ++p->location_count};
        put_location(p, l, symbols);
    }
    put_number(p, &p->message, SAMPLE_LOCATION, l->id);
}

void cvy_pprof_sample_value(struct cvy_pprof *p, int64_t value)
{
    put_number(p, &p->message, SAMPLE_VALUE, (uint64_t)value);
}

void cvy_pprof_sample_label(struct cvy_pprof *p, const char *key, const char *text)
{
    if (text[0]) {
        put_number(p, &p->inner, KEY, string(p, key));
        put_number(p, &p->inner, STR, string(p, text));
        put_message(p, &p->message, SAMPLE_LABEL, &p->inner);
    }
}

void cvy_pprof_sample_end(struct cvy_pprof *p)
{
    put_message(p, &p->out, SAMPLE, &p->message);
}

/* Once a frame has a function, pprof asks no other source for those of its module. */
static void put_mapping(struct cvy_pprof *p, uint64_t id, const struct cvy_module *m,
                        bool is_symbolised)
{
    struct cvy_bytes *b = &p->message;

    put_number(p, b, MAPPING_ID, id);
    put_number(p, b, START, m->start);
    put_number(p, b, LIMIT, m->end);
    put_number(p, b, OFFSET, m->offset);
    put_number(p, b, FILENAME, string(p, m->path));
    put_number(p, b, BUILD_ID, string(p, m->build_id));
    put_number(p, b, HAS_FUNCTIONS, is_symbolised);
    put_number(p, b, HAS_FILENAMES, is_symbolised);
    put_number(p, b, HAS_LINES, is_symbolised);
    put_number(p, b, HAS_INLINED, is_symbolised);
    put_message(p, &p->out, MAPPING, b);
}

static void fini(struct cvy_pprof *p)
{
    for (size_t i = 0; i < p->string_count; i++) {
        free(p->strings[i]);
    }
    for (size_t i = 0; i < p->module_count; i++) {
        free((void *)(uintptr_t)p->modules[i].path);
    }
    free(p->strings);
    free(p->string_table);
    free(p->locations);
    free(p->modules);
    free(p->out.data);
    free(p->message.data);
    free(p->inner.data);
}

int cvy_pprof_close(struct cvy_pprof *p, bool is_symbolised, FILE *out)
{
    p->message.len = 0;
    for (size_t i = 0; i < p->module_count; i++) {
        put_mapping(p, i + 1, &p->modules[i], is_symbolised);
    }
    for (size_t i = 0; i < p->string_count; i++) {
        put_bytes(p, &p->out, STRING, p->strings[i], strlen(p->strings[i]));
    }
    int code = p->has_failed ? -ENOMEM : 0;
    if (code == 0) {
        (void)fwrite(p->out.data, 1, p->out.len, out); /* whoever flushes out hears of a failure */
    }
    fini(p);
    return code;
}
