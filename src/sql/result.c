/* SPDX-License-Identifier: MIT
 * result.c - see result.h. */
#include "sql/result.h"

#include <stdlib.h>

/* Large enough that the hop to a blocking thread does not count, small enough to start reading
 * soon. */
#define FETCH_ROWS 256
#define FETCH_BYTES ((size_t)256 << 10)

bool cvy_sql_result_set_columns(struct cvy_sql_result *r, size_t n)
{
    r->columns = n;
    r->names = cvy_sql_arena_alloc(&r->head, n * sizeof(*r->names));
    for (size_t i = 0; r->names && i < n; i++) {
        r->names[i] = "";
    }
    return r->names != NULL;
}

bool cvy_sql_result_set_name(struct cvy_sql_result *r, size_t column, const char *name)
{
    r->names[column] = name ? cvy_sql_arena_copy(&r->head, name, strlen(name)) : "";
    return r->names[column] != NULL;
}

covey_db_value *cvy_sql_result_add_row(struct cvy_sql_result *r)
{
    size_t first = r->rows * r->columns, need = first + r->columns;

    if (need > r->room || !r->values) {
        size_t room = 2 * need < 16 ? 16 : 2 * need;
        covey_db_value *values = realloc(r->values, room * sizeof(*values));
        if (!values) {
            return NULL;
        }
        r->values = values;
        r->room = room;
    }
    for (size_t i = first; i < need; i++) {
        r->values[i] = covey_db_null();
    }
    r->rows++;
    return r->values + first;
}

bool cvy_sql_result_copy(struct cvy_sql_result *r, covey_db_value *v, covey_db_type type,
                         const void *data, size_t len)
{
    const char *copy = cvy_sql_arena_copy(&r->arena, data, len);

    *v = covey_db_data(type, copy, len);
    return copy != NULL;
}

bool cvy_sql_result_is_full(const struct cvy_sql_result *r)
{
    if (r->is_whole) {
        return false;
    }
    return r->rows >= (r->is_short ? 1 : FETCH_ROWS) || r->arena.used >= FETCH_BYTES;
}

void cvy_sql_result_clear(struct cvy_sql_result *r)
{
    r->rows = 0;
    cvy_sql_arena_reset(&r->arena);
}

void cvy_sql_result_restart(struct cvy_sql_result *r)
{
    bool wants_rows = r->wants_rows, is_short = r->is_short, is_whole = r->is_whole;

    cvy_sql_result_fini(r);
    r->wants_rows = wants_rows;
    r->is_short = is_short;
    r->is_whole = is_whole;
}

void cvy_sql_result_fini(struct cvy_sql_result *r)
{
    cvy_sql_arena_fini(&r->head);
    cvy_sql_arena_fini(&r->arena);
    free(r->values);
    *r = (struct cvy_sql_result){0};
}
