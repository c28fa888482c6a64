/* SPDX-License-Identifier: MIT
 * postgres_value.c - parameters and columns of PostgreSQL.
 *
 * Parameters are sent with their types, numbers in binary; a text is left to the server to be taken
 * for what the statement wants there (a uuid, a date), as a literal would be. Columns come as text,
 * which each type has, and are read by the type the server names. The connection's settings fix how
 * that text looks (postgres_connect.c). */
#define _GNU_SOURCE
#include "sql/moment.h"
#include "sql/postgres.h"

#include <endian.h>
#include <locale.h>
#include <stdlib.h>

/* catalog/pg_type.h: these never change. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_DATE = 1082,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC = 1700,
};

#define US_TO_2000 INT64_C(946684800000000) /* PostgreSQL's times count from there */

/* ---- parameters ---- */

/* 8 bytes in the network's order. */
static bool put_number(struct cvy_sql_arena *arena, uint64_t bits, const char **value, int *length)
{
    uint64_t *place = cvy_sql_arena_alloc(arena, sizeof(*place));

    if (place) {
        *place = htobe64(bits);
    }
    *value = (const char *)place;
    *length = sizeof(*place);
    return place != NULL;
}

static uint64_t bits_of(double real)
{
    uint64_t bits;

    memcpy(&bits, &real, sizeof(bits));
    return bits;
}

static int64_t time_to_server(int64_t us)
{
    return us == INT64_MAX || us == INT64_MIN ? us : us - US_TO_2000;
}

static int encode_one(struct cvy_sql_arena *arena, const covey_db_value *v, size_t i,
                      struct cvy_postgres_params *out)
{
    const char **value = &out->values[i];
    int *length = &out->lengths[i];
    bool is_made = true;

    out->types[i] = 0;
    out->formats[i] = v->type != COVEY_DB_TEXT && v->type != COVEY_DB_NUMERIC;
    switch (v->type) {
    case COVEY_DB_NULL:
        *value = NULL;
        break;
    case COVEY_DB_BOOL:
        out->types[i] = OID_BOOL;
        *value = v->boolean ? "\1" : "\0";
        *length = 1;
        break;
    case COVEY_DB_INT:
        out->types[i] = OID_INT8;
        is_made = put_number(arena, (uint64_t)v->integer, value, length);
        break;
    case COVEY_DB_DOUBLE:
        out->types[i] = OID_FLOAT8;
        is_made = put_number(arena, bits_of(v->real), value, length);
        break;
    case COVEY_DB_TIME:
        if (v->integer < INT64_MIN + 1 + US_TO_2000 && v->integer != INT64_MIN) {
            return covey_errorf(-EINVAL, "postgres: parameter %zu is too early a time", i + 1);
        }
        out->types[i] = OID_TIMESTAMPTZ;
        is_made = put_number(arena, (uint64_t)time_to_server(v->integer), value, length);
        break;
    case COVEY_DB_BLOB:
        if (v->len > INT32_MAX) {
            return covey_errorf(COVEY_ETOOLARGE, "postgres: parameter %zu is too large", i + 1);
        }
        out->types[i] = OID_BYTEA;
        *value = v->data;
        *length = (int)v->len;
        break;
    case COVEY_DB_TEXT:
    case COVEY_DB_NUMERIC:
        if (memchr(v->data, '\0', v->len)) {
            return covey_errorf(-EINVAL, "postgres: parameter %zu: a text with a NUL in it", i + 1);
        }
        out->types[i] = v->type == COVEY_DB_NUMERIC ? OID_NUMERIC : 0;
        *value = cvy_sql_arena_copy(arena, v->data, v->len);
        is_made = *value != NULL;
        break;
    default:
        return covey_errorf(-EINVAL, "postgres: parameter %zu has no type", i + 1);
    }
    return is_made ? 0 : covey_errorf(-ENOMEM, "out of memory");
}

int cvy_postgres_encode(struct cvy_sql_arena *arena, const struct cvy_sql_query *q,
                        struct cvy_postgres_params *out)
{
    int code = 0;

    if (q->n > UINT16_MAX) {
        return covey_errorf(-EINVAL, "postgres: %zu parameters are too many", q->n);
    }
    out->types = cvy_sql_arena_alloc(arena, q->n * sizeof(*out->types));
    out->values = cvy_sql_arena_alloc(arena, q->n * sizeof(*out->values));
    out->lengths = cvy_sql_arena_alloc(arena, q->n * sizeof(*out->lengths));
    out->formats = cvy_sql_arena_alloc(arena, q->n * sizeof(*out->formats));
    if (!out->types || !out->values || !out->lengths || !out->formats) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < q->n && code == 0; i++) {
        out->lengths[i] = 0;
        code = encode_one(arena, &q->params[i], i, out);
    }
    return code;
}

/* ---- columns ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* These give 0, -ENOMEM or COVEY_EPROTO. First "\x0a1b". */
static int decode_bytea(const char *text, size_t len, struct cvy_sql_result *r, covey_db_value *v)
{
    if (len < 2 || len % 2 != 0 || text[0] != '\\' || text[1] != 'x') {
        return COVEY_EPROTO;
    }
    unsigned char *bytes = cvy_sql_arena_alloc(&r->arena, len / 2);
    if (!bytes) {
        return -ENOMEM;
    }
    for (size_t i = 2; i < len; i += 2) {
        int high = digit_of(text[i]), low = digit_of(text[i + 1]);
        if (high < 0 || low < 0) {
            return COVEY_EPROTO;
        }
        bytes[i / 2 - 1] = (unsigned char)(high * 16 + low);
    }
    bytes[len / 2 - 1] = '\0';
    *v = covey_db_blob(bytes, len / 2 - 1);
    return 0;
}

static int decode_integer(const char *text, covey_db_value *v)
{
    char *end;

    *v = covey_db_int(strtoll(text, &end, 10));
    return end != text && *end == '\0' ? 0 : COVEY_EPROTO;
}

/* The server writes a point whatever the program's locale says; "Infinity" and "NaN" too. */
static int decode_double(const char *text, covey_db_value *v)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc's own: never allocated */
    char *end;

    *v = covey_db_double(strtod_l(text, &end, plain));
    return end != text && *end == '\0' ? 0 : COVEY_EPROTO;
}

static int decode_time(const char *text, covey_db_value *v)
{
    int64_t us;
    bool is_read = cvy_sql_moment_parse(text, &us);

    *v = covey_db_time(is_read ? us : 0);
    return is_read ? 0 : COVEY_EPROTO;
}

static int decode_one(Oid type, const char *text, size_t len, struct cvy_sql_result *r,
                      covey_db_value *v)
{
    switch (type) {
    case OID_BOOL:
        *v = covey_db_bool(text[0] == 't');
        return strcmp(text, "t") == 0 || strcmp(text, "f") == 0 ? 0 : COVEY_EPROTO;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        return decode_integer(text, v);
    case OID_FLOAT4:
    case OID_FLOAT8:
        return decode_double(text, v);
    case OID_BYTEA:
        return decode_bytea(text, len, r, v);
    case OID_DATE:
    case OID_TIMESTAMP:
    case OID_TIMESTAMPTZ:
        return decode_time(text, v);
    case OID_NUMERIC:
        return cvy_sql_result_copy(r, v, COVEY_DB_NUMERIC, text, len) ? 0 : -ENOMEM;
    default:
        return cvy_sql_result_copy(r, v, COVEY_DB_TEXT, text, len) ? 0 : -ENOMEM;
    }
}

int cvy_postgres_decode(const PGresult *from, int i, struct cvy_sql_result *r)
{
    covey_db_value *values = cvy_sql_result_add_row(r);

    if (!values) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    for (int column = 0; column < (int)r->columns; column++) {
        const char *text = PQgetvalue(from, i, column);
        if (PQgetisnull(from, i, column)) {
            continue;
        }
        int code = decode_one(PQftype(from, column), text, (size_t)PQgetlength(from, i, column), r,
                              &values[column]);
        if (code == -ENOMEM) {
            return covey_errorf(code, "out of memory");
        }
        if (code < 0) {
            return covey_errorf(code, "postgres: column %s cannot be read: \"%.40s\"",
                                PQfname(from, column), text);
        }
    }
    return 0;
}
