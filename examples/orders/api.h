/* SPDX-License-Identifier: MIT
 * api.h - what the handlers share: answers, and the reading of questions.
 *
 * A name is of letters, digits, - and _, so nothing in an answer needs escaping. */
#ifndef ORDERS_API_H
#define ORDERS_API_H

#include "service.h"

/* NULL: out of memory. */
covey_http_router *api_new(struct service *s);

/* ---- handlers; arg is the service ---- */

covey_http_handler api_create_order, api_get_order, api_list_orders; /* api_orders.c */
covey_http_handler api_make_invoices, api_get_invoice;               /* api_invoices.c */

/* ---- answers ---- */

/* Clients that are told to close will have gone when the last connections are closed. */
void ask_to_leave(struct service *s, covey_http_writer *w);
/* A JSON text of len bytes. */
int respond(covey_ctx *ctx, struct service *s, covey_http_writer *w, int status, const char *json,
            int len);
int refuse(struct service *s, covey_http_writer *w, int status, const char *why);
/* What a failure below means to the client. */
int refuse_code(covey_ctx *ctx, struct service *s, covey_http_writer *w, int code);

/* ---- questions ---- */

bool is_name(const char *text);
/* 1 to most. */
bool read_number(const char *text, int64_t most, int64_t *n);

#endif
