/* Tables, for people and for programs. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"
#include "tests/unit/results_sample.h"

static int print_named(const char *name, const store_data *d, const char *format, FILE *out, err *e) {
    const table_kind *kind = registry_find(&table_registry, name);
    cr_assert_not_null(kind, "%s", name);
    return table_print(kind, d, &(table_options){.format = registry_find(&table_format_registry, format), .by = "n"},
                       out, e);
}

static char *printed(const char *name, const store_data *d, const char *format) {
    char  *s = NULL;
    size_t n;
    err    e = {0};
    FILE  *out = open_memstream(&s, &n);
    cr_assert_eq(print_named(name, d, format, out, &e), 0, "%s", e.text);
    fclose(out);
    return s;
}

static void expect(char *got, const char *want) {
    cr_assert_str_eq(got, want, "got:\n%s\nwant:\n%s", got, want);
    free(got);
}

/* Where no cell adds to what ends a text, nobody reads about it; where some do, they are told apart. */
Test(tables, stop_is_shown_where_a_cell_has_it) {
    store_data d;
    results_sample(&d);
    char *without = printed("scenarios", &d, "text");
    cr_assert_null(strstr(without, "stop"), "%s", without);
    d.cells[2].stop = (char *)"13 265";
    char *with = printed("scenarios", &d, "text");
    cr_assert_not_null(strstr(with, "stop    policy"), "%s", with);
    cr_assert_not_null(strstr(with, "\n13 265  llma"), "%s", with);
    cr_assert_null(strstr(with, "stop = "), "%s", with);
    free(without);
    free(with);
}

Test(tables, the_first_failed_allocation_comes_out_at_the_end) {
    store_data d;
    results_sample(&d);
    for (size_t k = 1;; k++) {
        char  *s = NULL;
        size_t n;
        err    e = {0};
        FILE  *out = open_memstream(&s, &n);
        mem_fail_at(k);
        int status = print_named("summary", &d, "latex", out, &e);
        mem_fail_at(0);
        fclose(out);
        free(s);
        if (status == 0) {
            cr_assert_gt(k, 200);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu", k);
    }
}

/* Two rules: what is compared stands together, and a parameter that one rule has is named after it. */
Test(tables, cells_that_cannot_be_compared_stand_apart) {
    store_data d;
    results_sample(&d);
    d.cells[2].rule = (char *)"typical";
    d.cells[2].params = (char *)"{\"policy\":{\"k\":4,\"max_n\":5,\"n\":2},\"rule\":{\"eps\":0.25}}";
    expect(printed("scenarios", &d, "text"),
           "demo: config = quick.ini, model = bytes, dataset = demo, target = replay,\n"
           "  threads = 1, gemm = exact, forced = yes, temperature = 0, typical.eps = 0.25,\n"
           "  llma.k = 4, llma.max_n = 5\n"
           "tokens per step by scenario\n"
           "\n"
           "rule     policy  n   rag  edit   all\n"
           "-------  ------  -  ----  ----  ----\n"
           "greedy   none    -  1.00  1.00  1.00\n"
           "greedy   llma    1  3.00  1.33  2.00\n"
           "\n"
           "typical  llma    2  1.00  1.00  1.00\n");
    char *equality = printed("equality", &d, "text");
    cr_assert(strstr(equality, "rule greedy: outputs equal to the baseline's 7/8; ") != NULL, "%s", equality);
    cr_assert(strstr(equality, "rule typical: outputs equal to the baseline's 4/4; ") != NULL, "%s", equality);
    free(equality);
    char *latex = printed("scenarios", &d, "latex");
    cr_assert(strstr(latex, "\\addlinespace\ntypical & llma") != NULL, "%s", latex);
    free(latex);
}

/* Stages have all their parameters in the file; people see those that tell two rows apart. */
Test(tables, rows_of_policies_are_brief) {
    store_data d;
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\":{\"stages\":\"hf n=2 k=10 at_least=1 > pld n=3\"},\"rule\":{}}";
    d.cells[2].params = (char *)"{\"policy\":{\"stages\":\"hf n=2 k=10 at_least=2 > pld n=3\"},\"rule\":{}}";
    d.cells[1].n = d.cells[2].n = -1;
    char *text = printed("scenarios", &d, "text"), *csv = printed("summary", &d, "csv");
    cr_assert_not_null(strstr(text, "\nllma    hf at_least=1 > pld  3.00"), "%s", text);
    cr_assert_not_null(strstr(text, "\nllma    hf at_least=2 > pld  "), "%s", text);
    cr_assert_not_null(strstr(text, "llma.hf.k = 10, llma.hf.n = 2, llma.pld.n = 3\n"), "%s", text);
    cr_assert_not_null(strstr(csv, ",hf n=2 k=10 at_least=2 > pld n=3,"), "%s", csv);
    free(text);
    free(csv);
}

/* Names and files are parameters as numbers are; people see the first digits of a digest. */
Test(tables, parameters_may_be_names_and_files) {
    store_data d;
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\":{\"k\":4,\"max_n\":5,\"n\":1,\"side\":\"left\",\"store\":\"sha256:"
                                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"},\"rule\":{}}";
    d.cells[2].params = (char *)"{\"policy\":{\"k\":4,\"max_n\":5,\"n\":1,\"side\":\"right\",\"store\":\"sha256:"
                                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"},\"rule\":{}}";
    d.cells[2].n = 1;
    char *text = printed("scenarios", &d, "text"), *csv = printed("summary", &d, "csv");
    cr_assert_not_null(strstr(text, "llma.store = sha256:0123456789ab"), "%s", text);
    cr_assert_null(strstr(text, "0123456789abc"), "%s", text);
    cr_assert_not_null(strstr(text, "llma    left "), "%s", text);
    cr_assert_not_null(strstr(text, "llma    right "), "%s", text);
    cr_assert_not_null(strstr(csv, ",left,sha256:0123456789abcdef0123456789abcdef"), "%s", csv);
    free(text);
    free(csv);
}

/* Stages that all cells share are said above a table, in lines, their digests shortened; programs get all of it. */
Test(tables, stages_above_a_table_are_fit_for_people) {
    store_data d;
    results_sample(&d);
#define STAGES                                                                                                         \
    "{\"policy\":{\"stages\":\"ngram_simple n=2 k=3 > rest store=sha256:"                                              \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef k=8 > pld k=4\"},\"rule\":{}}"
    d.cells[1].params = d.cells[2].params = (char *)STAGES;
    d.cells[2].n = 1;
    char *text = printed("scenarios", &d, "text"), *csv = printed("summary", &d, "csv");
    cr_assert_not_null(strstr(text, "rest store=sha256:0123456789ab k=8 >"), "%s", text);
    cr_assert_not_null(strstr(csv, "store=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef k=8"),
                       "%s", csv);
    for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        cr_assert_leq(end - at, 82, "%s", text);
    free(text);
    free(csv);
}

/* With a truncated recorded output the experiment is not the intended one: the first table says so. */
Test(tables, summary_says_when_outputs_were_cut) {
    store_data d;
    results_sample(&d);
    char *s = printed("summary", &d, "text");
    cr_assert(strstr(s, "cut the output") == NULL, "%s", s);
    free(s);
    d.trials[1].truncated = d.trials[4].truncated = 1;
    s = printed("summary", &d, "md");
    cr_assert(strstr(s, "max\\_new\\_tokens or the context's end cut the output of 2 of 12 trials  \n") != NULL, "%s",
              s);
    free(s);
}

Test(tables, summary_as_text) {
    store_data d;
    results_sample(&d);
    expect(printed("summary", &d, "text"),
           "demo: config = quick.ini, model = bytes, dataset = demo, target = replay,\n"
           "  threads = 1, gemm = exact, forced = yes, rule = greedy, temperature = 0,\n"
           "  llma.k = 4, llma.max_n = 5\n"
           "no 95% intervals: fewer than 10 distinct records\n"
           "speed-up: median over trials;\n"
           "  of totals: plain decoding's time over all trials / the cell's\n"
           "equal: trials whose ids are plain decoding's\n"
           "in each cell: 4 trials, 20 tokens\n"
           "\n"
           "policy  n  tokens/step  speed-up  of totals  equal\n"
           "------  -  -----------  --------  ---------  -----\n"
           "none    -         1.00      1.00       1.00    4/4\n"
           "llma    1         2.00    3 of 4          -    3/4\n"
           "llma    2         1.00      0.50       0.50    4/4\n");
}

Test(tables, summary_as_csv) {
    store_data d;
    results_sample(&d);
    expect(
        printed("summary", &d, "csv"),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,stop,chat,"
        "dataset_"
        "sha256,model_sha256,build,"
        "trials,tokens,steps,tokens_per_step,tokens_per_step_lo,tokens_per_step_hi,tokens_per_step_macro,coverage,"
        "drafted,testable,accepted,acceptance,speedup_median,speedup_q1,speedup_q3,speedup_lo,speedup_hi,speedup_n,"
        "speedup_of,speedup_total,speedup_total_lo,speedup_total_hi,speedup_geometric,modeled_speedup_median,"
        "modeled_speedup_q1,modeled_speedup_q3,modeled_speedup_lo,modeled_speedup_hi,modeled_speedup_n,"
        "modeled_speedup_of,modeled_speedup_total,modeled_speedup_total_lo,modeled_speedup_total_hi,draft_ns_per_step,"
        "equal,logits_equal,logits_none,truncated\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,20,20,1,,"
        ",1,0,0,0,0,,1,1,1,,,4,4,1,,,1,,,,,,0,4,,,,0,4,,4,0\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,20,10,2,"
        ",,2.1666666666666665,0.8,18,14,10,0.7142857142857143,,,,,,3,4,,,,,,,,,,0,4,,,,250,3,,4,0\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,20,20,1,"
        ",,1,0,0,0,0,,0.5,0.5,0.5,,,4,4,0.5,,,0.5,,,,,,0,4,,,,10,4,,4,0\n");
}

Test(tables, grid_as_text) {
    store_data d;
    results_sample(&d);
    expect(printed("grid", &d, "text"), "demo: config = quick.ini, model = bytes, dataset = demo, target = replay,\n"
                                        "  threads = 1, gemm = exact, forced = yes, rule = greedy, temperature = 0,\n"
                                        "  llma.k = 4, llma.max_n = 5\n"
                                        "tokens and steps of one pass over the data set (the first repeat)\n"
                                        "\n"
                                        "steps by n (rows) and k (columns), policy = llma\n"
                                        "\n"
                                        "n  k = 4\n"
                                        "-  -----\n"
                                        "1      5\n"
                                        "2     10\n"
                                        "\n"
                                        "tokens per step by n (rows) and k (columns), policy = llma\n"
                                        "\n"
                                        "n  k = 4\n"
                                        "-  -----\n"
                                        "1   2.00\n"
                                        "2   1.00\n");
}

Test(tables, grid_as_csv) {
    store_data d;
    results_sample(&d);
    expect(
        printed("grid", &d, "csv"),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,stop,chat,"
        "dataset_"
        "sha256,model_sha256,build,"
        "samples,tokens,steps,tokens_per_step\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,2,10,5,2\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,2,10,10,"
        "1\n");
}

/* Samples of 6 tokens in 2 steps and of 4 in 3. */
Test(tables, llma_has_both_means) {
    store_data d;
    results_sample(&d);
    char *text = printed("llma", &d, "text"), *csv = printed("llma", &d, "csv");
    cr_assert_not_null(strstr(text, "tokens per step of all tokens (tokens / steps) by n"), "%s", text);
    cr_assert_not_null(strstr(text, "\n1  2.0000\n"), "%s", text);
    cr_assert_not_null(strstr(text, "mean over the samples of their own tokens per step by n"), "%s", text);
    cr_assert_not_null(strstr(text, "\n1  2.1667\n"), "%s", text);
    cr_assert_not_null(strstr(csv, ",2,10,5,2,2.1666666666666665\n"), "%s", csv);
    free(text);
    free(csv);
    d.cells[1].policy = (char *)"pld";
    csv = printed("llma", &d, "csv");
    cr_assert_null(strstr(csv, ",pld,"), "%s", csv);
    free(csv);
}

/* Cell 1's second repeat of sample b diverges at 3, in its second step. */
Test(tables, divergence_as_csv) {
    store_data d;
    results_sample(&d);
    for (size_t i = 0; i < d.n_steps; i++) {
        bool apart = d.steps[i].trial == 7 && d.steps[i].step >= 1;
        d.steps[i].equal = !apart;
        d.steps[i].margin = apart && d.steps[i].step == 1 ? 0.125 : 2;
    }
    char *s = printed("divergence", &d, "csv");
    cr_assert_not_null(strstr(s, ",4,0,0,,,,,,0,1,,,\n"), "none diverges:\n%s", s);
    cr_assert_not_null(strstr(s, ",4,1,0.25,3,b,3,3,3,0,0.95,0.125,0.125,\n"), "%s", s);
    free(s);
}

/* Two rules, and plain decoding in none of the rows. */
Test(tables, rules_as_text) {
    store_data d;
    results_sample(&d);
    d.cells[2].rule = (char *)"typical";
    char *s = printed("rules", &d, "text");
    cr_assert_not_null(strstr(s, "\ngreedy       1       4   75.0%   95.0%       71.4%         2.00         -\n"), "%s",
                       s);
    cr_assert_not_null(strstr(s, "\ntypical      1       4  100.0%  100.0%           -         1.00      0.50\n"), "%s",
                       s);
    cr_assert_null(strstr(s, "none"), "%s", s);
    free(s);
}

/* Of llma's two cells the one with more tokens per step, as one trial has no speed-up; then the faster one. */
Test(tables, policies_as_csv) {
    static trial_row trials[12];
    store_data       d;
    results_sample(&d);
    char *s = printed("policies", &d, "csv"), *llma = strstr(s, ",llma,"), *none = strstr(s, ",none,");
    cr_assert(llma != NULL && none != NULL && llma < none, "best first:\n%s", s);
    cr_assert_null(strstr(llma + 1, ",llma,"), "one row for each:\n%s", s);
    cr_assert_not_null(strstr(s, "\n1,1111111111111111,llma,1,4,"), "%s", s);
    cr_assert_not_null(strstr(s, ",2,,,,,,,2,,,0.8,0.7142857142857143\n"), "of two cells:\n%s", s);
    free(s);
    memcpy(trials, d.trials, sizeof trials);
    d.trials = trials;
    for (size_t c = 0; c < d.n_cells; c++) d.cells[c].timed = 1;
    for (size_t i = 4; i < 8; i++) trials[i].plain_ns = 10;
    for (size_t i = 4; i < 8; i++) trials[i].speedup = 0.01;
    s = printed("policies", &d, "csv");
    cr_assert_not_null(strstr(s, "\n2,2222222222222222,llma,2,4,"), "the faster one:\n%s", s);
    free(s);
}

/* A row for what cells have in common, a column for each value of the key. */
Test(tables, pivot_as_text) {
    store_data d;
    results_sample(&d);
    char *s = printed("pivot", &d, "text");
    cr_assert_not_null(strstr(s, "\npolicy  n = 1  n = 2\n------  -----  -----\nllma     2.00   1.00\n"), "%s", s);
    cr_assert_not_null(strstr(s, "1 cell has no n, and is left out"), "%s", s);
    free(s);
    s = printed("pivot", &d, "csv");
    cr_assert_not_null(strstr(s, ",tokens_per_step,2,,,4\n"), "%s", s);
    free(s);
}

Test(tables, positions_as_latex) {
    store_data d;
    results_sample(&d);
    expect(printed("positions", &d, "latex"),
           "\\smallskip\\noindent demo: config = quick.ini, model = bytes, dataset = demo, target = replay, threads = "
           "1, gemm "
           "= exact, forced = yes, rule = greedy, temperature = 0, llma.k = 4, llma.max\\_n = 5\\par\n"
           "\\smallskip\n"
           "\\noindent\\begin{tabular}{@{}lrrrrrrr@{}}\n"
           "\\toprule\n"
           "policy & n & position & reached & tested & accepted & accepted/reached & accepted/tested \\\\\n"
           "\\midrule\n"
           "llma   & 1 &        1 &       8 &      8 &        6 &           75.0\\% &          75.0\\% \\\\\n"
           "llma   & 1 &        2 &       4 &      2 &        2 &           50.0\\% &         100.0\\% \\\\\n"
           "llma   & 1 &        3 &       2 &      2 &        2 &          100.0\\% &         100.0\\% \\\\\n"
           "\\bottomrule\n"
           "\\end{tabular}\n");
}

Test(tables, scenarios_as_md) {
    store_data d;
    results_sample(&d);
    expect(
        printed("scenarios", &d, "md"),
        "demo: config = quick.ini, model = bytes, dataset = demo, target = replay, threads = 1, gemm = exact, forced = "
        "yes, rule = greedy, temperature = 0, llma.k = 4, llma.max\\_n = 5  \n"
        "tokens per step by scenario  \n"
        "\n"
        "| policy | n |  rag | edit |  all |\n"
        "|--------|--:|-----:|-----:|-----:|\n"
        "| none   | - | 1.00 | 1.00 | 1.00 |\n"
        "| llma   | 1 | 3.00 | 1.33 | 2.00 |\n"
        "| llma   | 2 | 1.00 | 1.00 | 1.00 |\n");
}

Test(tables, scenarios_as_csv) {
    store_data d;
    results_sample(&d);
    expect(
        printed("scenarios", &d, "csv"),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,stop,chat,"
        "dataset_"
        "sha256,model_sha256,build,"
        "scenario,"
        "trials,tokens,steps,tokens_per_step\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,rag,2,12,12,"
        "1\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,edit,2,8,8,"
        "1\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,rag,2,12,"
        "4,"
        "3\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,edit,2,8,"
        "6,"
        "1."
        "3333333333333333\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,rag,2,12,"
        "12,"
        "1\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,edit,2,8,"
        "8,"
        "1\n");
}

Test(tables, equality_as_text) {
    store_data d;
    results_sample(&d);
    expect(printed("equality", &d, "text"),
           "demo: config = quick.ini, model = bytes, dataset = demo, target = replay,\n"
           "  threads = 1, gemm = exact, forced = yes, rule = greedy, temperature = 0,\n"
           "  llma.k = 4, llma.max_n = 5\n"
           "all cells: outputs equal to the baseline's 11/12; logits bitwise equal 0/0,\n"
           "  not applicable 12\n"
           "no values: logits equal; logits equal %; log p/token; plain's; max |logit diff|;\n"
           "  min margin\n"
           "\n"
           "                           equal       first  in\n"
           "policy  n  trials  equal       %  divergence  sample   agree  truncated\n"
           "------  -  ------  -----  ------  ----------  ------  ------  ---------\n"
           "none    -       4      4  100.0%           -  -       100.0%          0\n"
           "llma    1       4      3   75.0%           3  b        95.0%          0\n"
           "llma    2       4      4  100.0%           -  -       100.0%          0\n");
}

Test(tables, equality_as_csv) {
    store_data d;
    results_sample(&d);
    expect(
        printed("equality", &d, "csv"),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,stop,chat,"
        "dataset_"
        "sha256,model_sha256,build,trials,"
        "equal,equal_share,logits_equal,logits_none,logits_equal_share,first_divergence,divergence_sample,agreeing_"
        "share,"
        "log_likelihood_per_token,plain_log_likelihood_per_token,max_abs_"
        "logit_diff,min_margin,truncated\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,4,1,,4,,,,"
        "1,,,,,0\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,3,0.75,"
        ",4,,"
        "3,b,0.95,,,,,0\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,4,1,,4,"
        ",,,1,,,,,"
        "0\n");
}

Test(tables, a_file_without_a_grid_says_so) {
    store_data d;
    err        e = {0};
    results_sample(&d);
    d.n_cells = 1; /* the baseline */
    d.n_trials = 4;
    d.n_steps = 0;
    cr_assert_eq(print_named("grid", &d, "text", stderr, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
}

/* ---- promises of all tables -------------------------------------------------------------------------- */

/* Each table in each format: what it prints, or that it refuses as bad input. */
static void print_all(const store_data *d, const char *refuses) {
    for (size_t i = 0; i < table_registry.n * table_format_registry.n; i++) {
        const table_kind   *kind = table_registry.at[i / table_format_registry.n];
        const table_format *f = table_format_registry.at[i % table_format_registry.n];
        char               *s[2];
        int                 status[2];
        for (size_t again = 0; again < 2; again++) {
            size_t n;
            err    e = {0};
            FILE  *out = open_memstream(&s[again], &n);
            status[again] = table_print(kind, d, &(table_options){.format = f, .by = "policy"}, out, &e);
            fclose(out);
            if (strstr(refuses, kind->name) == NULL || f->for_programs)
                cr_assert(status[again] == 0 && n > 0, "%s as %s: %s", kind->name, f->name, e.text);
            else
                cr_assert_eq(e.kind, ERR_INPUT, "%s as %s", kind->name, f->name);
        }
        cr_assert_str_eq(s[0], s[1]);
        free(s[0]);
        free(s[1]);
    }
}

Test(tables, each_prints_the_same_bytes_again) {
    store_data d;
    results_sample(&d);
    print_all(&d, "");
}

Test(tables, each_prints_an_empty_file) {
    print_all(&(store_data){0}, "grid llma"); /* there is none */
}

Test(tables, each_has_a_name_and_a_help_of_one_line) {
    for (size_t i = 0; i < table_registry.n; i++) {
        const table_kind *kind = table_registry.at[i];
        cr_assert_eq(registry_find(&table_registry, kind->name), kind);
        cr_assert(*kind->help != '\0' && strchr(kind->help, '\n') == NULL, "%s", kind->name);
    }
}

/* Intervals take most of the time: a table without them must not compute them. */
Test(tables, only_those_with_intervals_wait_for_the_bootstrap) {
    for (size_t i = 0; i < table_registry.n; i++) {
        const table_kind *kind = table_registry.at[i];
        cr_assert_eq((kind->needs & NEEDS_SPREADS) != 0, strstr("summary policies predictions", kind->name) != NULL,
                     "%s", kind->name);
    }
}

/* Cell 1 is the bound: 20 tokens in 10 steps. Plain decoding takes 20, and so does cell 2. */
Test(tables, drafting_as_csv) {
    store_data d;
    results_sample(&d);
    d.cells[1].policy = (char *)"oracle";
    d.cells[1].params = (char *)"{\"policy\":{\"from\":\"copies\",\"k\":4},\"rule\":{}}";
    for (size_t i = 0; i < d.n_steps; i++) d.steps[i].draft_ns = d.steps[i].step == 0 ? 5000 : 10 * d.steps[i].step;
    char *s = printed("drafting", &d, "csv");
    cr_assert(strstr(s, "tokens_per_step,share_of_bound,coverage,acceptance,wasted_per_token,draft_ns_p50,draft_ns_p99,"
                        "first_step_us_p50\n") != NULL,
              "%s", s);
    cr_assert(strstr(s, ",2,1,0.8,0.714") != NULL, "the bound is its own:\n%s", s);
    cr_assert(strstr(s, ",1,0.5,0,,0,25,50,5\n") != NULL, "half of it:\n%s", s);
    cr_assert(strstr(s, ",5\n") != NULL, "the first step apart:\n%s", s);
    free(s);
    d.cells[1].params = (char *)"{\"policy\":{\"from\":\"truth\",\"k\":4},\"rule\":{}}";
    s = printed("drafting", &d, "csv");
    cr_assert(strstr(s, ",2,,0.8,") != NULL, "knowing the truth is no bound of copying:\n%s", s);
    free(s);
}

/* Two samples: the first has none before it, the second one. */
Test(tables, requests_as_csv) {
    store_data d;
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\":{\"k\":4,\"memory\":\"cell\"},\"rule\":{}}";
    char *s = printed("requests", &d, "csv");
    cr_assert(strstr(s, ",0,1,3,1,1\n") != NULL, "6 tokens in 2 steps, twice:\n%s", s);
    cr_assert(strstr(s, ",1,1,1.33333") != NULL, "4 tokens in 3 steps, twice:\n%s", s);
    size_t lines = 0;
    for (const char *at = s; *at != '\0'; at++) lines += *at == '\n';
    cr_assert_eq(lines, 3, "a head and two rows, of the cell with a memory only:\n%s", s);
    free(s);
}

Test(tables, requests_knows_the_memory_of_a_stage) {
    static const char stages[] = "pld n=1 k=10 miss=-1 at_least=1 > suffix n=1 memory=cell at_least=1";
    store_data        d;
    char              params[200];
    results_sample(&d);
    snprintf(params, sizeof params, "{\"policy\":{\"k\":4,\"stages\":\"%s\"},\"rule\":{}}", stages);
    d.cells[1].params = params;
    char *s = printed("requests", &d, "text");
    cr_assert(strstr(s, "none learns") == NULL, "%s", s);
    cr_assert(strstr(s, " 1.33 ") != NULL, "%s", s);
    free(s);
    snprintf(params, sizeof params, "{\"policy\":{\"k\":4,\"stages\":\"%.31s\"},\"rule\":{}}", stages);
    s = printed("requests", &d, "text");
    cr_assert(strstr(s, "none learns") != NULL, "%s", s);
    free(s);
}

/* A choice or a file, beside numbers: the same key. */
Test(tables, parameters_that_are_texts_are_shown_as_they_are) {
    store_data d;
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\":{\"k\":4,\"max_n\":5,\"n\":1,\"order\":\"a, \\\"b\\\"\"},\"rule\":{}}";
    d.cells[2].params = (char *)"{\"policy\":{\"k\":4,\"max_n\":5,\"n\":2,\"order\":\"c\"},\"rule\":{}}";
    char *text = printed("summary", &d, "text"), *csv = printed("summary", &d, "csv");
    cr_assert(strstr(text, "policy  n  order ") != NULL, "%s", text);
    cr_assert(strstr(text, "llma    1  a, \"b\"         2.00") != NULL, "%s", text);
    cr_assert(strstr(csv, ",k,policy_max_n,policy_order,rule,") != NULL, "%s", csv);
    cr_assert(strstr(csv, "llma,1,4,5,\"a, \"\"b\"\"\",greedy") != NULL, "%s", csv);
    free(text);
    free(csv);
}

Test(tables, many_parameters_share_a_column_for_people) {
    store_data d;
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"n\":1,\"k\":4},\"rule\":{}}";
    d.cells[2].params = (char *)"{\"policy\":{\"a\":9,\"b\":9,\"c\":9,\"d\":9,\"e\":5,\"n\":2,\"k\":4},\"rule\":{}}";
    char *four = printed("summary", &d, "text");
    cr_assert(strstr(four, "policy  n  a  b  c  d  tokens/step") != NULL, "%s", four);
    d.cells[2].params = (char *)"{\"policy\":{\"a\":9,\"b\":9,\"c\":9,\"d\":9,\"e\":9,\"n\":2,\"k\":4},\"rule\":{}}";
    char *five = printed("summary", &d, "text"), *csv = printed("summary", &d, "csv");
    cr_assert(strstr(five, "policy  n  parameters           tokens/step") != NULL, "%s", five);
    cr_assert(strstr(five, "llma    1  a=1 b=2 c=3 d=4 e=5         2.00") != NULL, "%s", five);
    cr_assert(strstr(csv, ",policy_a,policy_b,policy_c,policy_d,policy_e,") != NULL, "%s", csv);
    free(four);
    free(five);
    free(csv);
}

Test(tables, broken_params_are_an_input_error) {
    store_data d;
    err        e = {0};
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\": {\"max_n\": [5]}}";
    cr_assert_eq(print_named("summary", &d, "text", stderr, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strstr(e.text, "max_n") != NULL, "%s", e.text);
    d.cells[1].params = (char *)"{";
    cr_assert_eq(print_named("summary", &d, "text", stderr, &e), -1);
    cr_assert(strstr(e.text, "not JSON") != NULL, "%s", e.text);
}

Test(tables, cost_as_text) {
    store_data d;
    results_sample(&d);
    for (size_t i = 0; i < d.n_trials; i++) {
        trial_row *t = &d.trials[i];
        t->draft_ns = 10 * t->steps;
        t->prefill_ns = 1000;
        t->verify_ns = 1000 + 90 * (t->steps - 1);
        t->decode_ns = 100 * t->steps;
    }
    for (size_t c = 1; c < d.n_cells; c++) d.cells[c].timed = 1;
    char *s = printed("cost", &d, "text");
    cr_assert(strstr(s, "policy  n  steps  draft ns  pass ns  drafting %\n") != NULL, "%s", s);
    cr_assert(strstr(s, "20        10        -           -\n") != NULL, "no times in replay:\n%s", s);
    cr_assert(strstr(s, "10        10       90       10.0%\n") != NULL, "%s", s);
    free(s);
}

Test(tables, an_unknown_name_lists_the_known) {
    static const char begin[] = "unknown table \"sumary\"; did you mean \"summary\"? (allowed: \"summary\", \"grid\", ";
    err               e = {0};
    cr_assert_null(registry_named(&table_registry, NULL, "sumary", &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(strncmp(e.text, begin, sizeof begin - 1), 0, "%s", e.text);
}
