/* SPDX-License-Identifier: MIT
 * h2_client.h - a client of HTTP/2 that sends frames as they are, good or bad, and keeps what each
 * stream got. It reads heads with nghttp2's decompressor; the rest is its own. */
#ifndef CVY_CONFORMANCE_H2_CLIENT_H
#define CVY_CONFORMANCE_H2_CLIENT_H

#include "http_support.h"

#include <nghttp2/nghttp2.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define WINDOW 65535

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };

/* What a stream has got. */
struct answer {
    int status, interim; /* interim: how many 1xx */
    bool has_ended, is_reset;
    uint32_t why;               /* it was reset */
    int datas;                  /* frames */
    size_t len;                 /* of the body in all */
    char body[256], head[2048]; /* their beginnings; "name: value\n" */
};

#define ANSWERS 1024

struct peer {
    covey_conn *c;
    nghttp2_hd_inflater *inflater;
    bool is_stingy;  /* gives no window back */
    bool is_mute;    /* nor acknowledges settings */
    bool has_ended;  /* the server closed */
    bool is_leaving; /* GOAWAY */
    uint32_t why, last;
    int acks, pings; /* of SETTINGS; answers to PING */
    int64_t window;  /* the connection's, for what we get */
    int64_t stream_window[ANSWERS];
    int64_t room; /* the same for what we send, if that is counted: say_data() */
    int64_t stream_room[ANSWERS];
    struct answer answers[ANSWERS]; /* of stream 1, 3, 5, ... in turn */
};

static inline struct answer *answer_of(struct peer *p, int32_t id)
{
    return &p->answers[id / 2 % ANSWERS];
}

/* ---- sending ---- */

static inline size_t frame_write(char *to, int type, int flags, int32_t id, const void *data,
                                 size_t len)
{
    const char head[9] = {(char)(len >> 16), (char)(len >> 8), (char)len,
                          (char)type,        (char)flags,      (char)(id >> 24),
                          (char)(id >> 16),  (char)(id >> 8),  (char)id};

    memcpy(to, head, 9);
    if (len > 0) {
        memcpy(to + 9, data, len);
    }
    return len + 9;
}

/* False: the server has gone. */
static inline bool frame_try(struct peer *p, int type, int flags, int32_t id, const void *data,
                             size_t len)
{
    char *buf = malloc(len + 9);

    CHECK(buf);
    size_t n = frame_write(buf, type, flags, id, data, len);
    bool is_sent = covey_write(NULL, p->c, buf, n) == (ssize_t)n;
    free(buf);
    return is_sent;
}

static inline void frame(struct peer *p, int type, int flags, int32_t id, const void *data,
                         size_t len)
{
    CHECK(frame_try(p, type, flags, id, data, len));
}

static inline bool word_try(struct peer *p, int type, int32_t id, uint32_t word)
{
    const char bytes[4] = {(char)(word >> 24), (char)(word >> 16), (char)(word >> 8), (char)word};

    return frame_try(p, type, 0, id, bytes, 4);
}

static inline void frame_word(struct peer *p, int type, int32_t id, uint32_t word)
{
    CHECK(word_try(p, type, id, word));
}

/* A header, uncompressed. */
static inline size_t field_write(char *to, const char *name, const char *value)
{
    size_t n = 0;

    to[n++] = 0;
    for (int i = 0; i < 2; i++) {
        const char *text = i == 0 ? name : value;
        size_t len = strlen(text);
        if (len < 127) {
            to[n++] = (char)len;
        } else {
            size_t rest = len - 127;
            to[n++] = 127;
            for (; rest >= 128; rest /= 128) {
                to[n++] = (char)(rest % 128 + 128);
            }
            to[n++] = (char)rest;
        }
        memcpy(to + n, text, len);
        n += len;
    }
    return n;
}

/* fields: "name: value\n" for each. */
static inline size_t fields_write(char *to, const char *fields)
{
    size_t n = 0;

    for (const char *at = fields; *at;) {
        static char name[256], value[60000];
        const char *colon = strchr(at + 1, ':');
        const char *end = strchr(colon, '\n');
        (void)snprintf(name, sizeof(name), "%.*s", (int)(colon - at), at);
        (void)snprintf(value, sizeof(value), "%.*s", (int)(end - colon - 2), colon + 2);
        n += field_write(to + n, name, value);
        at = end + 1;
    }
    return n;
}

static inline void head(struct peer *p, int32_t id, int flags, const char *fields)
{
    char *block = malloc(strlen(fields) + 4096);

    CHECK(block);
    memset(answer_of(p, id), 0, sizeof(struct answer));
    p->stream_window[id / 2 % ANSWERS] = p->stream_room[id / 2 % ANSWERS] = WINDOW;
    size_t n = fields_write(block, fields);
    frame(p, HEADERS, flags | END_HEADERS, id, block, n);
    free(block);
}

/* A request with the pseudo headers that there must be. */
static inline void ask(struct peer *p, int32_t id, int flags, const char *method, const char *path,
                       const char *more)
{
    size_t room = strlen(path) + strlen(more) + 256;
    char *fields = malloc(room);

    CHECK(fields);
    (void)snprintf(fields, room, ":method: %s\n:scheme: http\n:authority: x\n:path: %s\n%s", method,
                   path, more);
    head(p, id, flags, fields);
    free(fields);
}

static inline void get2(struct peer *p, int32_t id, const char *path)
{
    ask(p, id, END_STREAM, "GET", path, "");
}

/* ---- reading ---- */

static inline uint32_t word_at(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void read_head(struct peer *p, int32_t id, const char *data, size_t len)
{
    struct answer *a = answer_of(p, id);
    int flags = 0, status = 0;
    size_t at = strlen(a->head);

    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv nv;
        ssize_t n = nghttp2_hd_inflate_hd2(p->inflater, &nv, &flags, (const uint8_t *)data, len, 1);
        CHECK(n >= 0);
        data += n;
        len -= (size_t)n;
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT)) {
            continue;
        }
        if (nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0) {
            status = atoi((const char *)nv.value);
        } else if (at < sizeof(a->head)) {
            at += (size_t)snprintf(a->head + at, sizeof(a->head) - at, "%.*s: %.*s\n",
                                   (int)nv.namelen, nv.name, (int)nv.valuelen, nv.value);
        }
    }
    nghttp2_hd_inflate_end_headers(p->inflater);
    if (status / 100 == 1) {
        a->interim++;
    } else if (status != 0) { /* else they are trailers */
        a->status = status;
    }
}

/* The server keeps to the windows that it has. */
static inline void read_data(struct peer *p, int32_t id, const char *data, size_t len)
{
    struct answer *a = answer_of(p, id);
    size_t there = a->len < sizeof(a->body) ? a->len : sizeof(a->body) - 1;
    size_t room = sizeof(a->body) - 1 - there;

    p->window -= (int64_t)len;
    p->stream_window[id / 2 % ANSWERS] -= (int64_t)len;
    CHECK(p->window >= 0 && p->stream_window[id / 2 % ANSWERS] >= 0);
    a->len += len;
    a->datas++;
    memcpy(a->body + there, data, len < room ? len : room);
    if (!p->is_stingy && len > 0) {
        p->window += (int64_t)len;
        p->stream_window[id / 2 % ANSWERS] += (int64_t)len;
        (void)word_try(p, WINDOW_UPDATE, 0, (uint32_t)len);
        (void)word_try(p, WINDOW_UPDATE, id, (uint32_t)len);
    }
}

static inline void read_frame_of(struct peer *p, int type, int flags, int32_t id, const char *data,
                                 size_t len)
{
    if (type == HEADERS) {
        CHECK(flags & END_HEADERS);
        read_head(p, id, data, len);
    } else if (type == DATA) {
        read_data(p, id, data, len);
    } else if (type == RST_STREAM) {
        answer_of(p, id)->is_reset = true;
        answer_of(p, id)->why = word_at(data);
    } else if (type == GOAWAY) {
        p->is_leaving = true;
        p->last = word_at(data);
        p->why = word_at(data + 4);
    } else if (type == SETTINGS) {
        p->acks += flags & ACK;
        if (!(flags & ACK) && !p->is_mute) {
            (void)frame_try(p, SETTINGS, ACK, 0, NULL, 0);
        }
    } else if (type == PING && flags & ACK) {
        p->pings++;
    } else if (type == WINDOW_UPDATE) {
        *(id == 0 ? &p->room : &p->stream_room[id / 2 % ANSWERS]) += word_at(data);
    }
    if ((type == HEADERS || type == DATA) && flags & END_STREAM) {
        answer_of(p, id)->has_ended = true;
    }
}

/* One frame; its type, or -1: the server has closed. */
static inline int hear(struct peer *p)
{
    char head_bytes[9];

    if (covey_read_full(NULL, p->c, head_bytes, 9) != 9) {
        p->has_ended = true;
        return -1;
    }
    size_t len = word_at(head_bytes) >> 8;
    int32_t id = (int32_t)(word_at(head_bytes + 5) & INT32_MAX);
    char *data = malloc(len + 1);
    CHECK(data);
    if (covey_read_full(NULL, p->c, data, len) != (ssize_t)len) {
        p->has_ended = true;
        free(data);
        return -1;
    }
    read_frame_of(p, head_bytes[3], head_bytes[4], id, data, len);
    free(data);
    return head_bytes[3];
}

/* As much of a body as may be sent now, at most len bytes. How much it was. */
static inline size_t say_data(struct peer *p, int32_t id, size_t len)
{
    static const char block[16384];
    int64_t room = p->stream_room[id / 2 % ANSWERS], said = 0;

    room = room < p->room ? room : p->room;
    room = room < (int64_t)len ? room : (int64_t)len;
    while (said < room) {
        int64_t n = room - said < (int64_t)sizeof(block) ? room - said : (int64_t)sizeof(block);
        frame(p, DATA, 0, id, block, (size_t)n);
        said += n;
    }
    p->room -= said;
    p->stream_room[id / 2 % ANSWERS] -= said;
    return (size_t)said;
}

/* Until the stream has its answer, or was reset. */
static inline struct answer *hear_answer(struct peer *p, int32_t id)
{
    struct answer *a = answer_of(p, id);

    while (!a->has_ended && !a->is_reset) {
        CHECK(hear(p) >= 0);
    }
    return a;
}

static inline void hear_end(struct peer *p)
{
    while (hear(p) >= 0) {
    }
}

/* What was sent so far has been seen by the server. */
static inline void sound(struct peer *p)
{
    int before = p->pings;

    frame(p, PING, 0, 0, "12345678", 8);
    while (p->pings == before) {
        CHECK(hear(p) >= 0);
    }
}

/* ---- beginning and end ---- */

/* Over a connection that is there. */
static inline struct peer *peer_over(covey_conn *c)
{
    struct peer *p = calloc(1, sizeof(*p));

    CHECK(p);
    p->c = c;
    p->window = p->room = WINDOW;
    CHECK_EQ(nghttp2_hd_inflate_new(&p->inflater), 0);
    return p;
}

static inline struct peer *peer_begin(struct peer *p)
{
    say_bytes(p->c, PREFACE, strlen(PREFACE));
    frame(p, SETTINGS, 0, 0, NULL, 0);
    return p;
}

static inline struct peer *peer_open(struct site *s)
{
    return peer_begin(peer_over(dial(s)));
}

static inline void peer_close(struct peer *p)
{
    covey_close(p->c);
    nghttp2_hd_inflate_del(p->inflater);
    free(p);
}

/* A site's only client; its end, and the site's. */
static inline struct peer *visit(struct site *s)
{
    site_open(s);
    return peer_open(s);
}

static inline void part(struct peer *p, struct site *s)
{
    peer_close(p);
    CHECK_EQ(site_close(s), 0);
}

#endif
