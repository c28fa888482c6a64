/* SPDX-License-Identifier: MIT
 * metrics.h - a pool among the metrics, if it has a name. Both may switch. */
#ifndef CVY_SQL_METRICS_H
#define CVY_SQL_METRICS_H

struct cvy_sql_pool;

void cvy_sql_metrics_begin(struct cvy_sql_pool *p);
/* Also if it was not begun. */
void cvy_sql_metrics_end(struct cvy_sql_pool *p);

#endif
