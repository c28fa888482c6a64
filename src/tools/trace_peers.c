/* SPDX-License-Identifier: MIT
 * trace_peers.c - see trace_peers.h.
 *
 * A record of a descriptor is used for one after the other, so a wait's is the last that was named
 * before the wait ended: a name comes while its task is about to wait. Those that were there before
 * a snapshot are named at its end, and are taken for what they were all the time. */
#include "tools/trace_peers.h"

#include "tools/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int compare_peers(const void *a, const void *b)
{
    const struct cvy_trace_peer *x = a;
    const struct cvy_trace_peer *y = b;

    if (x->object != y->object) {
        return x->object < y->object ? -1 : 1;
    }
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    return (x->number > y->number) - (x->number < y->number);
}

void cvy_trace_peers_sort(struct cvy_trace_model *m)
{
    for (size_t i = 0; i < m->peer_count; i++) {
        m->peers[i].number = (uint32_t)i;
    }
    if (m->peer_count > 0) {
        qsort(m->peers, m->peer_count, sizeof(*m->peers), compare_peers);
    }
}

static bool is_for_descriptor(const struct cvy_trace_segment *s)
{
    static const char *const reasons[] = {"read", "write", "accept", "hang-up"};

    for (size_t i = 0; s->state == CVY_TRACE_WAITING && i < sizeof(reasons) / sizeof(*reasons);
         i++) {
        if (strcmp(cvy_trace_reason(s->reason), reasons[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *cvy_trace_peer_of(const struct cvy_trace_model *m, const struct cvy_trace_segment *s)
{
    struct cvy_trace_peer key = {.object = (uint32_t)s->object, .at = s->end, .number = UINT32_MAX};
    size_t low = 0;
    size_t high = is_for_descriptor(s) ? m->peer_count : 0;

    /* The first that is later. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_peers(&m->peers[middle], &key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low > 0 && m->peers[low - 1].object == key.object) {
        return m->peers[low - 1].text;
    }
    bool is_named_later =
        is_for_descriptor(s) && low < m->peer_count && m->peers[low].object == key.object;
    return is_named_later ? m->peers[low].text : NULL;
}

/* ---- the table ---- */

/* Whose connections have more ports than that is one row: a server's clients choose them at random.
 */
#define PORTS_MAX 8

struct peer_sum {
    const char *end;   /* the other, without the descriptor's number */
    size_t len, ports; /* of end; ports: that have been added up, without one */
    uint8_t reason;
    uint64_t count;
    int64_t total, max;
};

/* "to tcp://10.0.0.7:5432" without ":5432"; the whole, if it has no port. */
static size_t host_len(const char *end)
{
    size_t len = strlen(end);
    size_t at = len;

    while (at > 0 && end[at - 1] >= '0' && end[at - 1] <= '9') {
        at--;
    }
    return at > 0 && at < len && end[at - 1] == ':' ? at - 1 : len;
}

static int compare_hosts(const struct peer_sum *x, const struct peer_sum *y)
{
    size_t a = host_len(x->end);
    size_t b = host_len(y->end);
    int by_host = strncmp(x->end, y->end, a < b ? a : b);

    if (by_host || a != b) {
        return by_host ? by_host : a < b ? -1 : 1;
    }
    return x->reason - y->reason;
}

static int compare_ends(const void *a, const void *b)
{
    const struct peer_sum *x = a;
    const struct peer_sum *y = b;
    int by_host = compare_hosts(x, y);

    return by_host ? by_host : strcmp(x->end, y->end);
}

static int compare_totals(const void *a, const void *b)
{
    const struct peer_sum *x = a;
    const struct peer_sum *y = b;
    return (x->total < y->total) - (x->total > y->total);
}

/* "fd 7 to tcp://..." is "to tcp://...". */
static const char *end_of(const char *peer)
{
    const char *number = strncmp(peer, "fd ", 3) == 0 ? peer + 3 : peer;
    const char *behind = number + strspn(number, "0123456789");

    return *behind == ' ' && behind[1] ? behind + 1 : peer;
}

static size_t collect(const struct cvy_trace_model *m, struct peer_sum *sums)
{
    size_t n = 0;

    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        const char *peer = cvy_trace_peer_of(m, s);
        if (peer) {
            int64_t took = s->end - s->start;
            sums[n++] = (struct peer_sum){.end = end_of(peer),
                                          .len = strlen(end_of(peer)),
                                          .reason = s->reason,
                                          .count = 1,
                                          .total = took,
                                          .max = took};
        }
    }
    return n;
}

static void add(struct peer_sum *sum, const struct peer_sum *other)
{
    sum->count += other->count;
    sum->total = cvy_trace_sum(sum->total, other->total);
    sum->max = other->max > sum->max ? other->max : sum->max;
}

/* Of n sorted rows, in place; how many are left. */
static size_t add_ports(struct peer_sum *sums, size_t n)
{
    size_t count = 0;

    for (size_t first = 0, next; first < n; first = next) {
        for (next = first + 1; next < n && compare_hosts(&sums[first], &sums[next]) == 0; next++) {
        }
        if (next - first <= PORTS_MAX) {
            memmove(&sums[count], &sums[first], (next - first) * sizeof(*sums));
            count += next - first;
            continue;
        }
        for (size_t i = first + 1; i < next; i++) {
            add(&sums[first], &sums[i]);
        }
        sums[first].len = host_len(sums[first].end);
        sums[first].ports = next - first;
        sums[count++] = sums[first];
    }
    return count;
}

/* In place, the largest total first; how many kinds. */
static size_t add_up(struct peer_sum *sums, size_t n)
{
    size_t kinds = 0;

    qsort(sums, n, sizeof(*sums), compare_ends);
    for (size_t i = 0; i < n; i++) {
        if (kinds > 0 && compare_ends(&sums[kinds - 1], &sums[i]) == 0) {
            add(&sums[kinds - 1], &sums[i]);
        } else {
            sums[kinds++] = sums[i];
        }
    }
    kinds = add_ports(sums, kinds);
    qsort(sums, kinds, sizeof(*sums), compare_totals);
    return kinds;
}

void cvy_trace_report_peers(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    struct peer_sum *sums =
        m->peer_count > 0 ? malloc((m->segment_count + 1) * sizeof(*sums)) : NULL;
    char a[16], b[16], c[16];
    size_t n = sums ? collect(m, sums) : 0;

    if (n > 0) {
        n = add_up(sums, n);
        (void)fprintf(out,
                      "\nWAITS FOR DESCRIPTORS, BY THE OTHER END\n  %-14s %9s %9s %9s %9s  %s\n",
                      "for", "total", "times", "mean", "longest", "to, or at");
    }
    for (size_t i = 0; i < n && i < rows; i++) {
        (void)fprintf(out, "  %-14s %9s %9" PRIu64 " %9s %9s  %.*s",
                      cvy_trace_reason(sums[i].reason), cvy_trace_duration(sums[i].total, a),
                      sums[i].count, cvy_trace_duration(sums[i].total / (int64_t)sums[i].count, b),
                      cvy_trace_duration(sums[i].max, c), (int)sums[i].len, sums[i].end);
        (void)fprintf(out, sums[i].ports ? ", %zu ports\n" : "\n", sums[i].ports);
    }
    if (n > rows) {
        (void)fprintf(out, "  ... %zu more (--rows)\n", n - rows);
    }
    free(sums);
}
