/* SPDX-License-Identifier: MIT
 * http_consumer.cc - http_consumer.c as C++. */
#include "http_consumer.c"
