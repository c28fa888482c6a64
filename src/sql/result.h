/* SPDX-License-Identifier: MIT
 * result.h - what a statement has given so far: its columns, and the rows of the last fetch.
 *
 * Filled by a back end, on any one thread; read by covey_rows. The values of a row point into the
 * arena, which the next fetch gives up. */
#ifndef CVY_SQL_RESULT_H
#define CVY_SQL_RESULT_H

#include "sql/arena.h"

#include <covey/db.h>

struct cvy_sql_result {
    bool wants_rows; /* else rows are dropped */
    bool is_short;   /* one row will do: the back end stops after it */
    bool is_whole;   /* all rows at once: never full */

    /* Set at the start. */
    struct cvy_sql_arena head;
    const char **names;
    size_t columns;

    /* Of the last fetch. */
    struct cvy_sql_arena arena;
    covey_db_value *values; /* row by row */
    size_t rows, room;      /* room: in values */

    bool is_over;     /* the statement has ended: the connection is free */
    int64_t affected; /* rows it changed; known when it is over */
};

/* False: out of memory. Names are set one by one afterwards, copied. */
bool cvy_sql_result_set_columns(struct cvy_sql_result *r, size_t n);
bool cvy_sql_result_set_name(struct cvy_sql_result *r, size_t column, const char *name);
/* A row's values, all NULL, to be filled in. NULL: out of memory. */
covey_db_value *cvy_sql_result_add_row(struct cvy_sql_result *r);
/* Points v to a copy. False: out of memory. */
bool cvy_sql_result_copy(struct cvy_sql_result *r, covey_db_value *v, covey_db_type type,
                         const void *data, size_t len);
/* Whether a fetch should stop here. */
bool cvy_sql_result_is_full(const struct cvy_sql_result *r);
/* Gives up the rows. */
void cvy_sql_result_clear(struct cvy_sql_result *r);
/* Gives up everything, for the statement to be run anew. */
void cvy_sql_result_restart(struct cvy_sql_result *r);
void cvy_sql_result_fini(struct cvy_sql_result *r);

#endif
