#include "experiments/sweep/cost.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/suggest.h"
#include "experiments/ini/inifile.h"

enum { MAX_K = 65536 }; /* a step's draft is a u16 */

typedef struct {
    size_t threads;
    bool   loaded;
} head;

static const key_spec head_keys[] = {
    {"model", &key_remark, .help = "what was measured"},
    {"threads", &key_size, KEY_AT(head, threads), KEY_RANGE(1, 9999), .help = "threads of the passes"},
    {"loaded", &key_bool, KEY_AT(head, loaded), .preset = "no",
     .help = "whether other processes kept the processors busy; if so, a sweep warns"},
};

static const key_section sections[] = {
    {"cost", "At most once: how the times were measured.", head_keys, KEY_COUNT(head_keys)},
    {.title = "T",
     .help = "Once: lines k = MEDIAN, or k = MEDIAN Q1 Q3 with the quartiles, in nanoseconds; k from 1 to 65536, "
             "ascending, the first one 1. Between two k the time is linear; a step wider than the last one has no "
             "modeled time."},
};

const key_file cost_keys = {
    .name = "cost-file",
    .help = "sections and keys of a file of pass times",
    .about =
        "A cost file holds T(k), the time of one forward pass over k tokens, measured elsewhere. A sweep's [model] "
        "names it as cost, for the modeled speed-up. harness bench --cost FILE writes one.",
    .sections = sections,
    .n_sections = KEY_COUNT(sections),
};

static int read_head(const inifile *f, const ini_section *s, cost_model *out, err *e) {
    head h = {0};
    if (keys_check(s, &sections[0], NULL, 0, e) != 0 || keys_read(f, s, &sections[0], &h, e) != 0) return -1;
    out->loaded = h.loaded;
    return 0;
}

/* Parses "MEDIAN" or "MEDIAN Q1 Q3", separated by blanks; false for anything else. */
static bool parse_times(const char *text, double ns[static 3]) {
    size_t n = 0;
    for (; n < 3 && *text != '\0'; n++) {
        char *end;
        ns[n] = strtod(text, &end);
        if (end == text || (*end != '\0' && *end != ' ' && *end != '\t') || !isfinite(ns[n]) || ns[n] <= 0)
            return false;
        text = end + strspn(end, " \t");
    }
    if (n == 1) ns[1] = ns[2] = ns[0];
    return *text == '\0' && (n == 1 || n == 3);
}

static int read_times(const ini_section *s, cost_model *out, err *e) {
    out->k = mem_new(s->n_entries, sizeof *out->k, e);
    out->ns = mem_new(s->n_entries, sizeof *out->ns, e);
    out->q1 = mem_new(s->n_entries, sizeof *out->q1, e);
    out->q3 = mem_new(s->n_entries, sizeof *out->q3, e);
    if (out->k == NULL || out->ns == NULL || out->q1 == NULL || out->q3 == NULL) return -1;

    for (size_t i = 0; i < s->n_entries; i++) {
        const ini_entry *entry = &s->entries[i];
        const char      *where = entry->parts[0].where;
        double           ns[3];
        uint64_t         k;
        if (!count_parse(entry->key, 1, MAX_K, &k))
            return err_input(e, "%s: \"%s\" is not a number of tokens (k = NANOSECONDS, k from 1 to %d)", where,
                             entry->key, MAX_K);
        if (i == 0 && k != 1) return err_input(e, "%s: the first k is %" PRIu64 " (T must begin with k = 1)", where, k);
        if (i > 0 && k <= out->k[i - 1])
            return err_input(e, "%s: k = %" PRIu64 " comes after k = %zu (ascending, each once)", where, k,
                             out->k[i - 1]);

        const ini_part *v = ini_value(entry, e);
        if (v == NULL) return -1;
        if (!parse_times(v->text, ns))
            return err_input(e,
                             "%s: T(%" PRIu64 ") = \"%s\" is not allowed (nanoseconds above 0: the median, or the "
                             "median and both quartiles)",
                             where, k, v->text);
        if (ns[1] > ns[0] || ns[0] > ns[2])
            return err_input(e, "%s: T(%" PRIu64 ") = \"%s\": the median is not between the quartiles (MEDIAN Q1 Q3)",
                             where, k, v->text);
        out->k[i] = (size_t)k;
        out->ns[i] = ns[0];
        out->q1[i] = ns[1];
        out->q3[i] = ns[2];
        out->n++;
    }
    return 0;
}

int cost_read(const char *path, cost_model *out, err *e) {
    static const char *const titles[] = {"cost", "T"};
    int                      ret = -1;
    inifile                  f;
    const ini_section       *times = NULL;
    *out = (cost_model){0};
    if (inifile_read(path, &f, e) != 0) return -1;
    const char *slash = strrchr(path, '/');
    if (digest_sha256(f.text, f.n_text, out->sha256, e) != 0 ||
        (out->name = mem_strdup(slash != NULL ? slash + 1 : path, e)) == NULL ||
        (out->text = mem_strdup(f.text, e)) == NULL)
        goto out;

    for (size_t i = 0; i < f.n_sections; i++) {
        const ini_section *s = &f.sections[i];
        if (strcmp(s->title, "T") == 0) {
            times = s;
        } else if (strcmp(s->title, "cost") != 0) {
            err_unknown(e, s->where, "section", s->title, titles, 2);
            goto out;
        } else if (read_head(&f, s, out, e) != 0) {
            goto out;
        }
    }
    if (times == NULL || times->n_entries == 0) {
        err_input(e, "%s: no times (a section [T] of lines k = NANOSECONDS, beginning with k = 1)",
                  times != NULL ? times->where : path);
        goto out;
    }
    ret = read_times(times, out, e);
out:
    inifile_free(&f);
    if (ret != 0) cost_free(out);
    return ret;
}

void cost_free(cost_model *c) {
    free(c->name);
    free(c->text);
    free(c->k);
    free(c->ns);
    free(c->q1);
    free(c->q3);
    *c = (cost_model){0};
}

double cost_pass(const cost_model *c, size_t m) {
    if (m < 1 || m > c->k[c->n - 1]) return NAN;
    size_t i = 0;
    while (c->k[i] < m) i++;
    if (c->k[i] == m) return c->ns[i];
    double share = (double)(m - c->k[i - 1]) / (double)(c->k[i] - c->k[i - 1]);
    return c->ns[i - 1] + share * (c->ns[i] - c->ns[i - 1]);
}

/* A median of eleven rounds is uncertain by 3% where the quartiles are 10% apart (1.25 sigma / sqrt n): as much as the
 * gains of neighbouring m differ. On a quiet machine the quartiles are 1% or 2% apart. */
static const double WIDE = 0.1;

const char cost_advice[] = "these times are not fit for a cost file: measure again when the machine is quiet, or pin "
                           "threads (OMP_PROC_BIND=true OMP_PLACES=cores)";

static double spread(const cost_model *c, size_t i) {
    return (c->q3[i] - c->q1[i]) / c->ns[i];
}

/* Whether T falls; then *from and *to are where it falls most. */
static bool find_fall(const cost_model *c, size_t *from, size_t *to) {
    double most = 1;
    for (size_t i = 0, top = 0; i < c->n; i++) {
        if (c->q1[i] > c->q1[top]) top = i;
        if (c->q3[i] >= c->q1[top] || c->q1[top] / c->q3[i] <= most) continue;
        most = c->q1[top] / c->q3[i];
        *from = top;
        *to = i;
    }
    return most > 1;
}

bool cost_doubtful(const cost_model *c, char *buf, size_t size) {
    size_t n_wide = 0, widest = 0, from = 0, to = 0, at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < c->n; i++) {
        n_wide += spread(c, i) > WIDE;
        if (spread(c, i) > spread(c, widest)) widest = i;
    }
    if (find_fall(c, &from, &to))
        at = (size_t)snprintf(buf, size, "T falls: T(%zu) = %.4g ms, T(%zu) = %.4g ms", c->k[from], c->ns[from] * 1e-6,
                              c->k[to], c->ns[to] * 1e-6);
    if (c->loaded && at < size)
        at += (size_t)snprintf(buf + at, size - at, "%sthe machine was busy with other work when they were measured",
                               at > 0 ? "; " : "");
    if (n_wide > 0 && at < size)
        snprintf(buf + at, size - at,
                 "%sthe quartiles of %zu of %zu T(k) are over %.0f%% of the median apart, %.0f%% at k = %zu",
                 at > 0 ? "; " : "", n_wide, c->n, 100 * WIDE, 100 * spread(c, widest), c->k[widest]);
    return buf[0] != '\0';
}

double cost_trial(const cost_model *c, const step_trace *steps, size_t n) {
    double sum = 0;
    for (size_t i = 1; i < n; i++) sum += cost_pass(c, 1 + (size_t)steps[i].drafted);
    return sum;
}
