/* SPDX-License-Identifier: MIT
 * rows.h - what stands behind covey_rows. */
#ifndef CVY_SQL_ROWS_H
#define CVY_SQL_ROWS_H

#include "sql/pool.h"

#define CVY_SQL_WORDS_LEN 256

struct covey_rows {
    covey_db *db;              /* valid while conn is set */
    struct cvy_sql_conn *conn; /* NULL: given back */
    const struct cvy_sql_backend *backend;
    struct cvy_sql_result result;
    size_t next;  /* of result's rows; the current one stands before it */
    bool has_row; /* there is a current one */

    /* The first failure. */
    int code;
    char words[CVY_SQL_WORDS_LEN];
};

/* Ends the statement and gives the connection back; the rows already here stay. May switch. */
void cvy_sql_rows_detach(struct covey_rows *r);
/* The same for rows whose transaction ends: unless they are all here, what is missing is a failure.
 */
void cvy_sql_rows_cut(struct covey_rows *r);
void cvy_sql_rows_free(struct covey_rows *r);

#endif
