/* drafts.c - one of our policies beside the drafter of llama.cpp or ik_llama.cpp, step by step over recorded outputs.
 *
 *     peer_drafts POLICY [NAME=VALUE,...] <IDS
 *     peer_drafts_ik suffix [NAME=VALUE,...] <IDS
 *
 * Of each two lines of ids the first is a prompt, the second its recorded output. In each step both draft with the same
 * limit, the output accepts what is right and adds its own token, and both are told. Prints what was compared. Exit
 * status 1: the first difference is on stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/policies/index/datastore.h"
#include "tests/peers/drafts.h"

enum { VOCAB_MAX = 1 << 30 };

typedef struct {
    size_t samples, steps, drafts, drafted, accepted, whole; /* whole: drafts that were accepted from end to end */
} totals;

typedef struct {
    const policy_ops *ops;
    param_values      params;
    drafter_options   theirs;
    bool              keeps;
    policy           *p;
    drafter          *d;
} pair_of_drafters;

static size_t number(const pair_of_drafters *x, const char *name) {
    int at = param_find(x->ops->params, x->ops->n_params, name);
    return at < 0 ? 0 : (size_t)x->params.at[at].integer;
}

static bool chosen(const pair_of_drafters *x, const char *name) {
    int at = param_find(x->ops->params, x->ops->n_params, name);
    return at >= 0 && x->params.at[at].choice != 0;
}

/* ngram-cache: without the server's bug, llama-lookup is what ours is like. */
static int check_cache(const pair_of_drafters *x, err *e) {
    int at = param_find(x->ops->params, x->ops->n_params, "static");
    if (!x->theirs.lookup && x->params.at[at].file != NULL)
        return err_input(e, "llama.cpp's server cannot be given a static table here (compat = no)");
    if (x->theirs.lookup || (x->theirs.k == 8 && !x->keeps)) return 0;
    return err_input(e, "llama.cpp's server has k = 8 and memory = none for ngram_cache, and no others");
}

/* suffix: what its server does, which is compat = yes; and what we do instead, as far as its parts can. */
static int check_suffix(pair_of_drafters *x, err *e) {
    size_t requests = number(x, "requests");
    x->theirs.max_depth = number(x, "max_depth");
    x->theirs.p_min = (float)x->params.at[param_find(x->ops->params, x->ops->n_params, "p_min")].real;
    x->theirs.one_text = x->keeps && chosen(x, "compat");
    if (x->theirs.n_min > 1) return err_input(e, "n_min = %zu cannot be compared (0 or 1)", x->theirs.n_min);
    if (!x->keeps || requests == (x->theirs.one_text ? 0 : 1)) return 0;
    return err_input(e, "with memory = cell, requests is 0 with compat = yes, and 1 without (a corpus is one text)");
}

static int find_theirs(pair_of_drafters *x, char *type, size_t size, err *e) {
    snprintf(type, size, "%s", x->ops->name);
    for (char *c = type; *c != '\0'; c++)
        if (*c == '_') *c = '-';
    bool cache = strcmp(type, "ngram-cache") == 0;
    x->keeps = policy_remembers(x->ops, &x->params);
    x->theirs = (drafter_options){.type = type,
                                  .lookup = cache && !chosen(x, "compat"),
                                  .n = number(x, "n"),
                                  .k = number(x, "k"),
                                  .n_min = number(x, "n_min"),
                                  .min_hits = number(x, "min_hits")};
    if (cache) return check_cache(x, e);
    return strcmp(type, "suffix") == 0 ? check_suffix(x, e) : 0;
}

/* The ids of a line; 1: there is none. */
static int read_line(tokens *out, err *e) {
    char   *line = NULL;
    size_t  cap = 0;
    ssize_t got = getline(&line, &cap, stdin);
    int     ret = got < 0 ? 1 : 0;
    out->n = 0;
    for (char *at = line, *end; ret == 0 && *(at += strspn(at, " \n")) != '\0'; at = end) {
        long id = strtol(at, &end, 10);
        if (end == at || id < 0 || id >= VOCAB_MAX)
            ret = err_input(e, "no ids: %.60s (0 to %d, separated by spaces)", at, VOCAB_MAX - 1);
        else
            ret = tokens_push(out, (int32_t)id, e);
    }
    free(line);
    if (ret == 0 && out->n == 0) ret = err_input(e, "a line without ids");
    return ret;
}

static int differ(const draft *ours, const int32_t *theirs, size_t n_theirs, const totals *t, size_t at, err *e) {
    size_t i = 0;
    while (i < ours->n && i < n_theirs && ours->ids[i] == theirs[i]) i++;
    if (i == ours->n && i == n_theirs) return 0;
    return err_run(e, "sample %zu, after %zu tokens of output: %zu tokens drafted, %s %zu; token %zu is %d, not %d",
                   t->samples, at, ours->n, drafter_origin, n_theirs, i, i < ours->n ? (int)ours->ids[i] : -1,
                   i < n_theirs ? (int)theirs[i] : -1);
}

static int run_step(pair_of_drafters *x, const int32_t *output, size_t n, size_t at, totals *t, size_t *emitted,
                    err *e) {
    int32_t theirs[DRAFT_CAP + 1];
    draft   ours;
    size_t  limit = n - at - 1 < DRAFT_CAP ? n - at - 1 : DRAFT_CAP, right = 0;
    if (policy_propose(x->p, limit, &ours, e) != 0) return -1;
    size_t n_theirs = drafter_draft(x->d, limit, theirs);
    if (differ(&ours, theirs, n_theirs, t, at, e) != 0) return -1;
    while (right < ours.n && ours.ids[right] == output[at + right]) right++;
    *emitted = right + 1;
    step_view view = {.emitted = output + at, .n = *emitted, .position = at, .draft = &ours};
    if (policy_observe(x->p, &view, e) != 0) return -1;
    drafter_emitted(x->d, output + at, *emitted);
    t->steps++;
    t->drafts += ours.n > 0;
    t->drafted += ours.n;
    t->accepted += right;
    t->whole += ours.n > 0 && right == ours.n;
    return 0;
}

/* Tells theirs of each document of the datastore that is ours. */
static int add_table(const pair_of_drafters *x, err *e) {
    int       at = param_find(x->ops->params, x->ops->n_params, "static");
    datastore s = {0};
    tokens    document = {0};
    if (strcmp(x->ops->name, "ngram_cache") != 0 || x->params.at[at].file == NULL) return 0;
    int ret = datastore_open(&s, x->params.at[at].file->path, e);
    for (size_t i = 0; ret == 0 && i < s.length; i++) {
        int32_t id = datastore_token(&s, i);
        if (id >= 0) {
            ret = tokens_push(&document, id, e);
        } else {
            drafter_table(x->d, document.ids, document.n);
            document.n = 0;
        }
    }
    tokens_free(&document);
    datastore_close(&s);
    return ret;
}

static int open_theirs(pair_of_drafters *x, err *e) {
    if (x->d != NULL) drafter_close(x->d);
    if ((x->d = drafter_open(&x->theirs)) == NULL) return err_input(e, "%s has no %s", drafter_origin, x->theirs.type);
    return add_table(x, e);
}

static int run_sample(pair_of_drafters *x, const tokens *prompt, const tokens *output, totals *t, err *e) {
    size_t emitted = 0;
    if ((x->d == NULL || !x->keeps) && open_theirs(x, e) != 0) return -1;
    if (policy_begin(x->p, &(policy_input){.prompt = prompt->ids, .n_prompt = prompt->n}, e) != 0) return -1;
    drafter_begin(x->d, prompt->ids, prompt->n);
    /* Where only one token may come, the original is not asked for a draft. */
    for (size_t at = 0; at + 1 < output->n; at += emitted)
        if (run_step(x, output->ids, output->n, at, t, &emitted, e) != 0) return -1;
    policy_end(x->p);
    drafter_end(x->d);
    t->samples++;
    return 0;
}

static int run(pair_of_drafters *x, totals *t, err *e) {
    tokens prompt = {0}, output = {0};
    int    ret;
    while ((ret = read_line(&prompt, e)) == 0) {
        ret = read_line(&output, e);
        if (ret > 0) ret = err_input(e, "a prompt without an output");
        if (ret < 0 || (ret = run_sample(x, &prompt, &output, t, e)) != 0) break;
    }
    tokens_free(&prompt);
    tokens_free(&output);
    return ret > 0 ? 0 : ret;
}

int main(int argc, char **argv) {
    err              e = {0};
    pair_of_drafters x = {0};
    totals           t = {0};
    char             type[40];
    if (argc < 2 || argc > 3 || (x.ops = registry_find(&policy_registry, argv[1])) == NULL) {
        fprintf(stderr, "usage: peer_drafts POLICY [NAME=VALUE,...] <IDS\n");
        return 2;
    }
    int ret = param_parse_list(argv[1], x.ops->params, x.ops->n_params, argc > 2 ? argv[2] : "", &x.params, &e);
    if (ret == 0) ret = find_theirs(&x, type, sizeof type, &e);
    if (ret == 0) x.p = policy_open(x.ops, &(policy_spec){.params = x.params, .vocab = VOCAB_MAX}, &e);
    if (ret == 0 && x.p != NULL) ret = run(&x, &t, &e);
    if (x.p == NULL || ret != 0) fprintf(stderr, "peer_drafts: %s\n", e.text);
    printf("%zu samples, %zu steps, %zu drafts, %zu tokens, %zu accepted, %zu drafts whole\n", t.samples, t.steps,
           t.drafts, t.drafted, t.accepted, t.whole);
    policy_close(x.p);
    if (x.d != NULL) drafter_close(x.d);
    return x.p == NULL || ret != 0 ? 1 : 0;
}
