/* SPDX-License-Identifier: MIT
 * tls_consumer.cc - tls_consumer.c as C++. */
#include "tls_consumer.c"
