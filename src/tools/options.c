/* SPDX-License-Identifier: MIT
 * options.c - see options.h. */
#define _GNU_SOURCE
#include "tools/options.h"

#include "tools/duration.h"
#include "tools/template.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Long options without a letter. */
enum {
    PER_HOST = 256,
    TEMPLATE,
    DISCARD,
    RESUME,
    FSYNC,
    TIMEOUT,
    DEADLINE,
    CONNECT_TIMEOUT,
    RETRY,
    FAIL_FAST,
    KEEP_GOING,
    JSON,
    NO_PROGRESS,
    STATS,
    USER_AGENT,
    PROXY,
    NO_PROXY,
    CACERT,
    MAX_REDIRECTS,
    INSECURE,
    HTTP1
};

static const struct option long_options[] = {
    {"input", required_argument, NULL, 'i'},
    {"jobs", required_argument, NULL, 'j'},
    {"output", required_argument, NULL, 'o'},
    {"header", required_argument, NULL, 'H'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"per-host", required_argument, NULL, PER_HOST},
    {"output-template", required_argument, NULL, TEMPLATE},
    {"discard", no_argument, NULL, DISCARD},
    {"resume", no_argument, NULL, RESUME},
    {"fsync", no_argument, NULL, FSYNC},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"deadline", required_argument, NULL, DEADLINE},
    {"connect-timeout", required_argument, NULL, CONNECT_TIMEOUT},
    {"retry", required_argument, NULL, RETRY},
    {"fail-fast", no_argument, NULL, FAIL_FAST},
    {"keep-going", no_argument, NULL, KEEP_GOING},
    {"json", no_argument, NULL, JSON},
    {"no-progress", no_argument, NULL, NO_PROGRESS},
    {"stats", no_argument, NULL, STATS},
    {"user-agent", required_argument, NULL, USER_AGENT},
    {"proxy", required_argument, NULL, PROXY},
    {"no-proxy", no_argument, NULL, NO_PROXY},
    {"cacert", required_argument, NULL, CACERT},
    {"max-redirects", required_argument, NULL, MAX_REDIRECTS},
    {"insecure", no_argument, NULL, INSECURE},
    {"http1.1", no_argument, NULL, HTTP1},
    {0},
};

static const char help[] =
    "usage: covey fetch [OPTION]... URL...\n"
    "       covey fetch [OPTION]... -i FILE\n"
    "Fetches many URLs at once. One URL alone goes to standard output, several go to\n"
    "files in the current directory.\n"
    "\n"
    "What and where to\n"
    "  -i, --input FILE        a URL a line; \"-\" is standard input; '#' begins a comment\n"
    "  -o, --output DIR        directory for the files\n"
    "      --output-template T names of the files; {n} {name} {path} {host} {port}\n"
    "                          {scheme} {query} {hash}; default \"{name}\"\n"
    "      --discard           count the bytes and keep nothing\n"
    "      --resume            keep what came of a file (FILE.part) and go on from there;\n"
    "                          skip files that are there already\n"
    "      --fsync             a file is on the disk before it counts as fetched\n"
    "How many and how long\n"
    "  -j, --jobs N            transfers at once (default 16)\n"
    "      --per-host N        at most N of them to one host\n"
    "      --timeout TIME      for each try of a transfer: 10s, 500ms, 1m30s\n"
    "      --connect-timeout TIME   for each connection (default 30s)\n"
    "      --deadline TIME     for everything\n"
    "      --retry N           try again, N times at most, what may work next time\n"
    "      --fail-fast         the first failure cancels the rest\n"
    "      --keep-going        a failure stops nothing (the default)\n"
    "What is told\n"
    "      --json              a JSON object a line on standard output for each transfer\n"
    "  -q, --quiet             no summary, no failures, no progress\n"
    "      --no-progress       no progress line, also on a terminal\n"
    "      --stats             at the end: tasks, threads and descriptors left\n"
    "The requests\n"
    "  -H, --header 'N: V'     another header; as often as needed\n"
    "      --user-agent TEXT   default \"covey/VERSION\"\n"
    "      --http1.1           no HTTP/2\n"
    "      --insecure          do not verify certificates\n"
    "      --cacert FILE       trust these certificates instead of the system's\n"
    "      --proxy URL         use this proxy; default: http_proxy and its kin\n"
    "      --no-proxy          use no proxy\n"
    "      --max-redirects N   default 10; 0: a redirect is a failure\n"
    "  -h, --help              this\n"
    "\n"
    "Status: 0 all fetched; 1 some failed (all but an HTTP status of 2xx is a failure);\n"
    "2 wrong usage; 3 the deadline passed; 4 a local error, as a full disk; 130 interrupted.\n"
    "The manual is covey-fetch(1).\n";

void cvy_fetch_options_help(FILE *out)
{
    (void)fputs(help, out);
}

static bool complain(FILE *err, const char *fmt, ...) COVEY_PRINTF(2, 3);
static bool complain(FILE *err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)fputs("covey fetch: ", err);
    (void)vfprintf(err, fmt, args);
    (void)fputc('\n', err);
    va_end(args);
    return false;
}

static bool read_number(const char *name, const char *text, int min, int max, int *n, FILE *err)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < min || value > max) {
        return complain(err, "%s: \"%s\" is not a number from %d to %d", name, text, min, max);
    }
    *n = (int)value;
    return true;
}

static bool read_duration(const char *name, const char *text, int64_t *ns, FILE *err)
{
    if (!cvy_duration_parse(text, ns) || *ns == 0) {
        return complain(err, "%s: \"%s\" is no duration; write 10s, 500ms or 1m30s", name, text);
    }
    return true;
}

static bool add_header(struct cvy_fetch_options *o, const char *text, FILE *err)
{
    const char *colon = strchr(text, ':');

    if (!colon || colon == text || strpbrk(text, "\r\n")) {
        return complain(err, "--header: \"%s\" is not \"Name: value\"", text);
    }
    covey_http_header *headers = realloc(o->headers, (o->header_count + 1) * sizeof(*o->headers));
    if (!headers) {
        return complain(err, "out of memory");
    }
    o->headers = headers;
    char *name = strndup(text, (size_t)(colon - text));
    char *value = strdup(colon + 1 + strspn(colon + 1, " \t"));
    headers[o->header_count++] = (covey_http_header){name, value};
    return name && value ? true : complain(err, "out of memory");
}

/* False: the value is wrong, and was complained about. */
static bool set_option(struct cvy_fetch_options *o, int option, char *value, FILE *err)
{
    switch (option) {
    case 'i':
        o->list = value;
        return true;
    case 'j':
        return read_number("--jobs", value, 1, CVY_FETCH_AT_ONCE_MAX, &o->at_once, err);
    case 'o':
        o->directory = value;
        return *value ? true : complain(err, "--output: an empty name");
    case 'H':
        return add_header(o, value, err);
    case 'q':
        o->quiet = true;
        return true;
    case PER_HOST:
        return read_number("--per-host", value, 1, CVY_FETCH_AT_ONCE_MAX, &o->per_host, err);
    case TEMPLATE:
        o->template = value;
        return true;
    case DISCARD:
        o->discard = true;
        return true;
    case RESUME:
        o->resume = true;
        return true;
    case FSYNC:
        o->fsync = true;
        return true;
    case TIMEOUT:
        return read_duration("--timeout", value, &o->timeout_ns, err);
    case DEADLINE:
        return read_duration("--deadline", value, &o->deadline_ns, err);
    case CONNECT_TIMEOUT:
        return read_duration("--connect-timeout", value, &o->connect_timeout_ns, err);
    case RETRY:
        return read_number("--retry", value, 0, 1000, &o->retries, err);
    case FAIL_FAST:
        o->fail_fast = true;
        return true;
    case KEEP_GOING:
        o->fail_fast = false;
        return true;
    case JSON:
        o->json = true;
        return true;
    case NO_PROGRESS:
        o->no_progress = true;
        return true;
    case STATS:
        o->stats = true;
        return true;
    case USER_AGENT:
        o->user_agent = value;
        return true;
    case PROXY:
        o->proxy = value;
        return true;
    case NO_PROXY:
        o->proxy = "";
        return true;
    case CACERT:
        o->ca_file = value;
        return true;
    case MAX_REDIRECTS:
        if (!read_number("--max-redirects", value, 0, 1000, &o->max_redirects, err)) {
            return false;
        }
        o->max_redirects = o->max_redirects == 0 ? -1 : o->max_redirects;
        return true;
    case INSECURE:
        o->insecure = true;
        return true;
    default: /* HTTP1 */
        o->http1 = true;
        return true;
    }
}

/* What fits together. */
static bool check(struct cvy_fetch_options *o, FILE *err)
{
    bool has_files = o->directory || o->template;

    if (o->url_count == 0 && !o->list) {
        return complain(err, "no URL; try covey fetch --help");
    }
    if (o->discard && (has_files || o->resume)) {
        return complain(err, "--discard keeps nothing: not with %s",
                        o->resume ? "--resume" : "-o or --output-template");
    }
    o->to_stdout = o->url_count == 1 && !o->list && !has_files && !o->discard && !o->resume;
    if (o->to_stdout && o->json) {
        return complain(err, "--json writes to standard output: say where the body goes, with -o, "
                             "--output-template or --discard");
    }
    const char *wrong = o->template ? cvy_template_error(o->template) : NULL;
    if (wrong) {
        return complain(err, "--output-template: \"%s\": %s", o->template, wrong);
    }
    return true;
}

enum cvy_options_result cvy_fetch_options_parse(struct cvy_fetch_options *o, int argc, char **argv,
                                                FILE *err)
{
    int option;

    *o = (struct cvy_fetch_options){.at_once = CVY_FETCH_AT_ONCE};
    optind = 0; /* GNU: start anew */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":i:j:o:H:qh", long_options, NULL)) != -1) {
        if (option == 'h') {
            return CVY_OPTIONS_HELP;
        }
        if (option == ':' || option == '?') {
            const char letter[] = {'-', (char)optopt, '\0'};
            bool is_letter = optopt > 0 && optopt < PER_HOST;
            (void)complain(err, option == ':' ? "%s needs a value" : "%s: no such option",
                           is_letter ? letter : argv[optind - 1]);
            return CVY_OPTIONS_WRONG;
        }
        if (!set_option(o, option, optarg, err)) {
            return CVY_OPTIONS_WRONG;
        }
    }
    o->urls = argv + optind;
    o->url_count = argc - optind;
    return check(o, err) ? CVY_OPTIONS_RUN : CVY_OPTIONS_WRONG;
}

void cvy_fetch_options_fini(struct cvy_fetch_options *o)
{
    for (size_t i = 0; i < o->header_count; i++) {
        free((char *)o->headers[i].name);
        free((char *)o->headers[i].value);
    }
    free(o->headers);
    o->headers = NULL;
    o->header_count = 0;
}
