/* audit.c - `harness audit`: the outputs of any engine, plain and with speculation: which differ, where, and whether
 * rounding explains it.
 *
 * With a model, one forced pass over each prompt and plain output scores all its tokens, and one over what speculation
 * wrote after the two part scores those.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/formats/table_format.h"
#include "datasets/pairs.h"
#include "engine/base/parallel.h"
#include "engine/engine.h"
#include "engine/score.h"
#include "experiments/commands/audit_parts.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/reading.h"
#include "experiments/terminal/data_report.h"
#include "experiments/terminal/progress.h"
#include "experiments/terminal/tokenizer_report.h"
#include "experiments/terminal/wrap.h"

typedef struct {
    reading_options     read; /* its path is plain's */
    const char         *other, *model;
    const table_format *format;
    double              tolerance; /* NaN: derived */
    uint64_t            threads;
    bool                all, quiet;
} options;

static int parse_tolerance(const option_value *v, void *at, err *e) {
    char  *end;
    double x = strtod(v->text, &end);
    if (strcmp(v->text, "auto") == 0) {
        x = NAN;
    } else if (end == v->text || *end != '\0' || !(x >= 0 && x <= 1e6)) {
        return err_input(e, "%s \"%.100s\" is not allowed (auto, or a number from 0 to 1e6)", v->name, v->text);
    }
    *(double *)at = x;
    return 0;
}

static const option_type option_tolerance = {.parse = parse_tolerance};

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model),
     .help = "weights and tokenizer of the model that both outputs are of: says why outputs differ"},
    {"tolerance", 0, "X", &option_tolerance, OPTION_AT(options, tolerance), .preset = "auto",
     .help = "how far below the largest logit a token may be by rounding; auto: derived from plain's tokens"},
    {"all", 'a', NULL, &option_flag, OPTION_AT(options, all), .help = "list the records that are the same, too"},
    {"format", 'f', "F", &option_plugin, OPTION_AT(options, format), .preset = "text", .of = &table_format_registry,
     .help = "how to write the table: text, md, csv or latex"},
    READING_FORMAT("records", 0, options, read),
    READING_OTHERS(options, read),
    {"threads", 't', "N", &option_count, OPTION_AT(options, threads), .preset = "1", OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads of a pass; the result does not depend on them"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(options, quiet), .help = "no progress"},
};
static const option_spec operands[] = {
    {"PLAIN.jsonl", .type = &option_path, OPTION_AT(options, read.path), .required = true},
    {"SPECULATIVE.jsonl", .type = &option_path, OPTION_AT(options, other), .required = true},
};
/* clang-format on */

typedef struct {
    model       *m;
    scorer      *scorer;
    reading      read[AUDIT_SIDES];
    size_t      *sample[AUDIT_SIDES]; /* of each record its sample's index; SIZE_MAX: none */
    record_pairs pairs;
    tokens       ids;
    token_score *scores;
    size_t       cap_scores;
    audit        audit;
} auditing;

/* ---- opening --------------------------------------------------------------------------------------------- */

/* Records that were left out under --skip-bad have no sample. */
static int index_samples(const reading *r, size_t **out, err *e) {
    if ((*out = mem_new(r->data.n, sizeof **out, e)) == NULL) return -1;
    for (size_t i = 0; i < r->data.n; i++) (*out)[i] = SIZE_MAX;
    for (size_t i = 0; i < r->samples.n; i++) (*out)[r->samples.at[i].rec - r->data.records] = i;
    return 0;
}

static int read_side(auditing *x, const options *o, audit_side side, err *e) {
    reading_options how = o->read;
    how.limit = 0; /* it is one of pairs */
    if (side == AUDIT_OTHER) how.path = o->other;
    if (x->m == NULL) how.doc_tokens = 0;
    const sample_options as = {.context = x->m != NULL ? x->m->shape.context : 0, .as_is = true};
    return reading_open(&x->read[side], &how, o->model, x->m != NULL ? x->m->tok : NULL, as, e) != 0 ||
                   index_samples(&x->read[side], &x->sample[side], e) != 0
               ? -1
               : 0;
}

static int open_model(auditing *x, const options *o, err *e) {
    if ((x->m = model_open(o->model, e)) == NULL) return -1;
    tokenizer_report(x->m->tok, o->model);
    return 0;
}

/* The ids of a text depend on what is before it: where only one side has the prompt, the other's follow that one. */
static int share_prompts(auditing *x, err *e) {
    for (size_t i = 0; i < x->pairs.n; i++) {
        const size_t at[AUDIT_SIDES] = {x->sample[AUDIT_PLAIN][x->pairs.at[i].a],
                                        x->sample[AUDIT_OTHER][x->pairs.at[i].b]};
        if (at[AUDIT_PLAIN] == SIZE_MAX || at[AUDIT_OTHER] == SIZE_MAX) continue;
        for (int side = 0; side < AUDIT_SIDES; side++) {
            const reading *has = &x->read[side];
            reading       *lacks = &x->read[AUDIT_SIDES - 1 - side];
            const sample  *before = &has->samples.at[at[side]];
            sample        *s = &lacks->samples.at[at[AUDIT_SIDES - 1 - side]];
            if (before->prompt.n > 0 && s->prompt.n == 0 &&
                sample_follow(s, before, &has->chat, &lacks->data, x->m->tok, e) != 0)
                return -1;
        }
    }
    return 0;
}

static int open_auditing(auditing *x, const options *o, err *e) {
    if (reading_check(&o->read, "--records", e) != 0 || (o->model != NULL && open_model(x, o, e) != 0)) return -1;
    if (read_side(x, o, AUDIT_PLAIN, e) != 0 || read_side(x, o, AUDIT_OTHER, e) != 0) return -1;
    if (pairs_make(&x->read[AUDIT_PLAIN].data, &x->read[AUDIT_OTHER].data, o->read.skip_bad, data_report_skipped, NULL,
                   &x->pairs, e) != 0)
        return -1;
    if (o->read.limit > 0 && x->pairs.n > o->read.limit) x->pairs.n = o->read.limit;
    x->audit.scored = o->model != NULL;
    x->audit.tolerance = o->tolerance;
    if (x->m == NULL) return 0;
    if (share_prompts(x, e) != 0 || model_pack(x->m, e) != 0) return -1;
    x->scorer = scorer_new(x->m, x->m->shape.context, (int)o->threads, e);
    return x->scorer != NULL ? 0 : -1;
}

static void close_auditing(auditing *x) {
    audit_free(&x->audit);
    pairs_free(&x->pairs);
    for (int side = 0; side < AUDIT_SIDES; side++) {
        free(x->sample[side]);
        reading_free(&x->read[side]);
    }
    tokens_free(&x->ids);
    free(x->scores);
    scorer_free(x->scorer);
    model_close(x->m);
}

/* ---- one pair -------------------------------------------------------------------------------------------- */

/* Both records of a pair; without a model there are no samples. */
typedef struct {
    const record *rec[AUDIT_SIDES];
    const sample *sample[AUDIT_SIDES];
    audit_output  output[AUDIT_SIDES];
} pair_view;

static pair_view view_pair(const auditing *x, const record_pair *pair) {
    const size_t at[AUDIT_SIDES] = {pair->a, pair->b};
    pair_view    v = {0};
    for (int side = 0; side < AUDIT_SIDES; side++) {
        const reading *r = &x->read[side];
        size_t         index = x->sample[side][at[side]];
        v.rec[side] = &r->data.records[at[side]];
        if (index != SIZE_MAX) v.sample[side] = &r->samples.at[index];
        v.output[side].text = &v.rec[side]->output;
        v.output[side].ids = v.sample[side] != NULL             ? &v.sample[side]->output
                             : v.rec[side]->output.text == NULL ? &v.rec[side]->output.ids
                                                                : NULL;
    }
    return v;
}

/* The tokens of x->ids from `from` on, into x->scores. */
static int score(auditing *x, size_t from, err *e) {
    size_t n = x->ids.n - from;
    if (mem_reserve(&x->scores, &x->cap_scores, n, e) != 0) return -1;
    return scorer_run(x->scorer, x->ids.ids, x->ids.n, from, x->scores, e);
}

/* Sets x->ids to the prompt and n tokens of an output. */
static int set_ids(auditing *x, const tokens *prompt, const tokens *output, size_t n, err *e) {
    x->ids.n = 0;
    return tokens_append(&x->ids, prompt->ids, prompt->n, e) != 0 ? -1 : tokens_append(&x->ids, output->ids, n, e);
}

static void set_word(audit_record *r, audit_side side, const token_score *s) {
    r->word[side].logit = s->logit;
    r->word[side].below = s->top - s->logit;
    r->word[side].rank = s->rank;
    r->margin = s->top - s->second;
}

/* One side has ended where the other goes on: the likeliest of the tokens that end a text stands for it. */
static int score_end(auditing *x, const tokens *prompt, const tokens *output, audit_record *r, audit_side side,
                     err *e) {
    stops ends = tokenizer_stops(x->m->tok);
    for (size_t i = 0; i < ends.n; i++) {
        if (set_ids(x, prompt, output, r->at, e) != 0 || tokens_push(&x->ids, ends.ids[i], e) != 0 ||
            score(x, x->ids.n - 1, e) != 0)
            return -1;
        if (i == 0 || x->scores[0].logit > r->word[side].logit) set_word(r, side, &x->scores[0]);
    }
    return 0;
}

/* Scores an output's tokens from `from` on, into its track, and the one where the two part. */
static int score_side(auditing *x, const tokens *prompt, const tokens *output, size_t from, audit_record *r,
                      audit_side side, err *e) {
    if (set_ids(x, prompt, output, output->n, e) != 0) return -1;
    if (score(x, prompt->n + from, e) != 0) return -1;
    r->track[side].first = from;
    for (size_t i = 0; i < output->n - from; i++) {
        const token_score *s = &x->scores[i];
        if (audit_track_add(&x->audit, side, s->top - s->second, s->top - s->logit, e) != 0) return -1;
        if (r->parts && from + i == r->at) set_word(r, side, s);
    }
    return r->parts && r->word[side].ended ? score_end(x, prompt, output, r, side, e) : 0;
}

static int check_prompts(const pair_view *v, const tokens **prompt, err *e) {
    const tokens *p = &v->sample[AUDIT_PLAIN]->prompt, *q = &v->sample[AUDIT_OTHER]->prompt;
    *prompt = p->n > 0 ? p : q;
    if ((*prompt)->n == 0) return err_input(e, "no prompt in either file (-m needs it, in one of them)");
    return 0;
}

static int score_pair(auditing *x, const pair_view *v, audit_record *r, err *e) {
    const tokens *prompt, *output[AUDIT_SIDES] = {v->output[AUDIT_PLAIN].ids, v->output[AUDIT_OTHER].ids};
    size_t        context = x->m->shape.context;
    if (check_prompts(v, &prompt, e) != 0) return -1;
    for (int side = 0; side < AUDIT_SIDES; side++)
        if (prompt->n + output[side]->n >= context)
            return err_input(e, "%zu tokens of prompt and output (at most %zu in a context of %zu)",
                             prompt->n + output[side]->n, context - 1, context);
    if (score_side(x, prompt, output[AUDIT_PLAIN], 0, r, AUDIT_PLAIN, e) != 0) return -1;
    return r->parts ? score_side(x, prompt, output[AUDIT_OTHER], r->at, r, AUDIT_OTHER, e) : 0;
}

/* Neither has been left out; without a model there are none. */
static bool has_samples(const pair_view *v) {
    return v->sample[AUDIT_PLAIN] != NULL && v->sample[AUDIT_OTHER] != NULL;
}

/* Limits are in tokens: characters do not tell, and no output at all is a fault. */
static bool is_at_limit(const audit_output *output, size_t longest) {
    return output->ids != NULL && output->ids->n > 0 && output->ids->n >= longest;
}

/* With --skip-bad, a record that only the model refuses is left out as well. */
static int audit_pair(auditing *x, const pair_view *v, bool skip_bad, err *e) {
    err           why = {0};
    audit_record *r = audit_add(&x->audit, v->rec[AUDIT_PLAIN]->id, e);
    if (r == NULL) return -1;
    int ret = audit_part(x->m != NULL ? x->m->tok : NULL, &v->output[AUDIT_PLAIN], &v->output[AUDIT_OTHER], r, &why);
    for (int side = 0; side < AUDIT_SIDES; side++)
        r->word[side].at_limit = is_at_limit(&v->output[side], x->audit.longest[side]);
    if (ret == 0 && x->m != NULL && has_samples(v)) ret = score_pair(x, v, r, &why);
    if (ret == 0) return 0;
    err_prefix(&why, "%s:%zu", x->read[AUDIT_PLAIN].data.path, v->rec[AUDIT_PLAIN]->line);
    if (skip_bad && why.kind == ERR_INPUT) {
        data_report_skipped(NULL, &why);
        audit_drop(&x->audit);
        return 0;
    }
    if (e != NULL) *e = why;
    return -1;
}

/* ---- all pairs ------------------------------------------------------------------------------------------- */

static int audit_all(auditing *x, const options *o, err *e) {
    progress bar;
    for (size_t i = 0; i < x->pairs.n; i++) {
        const pair_view v = view_pair(x, &x->pairs.at[i]);
        for (int side = 0; side < AUDIT_SIDES; side++) {
            size_t n = audit_output_length(&v.output[side]);
            if (n > x->audit.longest[side]) x->audit.longest[side] = n;
        }
    }
    progress_begin(&bar, "audit", (progress_kind){0}, (progress_kind){"records", x->pairs.n}, o->quiet);
    for (size_t i = 0; i < x->pairs.n; i++) {
        const pair_view v = view_pair(x, &x->pairs.at[i]);
        if ((x->m == NULL || has_samples(&v)) && audit_pair(x, &v, o->read.skip_bad, e) != 0) return -1;
        progress_update(&bar, 0, i + 1);
    }
    progress_clear(&bar);
    return x->audit.n > 0 ? 0 : err_input(e, "%s: no records that can be audited", o->read.path);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int audit_files(auditing *x, const options *o, err *e) {
    if (open_auditing(x, o, e) != 0 || audit_all(x, o, e) != 0 || audit_judge(&x->audit, e) != 0) return -1;
    bool             texts = x->m == NULL && x->read[AUDIT_PLAIN].data.records[0].output.text != NULL;
    const audit_view view = {.plain = file_name(o->read.path),
                             .other = file_name(o->other),
                             .unit = texts ? "character" : "token",
                             .all = o->all};
    table           *t = audit_table(&x->audit, &view, e);
    int              status = t != NULL ? table_write(t, o->format, stdout, e) : -1;
    table_free(t);
    if (status != 0) return -1;
    return audit_explained(&x->audit) ? 0 : audit_fault(&x->audit, e);
}

static int run(void *opts, err *e) {
    auditing x = {0};
    int      ret = audit_files(&x, opts, e);
    close_auditing(&x);
    return ret;
}

static void list(FILE *out) {
    fprintf(out, "Kinds:\n");
    for (int k = 0; k < AUDIT_KINDS; k++) {
        fprintf(out, "  %-9s  ", audit_kind_names[k]);
        wrap_print(out, audit_kind_helps[k], 13, 13);
    }
    putc('\n', out);
    reading_list(out);
}

const command command_audit = {
    .name = "audit",
    .help = "say where outputs with speculation differ from plain ones, and why",
    .about =
        "Compares the outputs of any engine, decoded greedily: PLAIN.jsonl without speculation, SPECULATIVE.jsonl "
        "with it. Each line is a record {\"id\", \"prompt\" or \"prompt_ids\", \"output\" or \"output_ids\"}, or of "
        "another format that harness inspect -h lists. Records belong together by id, without ids by line; the "
        "prompt may be in one file only. With -m each difference is judged by the model's exact logits. "
        "engine/docs/audit.md says how, and how to export from other engines.\n"
        "Exit status: 0 when rounding explains all that differs, 1 when not, or there is no model to tell, 2 for usage "
        "and input.",
    .lists = list,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
