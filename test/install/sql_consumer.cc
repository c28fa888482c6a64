/* SPDX-License-Identifier: MIT
 * sql_consumer.cc - sql_consumer.c as C++. */
#include "sql_consumer.c"
