/* analysis/report: sums, the choice of trials, and the page's data. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report/cell_sums.h"
#include "analysis/report/json_out.h"
#include "analysis/report/report.h"
#include "analysis/report/scenario_sums.h"
#include "analysis/report/shown_trials.h"
#include "engine/base/mem.h"
#include "tests/unit/results_sample.h"

/* ---- JSON ------------------------------------------------------------------------------------------------- */

static char  *text;
static size_t size;

static json_out open_json(void) {
    return (json_out){.out = open_memstream(&text, &size)};
}

static void closed_as(json_out *j, const char *want) {
    cr_assert_eq(fclose(j->out), 0);
    cr_assert_str_eq(text, want);
    free(text);
}

Test(report_json, has_commas_where_they_belong) {
    json_out j = open_json();
    json_out_begin(&j, NULL, '{');
    json_out_count(&j, "a", 1);
    json_out_begin(&j, "b", '[');
    json_out_end(&j, ']');
    json_out_ids(&j, "c", (const int32_t[]){1, -2}, 2);
    json_out_text(&j, "d", NULL);
    json_out_flag(&j, "e", true);
    json_out_end(&j, '}');
    closed_as(&j, "{\"a\":1,\"b\":[],\"c\":[1,-2],\"d\":null,\"e\":true}");
}

/* J1 */
Test(report_json, no_text_ends_the_script_or_the_string) {
    json_out j = open_json();
    json_out_begin(&j, NULL, '[');
    json_out_text(&j, NULL, "</script><!--&\"\\\n\x01\xe2\x80\xa8");
    json_out_bytes(&j, NULL, "a\xff\x00z", 4);
    json_out_bytes(&j, NULL, "\xed\xa0\x80", 3); /* a surrogate */
    json_out_text(&j, NULL, "ä€😀");
    json_out_end(&j, ']');
    closed_as(&j, "[\"\\u003c/script\\u003e\\u003c!--\\u0026\\\"\\\\\\u000a\\u0001\\u2028\",\"a\xef\xbf\xbd\\u0000z\","
                  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"ä€😀\"]");
}

/* J2 */
Test(report_json, numbers_that_json_has_not) {
    json_out j = open_json();
    json_out_begin(&j, NULL, '[');
    json_out_real(&j, NULL, NAN, 6);
    json_out_real(&j, NULL, INFINITY, 6);
    json_out_real(&j, NULL, -INFINITY, 6);
    json_out_real(&j, NULL, 1.0 / 3, 6);
    json_out_end(&j, ']');
    closed_as(&j, "[null,1e999,-1e999,0.333333]");
}

/* ---- sums ------------------------------------------------------------------------------------------------- */

Test(report_sums, bins_of_matches) {
    const size_t lengths[] = {1, 2, 4, 5, 8, 9, 16, 17, 32, 33, 65535}, bins[] = {0, 1, 3, 4, 4, 5, 5, 6, 6, 7, 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) cr_assert_eq(match_bin(lengths[i]), bins[i]);
}

Test(report_sums, sources_of_drafts) {
    const int32_t    source[] = {0, 7, -2, -3, -4, -1};
    const draft_from want[] = {FROM_REFERENCE, FROM_REFERENCE, FROM_PROMPT,
                               FROM_OUTPUT,    FROM_ELSEWHERE, FROM_ELSEWHERE};
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(draft_from_of(&(step_row){.source = source[i], .drafted = 1}), want[i]);
        cr_assert_eq(draft_from_of(&(step_row){.source = source[i]}), FROM_NOWHERE, "matched, and nothing to copy");
    }
}

Test(report_sums, add_up_steps_and_times) {
    store_data d;
    err        e = {0};
    results_sample(&d);
    d.cells[1].timed = 1;
    for (size_t i = 4; i < 8; i++) {
        trial_row *t = &d.trials[i];
        t->prefill_ns = 1000;
        t->verify_ns = 1000 + 500;
        t->decode_ns = t->draft_ns + 500 + 30;
        t->plain_ns = 2000;
    }
    for (size_t i = 0; i < d.n_steps; i++) {
        d.steps[i].source = -3;
        d.steps[i].match_length = 40;
        d.steps[i].draft_ns = 3;
        d.steps[i].verify_ns = 7;
        d.steps[i].plain_ns = d.steps[i].trial == 4 ? 20 : 0;
    }
    cell_sums *s = cell_sums_make(&d, &e);
    cr_assert_not_null(s, "%s", e.text);
    cr_assert_eq(s[0].timed, 0);
    cr_assert_eq(s[1].timed, 4);
    cr_assert_eq(s[1].tokens, 5 + 5 + 3 + 3);
    cr_assert_eq(s[1].draft_ns, 200 + 400 + 900 + 900);
    cr_assert_eq(s[1].verify_ns, 4 * 500, "the prompt's pass is not in it");
    cr_assert_eq(s[1].other_ns, 4 * 30);
    cr_assert_eq(s[1].plain_ns, 8000);
    cr_assert_eq(s[1].plain_tokens, 16);
    cr_assert_eq(s[1].match[7].steps, 2 * 1 + 2 * 2, "without the prompt's");
    cr_assert_eq(s[1].match[7].accepted, 2 * 1 + 2 * 1);
    cr_assert_eq(s[1].from[FROM_OUTPUT].drafted, 2 * 3 + 2 * 1);
    cr_assert_eq(s[1].from[FROM_NOWHERE].steps, 2);
    cr_assert_eq(s[1].from[FROM_OUTPUT].compared, 1);
    cr_assert_eq(s[1].from[FROM_OUTPUT].ns, 10);
    cr_assert_eq(s[1].from[FROM_OUTPUT].plain_ns, 20);
    free(s);

    /* Where one trial has no time, a sum of the others says nothing. */
    d.trials[7].plain_ns = 0;
    s = cell_sums_make(&d, &e);
    cr_assert_not_null(s);
    cr_assert_eq(s[1].plain_ns, 0);
    cr_assert_eq(s[1].plain_tokens, 0);
    free(s);
}

Test(report_sums, pass_times_by_width) {
    store_data d;
    err        e = {0};
    pass_time *p;
    size_t     n;
    results_sample(&d);
    d.cells[1].timed = 1;
    for (size_t i = 0; i < d.n_steps; i++) d.steps[i].verify_ns = 100 * (1u + d.steps[i].drafted) + d.steps[i].trial;
    cr_assert_eq(pass_times_make(&d, (const size_t[]){0, 5, 0}, &p, &n, &e), 0, "%s", e.text);
    /* After the prompt's: widths 4 (twice), 1 and 2 (twice each). */
    cr_assert_eq(n, 3);
    cr_assert_eq(p[0].group, 5);
    cr_assert_eq(p[0].tokens, 1);
    cr_assert_eq(p[0].n, 2);
    cr_assert_float_eq(p[0].median, 106.5, 1e-9);
    cr_assert_eq(p[1].tokens, 2);
    cr_assert_eq(p[2].tokens, 4);
    cr_assert_float_eq(p[2].median, 404.5, 1e-9);
    free(p);
}

Test(report_sums, scenarios) {
    store_data    d;
    err           e = {0};
    scenario_sums s;
    results_sample(&d);
    cr_assert_eq(scenario_sums_make(&d, &s, &e), 0, "%s", e.text);
    cr_assert_eq(s.n, 2);
    cr_assert_str_eq(s.names[0], "rag");
    const scenario_sum *llma = s.at + s.n;
    cr_assert_eq(llma[0].trials, 2);
    cr_assert_eq(llma[0].tokens, 12);
    cr_assert_eq(llma[0].steps, 4);
    cr_assert_float_eq(llma[0].speedup, 2.5, 1e-9);
    cr_assert(isnan(llma[1].speedup), "one of the two is missing");
    scenario_sums_free(&s);
}

/* ---- the choice of trials ----------------------------------------------------------------------------------- */

enum { CELLS = 9, RECORDS = 100, REPEATS = 2 };

/* Cells of two groups, 0 to 4 and 5 to 8, each beginning with plain decoding; every trial is of `steps` steps. */
static void many(store_data *d, size_t *group, uint32_t steps) {
    err e = {0};
    *d = (store_data){.n_cells = CELLS, .n_samples = RECORDS, .n_trials = CELLS * RECORDS * REPEATS};
    d->cells = mem_new(CELLS, sizeof *d->cells, &e);
    d->samples = mem_new(RECORDS, sizeof *d->samples, &e);
    d->trials = mem_new(d->n_trials, sizeof *d->trials, &e);
    d->n_steps = d->n_trials * steps;
    d->steps = mem_new(d->n_steps, sizeof *d->steps, &e);
    d->n_ids = d->n_steps; /* a token a step */
    d->ids = mem_new(d->n_ids, sizeof *d->ids, &e);
    for (uint32_t c = 0, t = 0; c < CELLS; c++) {
        group[c] = c >= 5;
        d->cells[c].policy = c == 0 || c == 5 ? "none" : "llma";
        for (uint32_t s = 0; s < RECORDS; s++)
            for (uint32_t r = 0; r < REPEATS; r++, t++)
                d->trials[t] = (trial_row){.trial = t,
                                           .cell = c,
                                           .sample = s,
                                           .repeat = r,
                                           .steps = steps,
                                           .tokens = steps,
                                           .equal = 1,
                                           .logits_equal = 2};
    }
}

static void many_free(store_data *d) {
    free(d->steps);
    free(d->ids);
    free(d->cells);
    free(d->samples);
    free(d->trials);
}

/* C2 */
Test(report_choice, takes_the_same_records_everywhere) {
    store_data   d;
    size_t       group[CELLS];
    shown_trials c;
    err          e = {0};
    many(&d, group, 10);
    cr_assert_eq(shown_trials_make(&d, group, 2, 1000000000, &c, &e), 0, "%s", e.text);
    cr_assert_eq(c.n, CELLS * RECORDS_MOST);
    cr_assert_eq(c.records, RECORDS_MOST);
    cr_assert_eq(c.longest, RECORDS);
    cr_assert_eq(c.stride, 1);
    for (size_t i = 0; i < c.n; i++) {
        const trial_row *t = &d.trials[c.trials[i]], *first = &d.trials[c.trials[i % RECORDS_MOST]];
        cr_assert_eq(t->repeat, 0);
        cr_assert_eq(t->cell, i / RECORDS_MOST);
        cr_assert_eq(t->sample, first->sample);
        cr_assert(i == 0 || c.trials[i] > c.trials[i - 1]);
    }
    cr_assert_lt(d.trials[c.trials[0]].sample, 10);
    cr_assert_gt(d.trials[c.trials[RECORDS_MOST - 1]].sample, 89);
    shown_trials_free(&c);
    many_free(&d);
}

/* C2, C3: whatever the budget, what is taken fits, and plain decoding is in it. */
Test(report_choice, fits_the_budget) {
    store_data   d;
    size_t       group[CELLS];
    shown_trials c;
    err          e = {0};
    many(&d, group, 11);
    size_t one = shown_trials_bytes(&d.trials[0]);
    for (size_t trials = CELLS * RECORDS_MOST; trials >= 4; trials--) {
        cr_assert_eq(shown_trials_make(&d, group, 2, trials * one, &c, &e), 0, "%s", e.text);
        cr_assert_leq(c.n, trials);
        cr_assert_gt(c.n, 0);
        cr_assert_eq(d.trials[c.trials[0]].cell, 0);
        cr_assert_eq(c.stride > 1, trials < CELLS, "%zu trials: stride %zu", trials, c.stride);
        shown_trials_free(&c);
    }
    many_free(&d);
}

/* C1 */
Test(report_choice, takes_what_diverges_with_plain_decoding) {
    store_data   d;
    size_t       group[CELLS];
    shown_trials c;
    err          e = {0};
    many(&d, group, 10);
    const size_t odd = (7 * RECORDS + 33) * REPEATS + 1, plain = (5 * RECORDS + 33) * REPEATS;
    d.trials[odd].equal = 0;
    for (size_t i = 0; i < 40; i++) d.trials[(8 * RECORDS + i) * REPEATS].logits_equal = 0;
    cr_assert_eq(shown_trials_make(&d, group, 2, 1000000000, &c, &e), 0, "%s", e.text);
    size_t found = 0;
    for (size_t i = 0; i < c.n; i++) found += c.trials[i] == odd || c.trials[i] == plain;
    cr_assert_eq(found, 2);
    cr_assert_eq(c.diverge, 41);
    cr_assert_eq(c.diverging, DIVERGING_MOST);
    shown_trials_free(&c);
    many_free(&d);
}

Test(report_choice, of_nothing_is_nothing) {
    store_data   d = {0};
    shown_trials c;
    err          e = {0};
    cr_assert_eq(shown_trials_make(&d, NULL, 0, 1000, &c, &e), 0, "%s", e.text);
    cr_assert_eq(c.n, 0);
    shown_trials_free(&c);
}

/* ---- the page ------------------------------------------------------------------------------------------------ */

/* Outputs of 0 1 2 3 0 1 2 ... */
static void give_outputs(store_data *d) {
    static uint64_t offset[13];
    static int32_t  out[12 * 6];
    cr_assert_eq(d->n_trials, 12);
    for (size_t i = 0; i < 12; i++) offset[i + 1] = offset[i] + d->trials[i].tokens;
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) out[i] = (int32_t)(i % 4);
    d->offset = offset;
    d->ids = out;
    d->n_ids = offset[12];
}

static char *page(const store_data *d, const report_texts *texts) {
    err   e = {0};
    FILE *f = open_memstream(&text, &size);
    cr_assert_eq(report_write(f, "x.h5", d, NULL, texts, &e), 0, "%s", e.text);
    cr_assert_eq(fclose(f), 0);
    return text;
}

/* The part of a page that is data, its end cut off. */
static char *data_of(char *whole) {
    static const char begin[] = "<script type=\"application/json\" id=\"data\">";
    char             *at = strstr(whole, begin);
    cr_assert_not_null(at);
    at += sizeof begin - 1;
    *strstr(at, "</script>") = '\0';
    return at;
}

static void has(const char *in, const char *what) {
    cr_assert(strstr(in, what) != NULL, "no %s in %s", what, in);
}

Test(report, page_holds_cells_and_trials) {
    store_data d;
    results_sample(&d);
    give_outputs(&d);
    char *whole = page(&d, NULL), *at = data_of(whole);
    has(at, "\"sweep\":\"demo\"");
    has(at, "\"groups\":1");
    has(at, "\"positions\":[8,8,6,4,2,2,2,2,2]"); /* reached, tested, accepted of each */
    has(at, "\"shown\":7,\"of\":12");
    has(at, "\"diverging\":1,\"diverge\":1");
    has(at, "\"first_divergence\":3");
    has(at, "\"accepted\":[3,1]");
    cr_assert_null(strchr(at, '<'));
    free(whole);
}

Test(report, same_data_same_page) {
    store_data d;
    results_sample(&d);
    give_outputs(&d);
    char *a = page(&d, NULL), *b = page(&d, NULL);
    cr_assert_str_eq(a, b);
    free(a);
    free(b);
}

Test(report, empty_file_has_a_page) {
    store_data d = {.sweep = "nothing", .created = ""};
    char      *whole = page(&d, NULL);
    has(data_of(whole), "\"cells\":[]");
    free(whole);
}

Test(report, refuses_params_that_are_not_json) {
    store_data d;
    err        e = {0};
    results_sample(&d);
    d.cells[1].params = "{";
    FILE *f = open_memstream(&text, &size);
    cr_assert_eq(report_write(f, "x.h5", &d, NULL, NULL, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    fclose(f);
    free(text);
}

/* ---- texts ---------------------------------------------------------------------------------------------------- */

static size_t one_vocabulary(void *ctx, size_t cell) {
    (void)ctx;
    return cell == 2 ? 1 : 0; /* cell 2 has none */
}
static size_t ten_ids(void *ctx, size_t v) {
    (void)ctx, (void)v;
    return 10;
}
static token_text a_token(void *ctx, size_t v, int32_t id) {
    static const char *const texts[] = {"a", "</script>", "\xc3", "</s>"};
    (void)ctx, (void)v;
    return (token_text){texts[id % 4], strlen(texts[id % 4]), id % 4 == 3};
}
static bool a_sample(void *ctx, size_t cell, size_t sample, sample_texts *out) {
    static const int32_t ids[] = {5, 6, 7};
    static passage_ids   reference = {ids, 3};
    (void)ctx, (void)cell;
    *out = (sample_texts){{ids, 2}, &reference, 1};
    return sample == 0;
}

/* Trial 4 drafts a chain and then a tree; of the others nothing is known. */
static int some_drafts(void *ctx, const store_trial *of, const store_trial *plain, trial_drafts *out, err *e) {
    static const int32_t ids[] = {2, 3, 4, 6, 8, 9}, parents[] = {-1, 0, 1, -1, -1, 1};
    (void)ctx;
    cr_assert(plain == NULL || (plain->trial->cell == 0 && plain->trial->sample == of->trial->sample));
    if (of->trial->cell != 1 || of->trial->sample != 0 || of->trial->repeat != 0)
        return (out->missing = mem_strdup("unknown", e)) != NULL ? 0 : -1;
    cr_assert_eq(mem_reserve(&out->ids, &out->cap_ids, 6, e), 0);
    cr_assert_eq(mem_reserve(&out->parents, &out->cap_parents, 6, e), 0);
    memcpy(out->ids, ids, sizeof ids);
    memcpy(out->parents, parents, sizeof parents);
    out->n = 6;
    return 0;
}

Test(report, texts_of_what_is_shown) {
    const report_texts texts = {.n_vocabularies = 1,
                                .vocabulary = one_vocabulary,
                                .ids = ten_ids,
                                .token = a_token,
                                .sample = a_sample,
                                .drafts = some_drafts};
    store_data         d;
    results_sample(&d);
    give_outputs(&d);
    char *whole = page(&d, &texts), *at = data_of(whole);
    has(at, "\"rejected\":[[],{\"ids\":[6,8,9],\"parents\":[-1,-1,1]}]");
    has(at, "\"no_drafts\":\"unknown\"");
    has(at, "\"prompt\":[5,6],\"references\":[[5,6,7]]");
    has(at,
        "\"vocabularies\":[{\"0\":\"a\",\"1\":\"\\u003c/script\\u003e\",\"2\":[195],\"3\":{\"c\":\"\\u003c/s\\u003e\"},"
        "\"5\":");
    has(at, "\"vocabulary\":-1");
    free(whole);
}
