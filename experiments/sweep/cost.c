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

enum { MAX_K = 65536 /* a step's draft is a u16 */, MAX_CONTEXT = INT32_MAX };

typedef struct {
    size_t threads, rounds;
    bool   loaded;
} head;

static const key_spec head_keys[] = {
    {"model", &key_remark, .help = "what was measured"},
    {"threads", &key_size, KEY_AT(head, threads), KEY_RANGE(1, 9999), .help = "threads of the passes"},
    {"rounds", &key_size, KEY_AT(head, rounds), .preset = "0", KEY_RANGE(0, 1000000),
     .help = "how many measurements each median is of; 0: unknown"},
    {"loaded", &key_bool, KEY_AT(head, loaded), .preset = "no",
     .help = "whether other processes kept the processors busy; if so, a sweep warns"},
};

static const key_section sections[] = {
    {"cost", "At most once: how the times were measured.", head_keys, KEY_COUNT(head_keys)},
    {.title = "T CONTEXT",
     .help = "At least once, the contexts ascending: lines k = MEDIAN, or k = MEDIAN Q1 Q3 with the quartiles, in "
             "nanoseconds. Times with quartiles were measured: what counts is a smooth fit to them, T(k, c) = t(k) + c "
             "(u + v "
             "k), where t(k) does not fall and u and v are not negative. Times without are taken as they are. k from 1 "
             "to 65536, ascending, the first one 1, and the same in each section. [T] is [T 0]. "
             "Between two k the time is linear; a step wider than the last one has no modeled time. Between two "
             "contexts it is linear, too; beyond the last one it goes on as between the last two, since attention is "
             "linear in the context, but does not fall; below the first one, the first one's times count. A single "
             "section counts for any context."},
};

const key_file cost_keys = {
    .name = "cost-file",
    .help = "sections and keys of a file of pass times",
    .about = "A cost file holds T(k, context), the time of one forward pass over k tokens after as many tokens in the "
             "KV cache as the section says, measured elsewhere. A sweep's [model] names it as cost, for the modeled "
             "speed-up. harness bench --cost FILE writes one.",
    .sections = sections,
    .n_sections = KEY_COUNT(sections),
};

static int read_head(const inifile *f, const ini_section *s, cost_model *out, err *e) {
    head h = {0};
    if (keys_check(s, &sections[0], NULL, 0, e) != 0 || keys_read(f, s, &sections[0], &h, e) != 0) return -1;
    out->loaded = h.loaded;
    out->rounds = h.rounds;
    return 0;
}

/* Of one pass, ns: 11 days are far from what one takes, and far from where squares overflow (cost_fit.c). */
static const double LEAST_NS = 1, MOST_NS = 1e15;

/* Parses "MEDIAN" or "MEDIAN Q1 Q3", separated by blanks; false for anything else. */
static bool parse_times(const char *text, double ns[static 3]) {
    size_t n = 0;
    for (; n < 3 && *text != '\0'; n++) {
        char *end;
        ns[n] = strtod(text, &end);
        if (end == text || (*end != '\0' && *end != ' ' && *end != '\t') || !(ns[n] >= LEAST_NS && ns[n] <= MOST_NS))
            return false;
        text = end + strspn(end, " \t");
    }
    if (n == 1) ns[1] = ns[2] = ns[0];
    return *text == '\0' && (n == 1 || n == 3);
}

/* The i-th k of a section. */
static int read_k(const ini_entry *entry, size_t i, cost_model *out, err *e) {
    const char *where = entry->parts[0].where;
    bool        first = out->n_contexts == 0;
    uint64_t    k;
    if (!count_parse(entry->key, 1, MAX_K, &k))
        return err_input(e, "%s: \"%s\" is not a number of tokens (k = NANOSECONDS, k from 1 to %d)", where, entry->key,
                         MAX_K);
    if (!first && i == out->n)
        return err_input(e, "%s: k = %" PRIu64 " is not in the first section (the same k in every section)", where, k);
    if (!first && k != out->k[i])
        return err_input(e, "%s: k = %" PRIu64 " where the first section has k = %zu (the same k in every section)",
                         where, k, out->k[i]);
    if (i == 0 && k != 1) return err_input(e, "%s: the first k is %" PRIu64 " (T must begin with k = 1)", where, k);
    if (i > 0 && k <= out->k[i - 1])
        return err_input(e, "%s: k = %" PRIu64 " comes after k = %zu (ascending, each once)", where, k, out->k[i - 1]);
    out->k[i] = (size_t)k;
    return 0;
}

/* What the line says, to the places `at` of the three arrays. */
static int read_times(const ini_entry *entry, size_t at, cost_model *out, err *e) {
    const char     *where = entry->parts[0].where;
    const ini_part *v = ini_value(entry, e);
    double          ns[3];
    if (v == NULL) return -1;
    if (!parse_times(v->text, ns))
        return err_input(e,
                         "%s: T(%s) = \"%s\" is not allowed (%g to %g nanoseconds: the median, or the median and both "
                         "quartiles)",
                         where, entry->key, v->text, LEAST_NS, MOST_NS);
    if (ns[1] > ns[0] || ns[0] > ns[2])
        return err_input(e, "%s: T(%s) = \"%s\": the median is not between the quartiles (MEDIAN Q1 Q3)", where,
                         entry->key, v->text);
    out->measured |= ns[1] < ns[2];
    out->ns[at] = ns[0];
    out->q1[at] = ns[1];
    out->q3[at] = ns[2];
    return 0;
}

/* Room for all lines of all sections. */
static int make_room(const inifile *f, cost_model *out, err *e) {
    size_t n = 0;
    for (size_t i = 0; i < f->n_sections; i++) n += f->sections[i].n_entries;
    out->k = mem_new(n, sizeof *out->k, e);
    out->contexts = mem_new(f->n_sections, sizeof *out->contexts, e);
    out->ns = mem_new(n, sizeof *out->ns, e);
    out->q1 = mem_new(n, sizeof *out->q1, e);
    out->q3 = mem_new(n, sizeof *out->q3, e);
    out->fitted = mem_new(n, sizeof *out->fitted, e);
    bool all = out->k != NULL && out->contexts != NULL && out->ns != NULL && out->q1 != NULL && out->q3 != NULL &&
               out->fitted != NULL;
    return all ? 0 : -1;
}

static bool is_times(const char *title) {
    return title[0] == 'T' && (title[1] == '\0' || title[1] == ' ');
}

/* A section of times. */
static int read_section(const ini_section *s, cost_model *out, err *e) {
    uint64_t context = 0;
    if (s->title[1] != '\0' && !count_parse(s->title + 2, 0, MAX_CONTEXT, &context))
        return err_input(e, "%s: \"%s\" is not a context ([T CONTEXT], tokens in the cache before the pass: 0 to %d)",
                         s->where, s->title + 2, MAX_CONTEXT);
    if (out->n_contexts > 0 && context <= out->contexts[out->n_contexts - 1])
        return err_input(e, "%s: context %" PRIu64 " comes after context %zu (ascending, each once; [T] is [T 0])",
                         s->where, context, out->contexts[out->n_contexts - 1]);
    if (s->n_entries == 0)
        return err_input(e, "%s: no times in [%s] (lines k = NANOSECONDS, beginning with k = 1)", s->where, s->title);
    if (out->n_contexts == 0) out->n = s->n_entries;
    for (size_t i = 0; i < s->n_entries; i++)
        if (read_k(&s->entries[i], i, out, e) != 0 ||
            read_times(&s->entries[i], out->n_contexts * out->n + i, out, e) != 0)
            return -1;
    if (s->n_entries < out->n)
        return err_input(e, "%s: [%s] has no k = %zu, as the first section has (the same k in every section)", s->where,
                         s->title, out->k[s->n_entries]);
    out->contexts[out->n_contexts++] = (size_t)context;
    return 0;
}

/* Fits measured times. */
static int settle(cost_model *c, err *e) {
    const pass_times t = {c->k, c->contexts, c->ns, c->n, c->n_contexts};
    if (c->measured) return cost_fit(&t, c->fitted, &c->errors, e);
    memcpy(c->fitted, c->ns, c->n_contexts * c->n * sizeof *c->ns);
    return 0;
}

static int read_sections(const inifile *f, cost_model *out, err *e) {
    static const char *const titles[] = {"cost", "T"};
    if (make_room(f, out, e) != 0) return -1;
    for (size_t i = 0; i < f->n_sections; i++) {
        const ini_section *s = &f->sections[i];
        bool               is_head = strcmp(s->title, "cost") == 0;
        if (!is_head && !is_times(s->title)) return err_unknown(e, s->where, "section", s->title, titles, 2);
        if ((is_head ? read_head(f, s, out, e) : read_section(s, out, e)) != 0) return -1;
    }
    if (out->n_contexts > 0) return settle(out, e);
    return err_input(e, "%s: no times (a section [T] of lines k = NANOSECONDS, beginning with k = 1)", f->path);
}

int cost_read(const char *path, cost_model *out, err *e) {
    inifile f;
    *out = (cost_model){0};
    if (inifile_read(path, &f, e) != 0) return -1;
    const char *slash = strrchr(path, '/');
    int         ret = digest_sha256(f.text, f.n_text, out->sha256, e) == 0 &&
                      (out->name = mem_strdup(slash != NULL ? slash + 1 : path, e)) != NULL &&
                      (out->text = mem_strdup(f.text, e)) != NULL
                          ? read_sections(&f, out, e)
                          : -1;
    inifile_free(&f);
    if (ret != 0) cost_free(out);
    return ret;
}

void cost_free(cost_model *c) {
    free(c->name);
    free(c->text);
    free(c->k);
    free(c->contexts);
    free(c->ns);
    free(c->q1);
    free(c->q3);
    free(c->fitted);
    *c = (cost_model){0};
}

pass_times cost_times(const cost_model *c) {
    return c != NULL ? (pass_times){c->k, c->contexts, c->fitted, c->n, c->n_contexts} : (pass_times){0};
}

/* A median of eleven rounds is uncertain by 3% where the quartiles are 10% apart (1.25 sigma / sqrt n): as much as the
 * gains of neighbouring m differ. On a quiet machine the quartiles are 1% or 2% apart. */
static const double WIDE = 0.1;

const char cost_advice[] = "these times are not fit for a cost file: measure again when the machine is quiet, or pin "
                           "threads (OMP_PROC_BIND=true OMP_PLACES=cores)";

double cost_error(const cost_model *c, size_t i) {
    static const double NORMAL_IQR = 1.348979500392163; /* of the standard normal distribution */
    if (c->rounds == 0) return 0;
    return sqrt(M_PI_2 / (double)c->rounds) * (c->q3[i] - c->q1[i]) / NORMAL_IQR / c->ns[i];
}

static double spread(const cost_model *c, size_t i) {
    return (c->q3[i] - c->q1[i]) / c->ns[i];
}

/* Where T falls most; nowhere while `most` is 0. */
typedef struct {
    double most;
    size_t from, to;
} fall;

/* Along n places from `first` on, `step` apart. */
static void find_fall(const cost_model *c, size_t first, size_t step, size_t n, fall *out) {
    size_t top = first;
    for (size_t i = first; n > 0; n--, i += step) {
        if (c->q1[i] > c->q1[top]) top = i;
        double ratio = c->q1[top] / c->q3[i]; /* NOLINT(clang-analyzer-core.DivideZero): times are above 0 */
        if (ratio > 1 && ratio > out->most) *out = (fall){ratio, top, i};
    }
}

/* "T(2)", or "T(2, 512)" where there are several contexts. */
static const char *name_time(const cost_model *c, size_t i, char buf[static 48]) {
    int n = snprintf(buf, 48, "T(%zu", c->k[i % c->n]); /* NOLINT(clang-analyzer-core.DivideZero): n >= 1 */
    if (c->n_contexts > 1) n += snprintf(buf + n, 48 - (size_t)n, ", %zu", c->contexts[i / c->n]);
    snprintf(buf + n, 48 - (size_t)n, ")");
    return buf;
}

bool cost_doubtful(const cost_model *c, char *buf, size_t size) {
    size_t n = c->n_contexts * c->n, n_wide = 0, widest = 0, at = 0;
    fall   worst = {0};
    char   from[48], to[48];
    buf[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        n_wide += spread(c, i) > WIDE;
        if (spread(c, i) > spread(c, widest)) widest = i;
    }
    for (size_t i = 0; i < c->n_contexts; i++) find_fall(c, i * c->n, 1, c->n, &worst);
    for (size_t i = 0; i < c->n; i++) find_fall(c, i, c->n, c->n_contexts, &worst);
    if (worst.most > 0)
        at = (size_t)snprintf(buf, size, "T falls: %s = %.4g ms, %s = %.4g ms", name_time(c, worst.from, from),
                              c->ns[worst.from] * 1e-6, name_time(c, worst.to, to), c->ns[worst.to] * 1e-6);
    if (c->loaded && at < size)
        at += (size_t)snprintf(buf + at, size - at, "%sthe machine was busy with other work when they were measured",
                               at > 0 ? "; " : "");
    if (n_wide > 0 && at < size)
        snprintf(buf + at, size - at,
                 "%sthe quartiles of %zu of %zu T(k) are over %.0f%% of the median apart, those of %s %.0f%%",
                 at > 0 ? "; " : "", n_wide, n, 100 * WIDE, name_time(c, widest, from), 100 * spread(c, widest));
    return buf[0] != '\0';
}

double cost_trial(const cost_model *c, size_t n_prompt, const step_trace *steps, size_t n) {
    double           sum = 0;
    const pass_times t = cost_times(c);
    for (size_t i = 1; i < n; i++)
        sum += pass_times_at(&t, 1 + (size_t)steps[i].drafted, n_prompt + steps[i].position - 1);
    return sum;
}

double cost_plain(const cost_model *c, size_t n_prompt, size_t n_output) {
    double           sum = 0;
    const pass_times t = cost_times(c);
    for (size_t i = 0; i + 1 < n_output; i++) sum += pass_times_at(&t, 1, n_prompt + i);
    return sum;
}
