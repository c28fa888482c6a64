/* SPDX-License-Identifier: MIT
 * redis_consumer.cc - redis_consumer.c as C++. */
#include "redis_consumer.c"
