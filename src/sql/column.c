/* SPDX-License-Identifier: MIT
 * column.c - the current row's values by type (covey/db.h).
 *
 * A value is given as another type only where nothing can be lost and nothing is guessed. Of a back
 * end with few types (SQLite) the caller's choice of accessor says what an integer or a text means.
 */
#include "sql/moment.h"
#include "sql/rows.h"

#include <ctype.h>
#include <stdio.h>

#define EXACT_IN_DOUBLE (INT64_C(1) << 53)

static const char *const type_names[] = {
    [COVEY_DB_NULL] = "NULL",       [COVEY_DB_BOOL] = "a boolean",    [COVEY_DB_INT] = "an integer",
    [COVEY_DB_DOUBLE] = "a double", [COVEY_DB_NUMERIC] = "a numeric", [COVEY_DB_TEXT] = "a text",
    [COVEY_DB_BLOB] = "a blob",     [COVEY_DB_TIME] = "a time",
};

/* Fails the rows: their value is not of the type that was asked for. */
static void mismatch(struct covey_rows *r, size_t column, covey_db_type wanted)
{
    const covey_db_value *v = covey_rows_value(r, column);

    if (r->code < 0) {
        return;
    }
    if (!v) {
        r->code = -EINVAL;
        (void)snprintf(r->words, sizeof(r->words), "no column %zu, or no current row", column);
        return;
    }
    r->code = COVEY_ETYPE;
    (void)snprintf(r->words, sizeof(r->words), "column %zu (%s): %s read as %s", column,
                   covey_rows_name(r, column), type_names[v->type], type_names[wanted]);
}

/* The value if it is of this type exactly, or of the other that may stand for it in a back end with
 * few types. */
static const covey_db_value *value_of(struct covey_rows *r, size_t column, covey_db_type wanted,
                                      covey_db_type loose)
{
    const covey_db_value *v = covey_rows_value(r, column);
    bool is_good = v && (v->type == wanted || (r->backend->has_few_types && v->type == loose));

    return is_good ? v : NULL;
}

bool covey_rows_bool(covey_rows *r, size_t column)
{
    const covey_db_value *v = value_of(r, column, COVEY_DB_BOOL, COVEY_DB_INT);

    if (v && v->type == COVEY_DB_BOOL) {
        return v->boolean;
    }
    if (v && (v->integer == 0 || v->integer == 1)) {
        return v->integer == 1;
    }
    mismatch(r, column, COVEY_DB_BOOL);
    return false;
}

int64_t covey_rows_int(covey_rows *r, size_t column)
{
    const covey_db_value *v = value_of(r, column, COVEY_DB_INT, COVEY_DB_INT);

    if (!v) {
        mismatch(r, column, COVEY_DB_INT);
    }
    return v ? v->integer : 0;
}

double covey_rows_double(covey_rows *r, size_t column)
{
    const covey_db_value *v = covey_rows_value(r, column);

    if (v && v->type == COVEY_DB_DOUBLE) {
        return v->real;
    }
    if (v && v->type == COVEY_DB_INT && v->integer >= -EXACT_IN_DOUBLE &&
        v->integer <= EXACT_IN_DOUBLE) {
        return (double)v->integer;
    }
    mismatch(r, column, COVEY_DB_DOUBLE);
    return 0;
}

int64_t covey_rows_time(covey_rows *r, size_t column)
{
    const covey_db_value *v = value_of(r, column, COVEY_DB_TIME, COVEY_DB_TEXT);
    int64_t us = 0;

    if (v && v->type == COVEY_DB_TIME) {
        return v->integer;
    }
    if (!v || !cvy_sql_moment_parse(v->data, &us)) {
        mismatch(r, column, COVEY_DB_TIME);
    }
    return us;
}

static const void *bytes(struct covey_rows *r, size_t column, covey_db_type wanted, size_t *len)
{
    const covey_db_value *v = value_of(r, column, wanted, wanted);

    if (!v) {
        mismatch(r, column, wanted);
    }
    if (len) {
        *len = v ? v->len : 0;
    }
    return v ? v->data : NULL;
}

const char *covey_rows_text(covey_rows *r, size_t column, size_t *len)
{
    return bytes(r, column, COVEY_DB_TEXT, len);
}

const void *covey_rows_blob(covey_rows *r, size_t column, size_t *len)
{
    return bytes(r, column, COVEY_DB_BLOB, len);
}

static bool is_decimal(const char *s)
{
    size_t digits = 0, points = 0;

    s += *s == '-' || *s == '+';
    for (; isdigit((unsigned char)*s) || *s == '.'; s++) {
        digits += *s != '.';
        points += *s == '.';
    }
    return *s == '\0' && digits > 0 && points <= 1;
}

/* Makes the text of an integer, in the arena of the rows. */
static bool make_text(struct covey_rows *r, covey_db_value *v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)v->integer);

    return cvy_sql_result_copy(&r->result, v, COVEY_DB_NUMERIC, text, (size_t)n);
}

const char *covey_rows_numeric(covey_rows *r, size_t column, size_t *len)
{
    const covey_db_value *v = value_of(r, column, COVEY_DB_NUMERIC, COVEY_DB_TEXT);
    covey_db_value number = covey_db_null();

    if (v && v->type == COVEY_DB_TEXT && !is_decimal(v->data)) {
        v = NULL;
    }
    const covey_db_value *raw = covey_rows_value(r, column);
    if (!v && raw && raw->type == COVEY_DB_INT) {
        number = *raw;
        v = &number;
        if (!make_text(r, &number) && r->code == 0) {
            r->code = -ENOMEM;
            (void)snprintf(r->words, sizeof(r->words), "out of memory");
        }
    }
    if (!v) {
        mismatch(r, column, COVEY_DB_NUMERIC);
    }
    if (len) {
        *len = v ? v->len : 0;
    }
    return v ? v->data : NULL;
}
