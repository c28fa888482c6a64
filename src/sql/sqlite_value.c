/* SPDX-License-Identifier: MIT
 * sqlite_value.c - parameters and columns of SQLite. */
#include "sql/moment.h"
#include "sql/sqlite.h"

#include <math.h>
#include <stdlib.h>

#define PARAMETERS_MAX 32766 /* SQLite takes no more */

/* The parameter that SQLite's i-th placeholder stands for, from 1: "$2" is the second whatever its
 * place. 0: named otherwise. */
static int number_of(sqlite3_stmt *stmt, int i)
{
    const char *name = sqlite3_bind_parameter_name(stmt, i);
    char *end;

    if (!name) {
        return i;
    }
    if ((name[0] != '$' && name[0] != '?') || name[1] < '1' || name[1] > '9') {
        return 0;
    }
    long number = strtol(name + 1, &end, 10);
    return *end || number > PARAMETERS_MAX ? 0 : (int)number;
}

static int check_count(sqlite3_stmt *stmt, size_t n)
{
    int highest = 0;

    for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
        int number = number_of(stmt, i);
        if (number == 0 && sqlite3_bind_parameter_name(stmt, i)) {
            return covey_errorf(-EINVAL, "sqlite: placeholder %s: write $1, $2, ...",
                                sqlite3_bind_parameter_name(stmt, i));
        }
        highest = number > highest ? number : highest;
    }
    if ((size_t)highest != n) {
        return covey_errorf(-EINVAL, "sqlite: %zu parameters for a statement that takes %d", n,
                            highest);
    }
    return 0;
}

static int bind_time(sqlite3_stmt *stmt, int i, int64_t us)
{
    char text[CVY_SQL_MOMENT_LEN];

    if (us == INT64_MAX || us == INT64_MIN) {
        return sqlite3_bind_text(stmt, i, us < 0 ? "-infinity" : "infinity", -1, SQLITE_STATIC);
    }
    if (!cvy_sql_moment_format(us, text)) {
        return SQLITE_RANGE;
    }
    return sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT);
}

static int bind_one(sqlite3_stmt *stmt, int i, const covey_db_value *v,
                    sqlite3_destructor_type owner)
{
    switch (v->type) {
    case COVEY_DB_NULL:
        return sqlite3_bind_null(stmt, i);
    case COVEY_DB_BOOL:
        return sqlite3_bind_int(stmt, i, v->boolean);
    case COVEY_DB_INT:
        return sqlite3_bind_int64(stmt, i, v->integer);
    case COVEY_DB_DOUBLE: /* it would store a NaN as NULL */
        return isnan(v->real) ? SQLITE_RANGE : sqlite3_bind_double(stmt, i, v->real);
    case COVEY_DB_NUMERIC:
    case COVEY_DB_TEXT:
        return sqlite3_bind_text64(stmt, i, v->data, v->len, owner, SQLITE_UTF8);
    case COVEY_DB_BLOB:
        return sqlite3_bind_blob64(stmt, i, v->data, v->len, owner);
    case COVEY_DB_TIME:
        return bind_time(stmt, i, v->integer);
    }
    return SQLITE_MISUSE;
}

int cvy_sqlite_bind(struct cvy_sqlite_conn *c, const struct cvy_sql_query *q, bool is_borrowed)
{
    int code = check_count(c->stmt, q->n);

    for (int i = 1; code == 0 && i <= sqlite3_bind_parameter_count(c->stmt); i++) {
        int number = number_of(c->stmt, i);
        int rc = bind_one(c->stmt, i, &q->params[number - 1],
                          is_borrowed ? SQLITE_STATIC : SQLITE_TRANSIENT);
        if (rc == SQLITE_RANGE || rc == SQLITE_MISUSE) {
            code = covey_errorf(-EINVAL, "sqlite: parameter %d has no place in SQLite", number);
        } else if (rc != SQLITE_OK) {
            code = cvy_sqlite_fail(c, rc);
        }
    }
    return code;
}

static bool read_value(sqlite3_stmt *stmt, int i, struct cvy_sql_result *r, covey_db_value *v)
{
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        *v = covey_db_int(sqlite3_column_int64(stmt, i));
        return true;
    case SQLITE_FLOAT:
        *v = covey_db_double(sqlite3_column_double(stmt, i));
        return true;
    case SQLITE_TEXT: {
        const void *text = sqlite3_column_text(stmt, i);
        return text && cvy_sql_result_copy(r, v, COVEY_DB_TEXT, text,
                                           (size_t)sqlite3_column_bytes(stmt, i));
    }
    case SQLITE_BLOB: {
        const void *blob = sqlite3_column_blob(stmt, i);
        size_t len = (size_t)sqlite3_column_bytes(stmt, i);
        return (blob || len == 0) && cvy_sql_result_copy(r, v, COVEY_DB_BLOB, blob, len);
    }
    default:
        *v = covey_db_null();
        return true;
    }
}

bool cvy_sqlite_read_row(sqlite3_stmt *stmt, struct cvy_sql_result *r)
{
    covey_db_value *values = cvy_sql_result_add_row(r);
    bool is_read = values != NULL;

    for (size_t i = 0; is_read && i < r->columns; i++) {
        is_read = read_value(stmt, (int)i, r, &values[i]);
    }
    return is_read;
}
