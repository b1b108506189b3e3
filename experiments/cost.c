#include "experiments/cost.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/suggest.h"
#include "experiments/inifile.h"

enum { MAX_K = 65536 }; /* a step's draft is a u16 */

static int check_head(const ini_section *s, err *e) {
    static const char *const keys[] = {"model", "threads"};
    for (size_t i = 0; i < s->n_entries; i++) {
        const ini_entry *entry = &s->entries[i];
        const char      *where = entry->parts[0].where;
        bool             threads = strcmp(entry->key, "threads") == 0;
        if (!threads && strcmp(entry->key, "model") != 0)
            return err_unknown(e, where, "key of [cost]", entry->key, keys, 2);
        if (!threads) {
            if (ini_line(entry, e) == NULL) return -1;
            continue;
        }
        const ini_part *v = ini_value(entry, e);
        if (v == NULL) return -1;
        if (!count_parse(v->text, 1, 9999, &(uint64_t){0}))
            return err_input(e, "%s: threads = \"%s\" is not allowed (an integer from 1 to 9999)", where, v->text);
    }
    return 0;
}

static int read_times(const ini_section *s, cost_model *out, err *e) {
    out->k = mem_new(s->n_entries, sizeof *out->k, e);
    out->ns = mem_new(s->n_entries, sizeof *out->ns, e);
    if (out->k == NULL || out->ns == NULL) return -1;

    for (size_t i = 0; i < s->n_entries; i++) {
        const ini_entry *entry = &s->entries[i];
        const char      *where = entry->parts[0].where;
        char            *end;
        uint64_t         k;
        if (!count_parse(entry->key, 1, MAX_K, &k))
            return err_input(e, "%s: \"%s\" is not a number of tokens (k = NANOSECONDS, k from 1 to %d)", where,
                             entry->key, MAX_K);
        if (i == 0 && k != 1) return err_input(e, "%s: the first k is %" PRIu64 " (T must begin with k = 1)", where, k);
        if (i > 0 && k <= out->k[i - 1])
            return err_input(e, "%s: k = %" PRIu64 " stands after k = %zu (ascending, each once)", where, k,
                             out->k[i - 1]);

        const ini_part *v = ini_value(entry, e);
        if (v == NULL) return -1;
        double ns = strtod(v->text, &end);
        if (end == v->text || *end != '\0' || !isfinite(ns) || ns <= 0)
            return err_input(e, "%s: T(%" PRIu64 ") = \"%s\" is not allowed (nanoseconds, a number above 0)", where, k,
                             v->text);
        out->k[i] = (size_t)k;
        out->ns[i] = ns;
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
    if (digest_sha256(f.text, f.n_text, out->sha256, e) != 0) goto out;

    for (size_t i = 0; i < f.n_sections; i++) {
        const ini_section *s = &f.sections[i];
        if (strcmp(s->title, "T") == 0) {
            times = s;
        } else if (strcmp(s->title, "cost") != 0) {
            err_unknown(e, s->where, "section", s->title, titles, 2);
            goto out;
        } else if (check_head(s, e) != 0) {
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
    free(c->k);
    free(c->ns);
    *c = (cost_model){0};
}

double cost_pass(const cost_model *c, size_t k) {
    if (k < 1 || k > c->k[c->n - 1]) return NAN;
    size_t i = 0;
    while (c->k[i] < k) i++;
    if (c->k[i] == k) return c->ns[i];
    double share = (double)(k - c->k[i - 1]) / (double)(c->k[i] - c->k[i - 1]);
    return c->ns[i - 1] + share * (c->ns[i] - c->ns[i - 1]);
}

double cost_trial(const cost_model *c, const step_trace *steps, size_t n) {
    double sum = 0;
    for (size_t i = 1; i < n; i++) sum += cost_pass(c, 1 + (size_t)steps[i].drafted);
    return sum;
}
