/* SPDX-License-Identifier: MIT
 * json.c - see json.h. */
#include "tools/json.h"

#include "tools/grow.h"

#include <string.h>

#define DEPTH_MAX 64
#define NODES_MAX UINT32_MAX

struct parser {
    struct cvy_json *json;
    char *at, *end; /* *end is 0 */
    unsigned depth;
};

static void skip_space(struct parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') {
        p->at++;
    }
}

static bool take(struct parser *p, char c)
{
    bool is_there = *p->at == c;

    p->at += is_there;
    return is_there;
}

/* The index of a new node; 0: out of memory. Moves nodes: no pointer to one is kept across it. */
static uint32_t node_new(struct parser *p, enum cvy_json_type type)
{
    struct cvy_json *j = p->json;

    if (j->count >= NODES_MAX ||
        !cvy_tools_grow(&j->nodes, j->count, &j->room, sizeof(*j->nodes))) {
        return 0;
    }
    j->nodes[j->count] = (struct cvy_json_node){.type = type};
    return (uint32_t)j->count++;
}

/* ---- strings ---- */

/* Four hexadecimal digits; -1: they are none. */
static int32_t parse_unit(struct parser *p)
{
    int32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        char c = *p->at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
        p->at++;
    }
    return unit;
}

/* What stands for u, in UTF-8, at out; behind it. It is never longer than its escape. */
static char *put_utf8(char *out, uint32_t u)
{
    if (u < 0x80) {
        *out++ = (char)u;
    } else if (u < 0x800) {
        *out++ = (char)(0xC0 | u >> 6);
        *out++ = (char)(0x80 | (u & 0x3F));
    } else if (u < 0x10000) {
        *out++ = (char)(0xE0 | u >> 12);
        *out++ = (char)(0x80 | (u >> 6 & 0x3F));
        *out++ = (char)(0x80 | (u & 0x3F));
    } else {
        *out++ = (char)(0xF0 | u >> 18);
        *out++ = (char)(0x80 | (u >> 12 & 0x3F));
        *out++ = (char)(0x80 | (u >> 6 & 0x3F));
        *out++ = (char)(0x80 | (u & 0x3F));
    }
    return out;
}

/* Behind \u. NULL: no character; a zero byte is none, as it would end the string. */
static char *parse_unicode(struct parser *p, char *out)
{
    int32_t unit = parse_unit(p);

    if (unit >= 0xD800 && unit < 0xDC00) {
        if (!take(p, '\\') || !take(p, 'u')) {
            return NULL;
        }
        int32_t low = parse_unit(p);
        if (low < 0xDC00 || low > 0xDFFF) {
            return NULL;
        }
        return put_utf8(out,
                        0x10000 + ((uint32_t)(unit - 0xD800) << 10) + (uint32_t)(low - 0xDC00));
    }
    if (unit <= 0 || (unit >= 0xDC00 && unit < 0xE000)) {
        return NULL;
    }
    return put_utf8(out, (uint32_t)unit);
}

static char *parse_escape(struct parser *p, char *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char c = *p->at;
    const char *found = c ? strchr(from, c) : NULL;

    if (c != 'u' && !found) {
        return NULL;
    }
    p->at++;
    if (c == 'u') {
        return parse_unicode(p, out);
    }
    *out = to[found - from];
    return out + 1;
}

/* A string in place, without its quotes; NULL: it is none. */
static const char *parse_string(struct parser *p)
{
    if (!take(p, '"')) {
        return NULL;
    }
    char *text = p->at;
    char *out = text;
    while (*p->at != '"') {
        if ((unsigned char)*p->at < 0x20) {
            return NULL;
        }
        if (*p->at == '\\') {
            p->at++;
            out = parse_escape(p, out);
            if (!out) {
                return NULL;
            }
        } else {
            *out++ = *p->at++;
        }
    }
    p->at++;
    *out = '\0';
    return text;
}

/* ---- values ---- */

static uint32_t parse_value(struct parser *p);

static const char *skip_digits(const char *at)
{
    while (*at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* Where the number ends by JSON's grammar, which is narrower than strtod()'s; NULL: it is none. */
static const char *number_end(const char *at)
{
    at += *at == '-';
    const char *digits = at;
    at = skip_digits(at);
    if (at == digits || (*digits == '0' && at > digits + 1)) {
        return NULL;
    }
    if (*at == '.') {
        digits = ++at;
        at = skip_digits(at);
        if (at == digits) {
            return NULL;
        }
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        digits = at;
        at = skip_digits(at);
        if (at == digits) {
            return NULL;
        }
    }
    return at;
}

static uint32_t parse_number(struct parser *p)
{
    const char *end = number_end(p->at);
    uint32_t n = end ? node_new(p, CVY_JSON_NUMBER) : 0;

    if (n) {
        p->json->nodes[n].number = strtod(p->at, NULL);
        p->at += end - p->at;
    }
    return n;
}

static uint32_t parse_word(struct parser *p, const char *word, enum cvy_json_type type)
{
    size_t len = strlen(word);

    if (strncmp(p->at, word, len) != 0) {
        return 0;
    }
    p->at += len;
    return node_new(p, type);
}

static uint32_t parse_text(struct parser *p)
{
    const char *text = parse_string(p);
    uint32_t n = text ? node_new(p, CVY_JSON_STRING) : 0;

    if (n) {
        p->json->nodes[n].text = text;
    }
    return n;
}

/* One element, with its key in an object. */
/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep */
static uint32_t parse_element(struct parser *p, bool has_key)
{
    const char *key = NULL;

    skip_space(p);
    if (has_key) {
        key = parse_string(p);
        skip_space(p);
        if (!key || !take(p, ':')) {
            return 0;
        }
    }
    uint32_t n = parse_value(p);
    if (n) {
        p->json->nodes[n].key = key;
    }
    skip_space(p);
    return n;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static uint32_t parse_list(struct parser *p, enum cvy_json_type type, char close)
{
    uint32_t list = node_new(p, type);
    uint32_t last = 0;

    p->at++;
    skip_space(p);
    if (!list || p->depth == DEPTH_MAX) {
        return 0;
    }
    if (take(p, close)) {
        return list;
    }
    p->depth++;
    do {
        uint32_t n = parse_element(p, type == CVY_JSON_OBJECT);
        if (!n) {
            return 0;
        }
        *(last ? &p->json->nodes[last].next : &p->json->nodes[list].child) = n;
        last = n;
    } while (take(p, ','));
    p->depth--;
    return take(p, close) ? list : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static uint32_t parse_value(struct parser *p)
{
    skip_space(p);
    switch (*p->at) {
    case '{':
        return parse_list(p, CVY_JSON_OBJECT, '}');
    case '[':
        return parse_list(p, CVY_JSON_ARRAY, ']');
    case '"':
        return parse_text(p);
    case 't':
        return parse_word(p, "true", CVY_JSON_TRUE);
    case 'f':
        return parse_word(p, "false", CVY_JSON_FALSE);
    case 'n':
        return parse_word(p, "null", CVY_JSON_NULL);
    default:
        return parse_number(p);
    }
}

struct cvy_json *cvy_json_parse(char *text, size_t len)
{
    struct cvy_json *j = calloc(1, sizeof(*j));
    struct parser p = {.json = j, .at = text, .end = text + len};

    if (!j) {
        return NULL;
    }
    (void)node_new(&p, CVY_JSON_NULL);
    uint32_t root = j->count > 0 ? parse_value(&p) : 0;
    skip_space(&p);
    if (root != 1 || p.at != p.end) {
        cvy_json_free(j);
        return NULL;
    }
    return j;
}

void cvy_json_free(struct cvy_json *j)
{
    if (j) {
        free(j->nodes);
        free(j);
    }
}

/* ---- looking ---- */

cvy_json_at cvy_json_child(const struct cvy_json *j, cvy_json_at n)
{
    return n && n->child ? &j->nodes[n->child] : NULL;
}

cvy_json_at cvy_json_next(const struct cvy_json *j, cvy_json_at n)
{
    return n && n->next ? &j->nodes[n->next] : NULL;
}

cvy_json_at cvy_json_get(const struct cvy_json *j, cvy_json_at n, const char *key)
{
    for (n = cvy_json_child(j, n); n; n = cvy_json_next(j, n)) {
        if (n->key && strcmp(n->key, key) == 0) {
            return n;
        }
    }
    return NULL;
}

double cvy_json_number(const struct cvy_json *j, cvy_json_at n, const char *key)
{
    cvy_json_at found = cvy_json_get(j, n, key);
    return found && found->type == CVY_JSON_NUMBER ? found->number : 0;
}

int64_t cvy_json_whole(const struct cvy_json *j, cvy_json_at n, const char *key)
{
    double number = cvy_json_number(j, n, key);
    return number >= 0 && number <= 9007199254740992.0 ? (int64_t)number : 0;
}

const char *cvy_json_text(const struct cvy_json *j, cvy_json_at n, const char *key)
{
    cvy_json_at found = cvy_json_get(j, n, key);
    return found && found->type == CVY_JSON_STRING ? found->text : "";
}
