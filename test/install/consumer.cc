/* SPDX-License-Identifier: MIT
 * consumer.cc - consumer.c as C++. */
#include "consumer.c"
