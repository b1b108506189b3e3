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
    return table_print(kind, d, registry_find(&table_format_registry, format), out, e);
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
           "in brackets: 95% intervals of tokens/step, quartiles of speed-ups\n"
           "equal: trials whose ids are plain decoding's\n"
           "in each cell: 4 trials, 20 tokens\n"
           "\n"
           "policy  n        tokens/step  coverage  acceptance           speed-up  equal\n"
           "------  -  -----------------  --------  ----------  -----------------  -----\n"
           "none    -  1.00 [1.00, 1.00]      0.0%           -  1.00 [1.00, 1.00]    4/4\n"
           "llma    1  2.00 [1.33, 3.00]     80.0%       71.4%             3 of 4    3/4\n"
           "llma    2  1.00 [1.00, 1.00]      0.0%           -  0.50 [0.50, 0.50]    4/4\n");
}

Test(tables, summary_as_csv) {
    store_data d;
    results_sample(&d);
    expect(
        printed("summary", &d, "csv"),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,stop,chat,"
        "dataset_"
        "sha256,model_sha256,build,"
        "trials,tokens,steps,tokens_per_step,tokens_per_step_lo,tokens_per_step_hi,coverage,drafted,testable,"
        "accepted,acceptance,speedup_median,"
        "speedup_q1,speedup_q3,speedup_lo,speedup_hi,speedup_n,speedup_of,modeled_speedup_median,modeled_speedup_q1,"
        "modeled_speedup_q3,modeled_speedup_lo,modeled_speedup_hi,modeled_speedup_n,modeled_speedup_of,"
        "draft_ns_per_step,equal,logits_equal,logits_none,truncated\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,20,20,1,1,"
        "1,"
        "0,0,0,0,,1,1,1,1,1,4,4,,,,,,0,4,0,4,,4,0\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,20,10,2,"
        "1.3333333333333333,3,0.8,18,14,10,0.7142857142857143,,,,,,3,4,,,,,,0,4,250,3,,4,0\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,20,20,1,"
        "1,1,0,0,0,0,,0.5,0.5,0.5,0.5,0.5,4,4,,,,,,0,4,10,4,,4,0\n");
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
        "tokens,steps,tokens_per_step\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,10,5,2\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,10,10,"
        "1\n");
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
           "no values: logits equal; logits equal %; max |logit diff|; min margin\n"
           "\n"
           "policy  n  trials  equal  equal %  first divergence  in sample  truncated\n"
           "------  -  ------  -----  -------  ----------------  ---------  ---------\n"
           "none    -       4      4   100.0%                 -  -                  0\n"
           "llma    1       4      3    75.0%                 3  b                  0\n"
           "llma    2       4      4   100.0%                 -  -                  0\n");
}

Test(tables, equality_as_csv) {
    store_data d;
    results_sample(&d);
    expect(
        printed("equality", &d, "csv"),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,stop,chat,"
        "dataset_"
        "sha256,model_sha256,build,trials,"
        "equal,equal_share,logits_equal,logits_none,logits_equal_share,first_divergence,divergence_sample,max_abs_"
        "logit_diff,min_margin,truncated\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,4,1,,4,,,,"
        ",,0\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,3,0.75,"
        ",4,,"
        "3,b,,,0\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,,,00000000000000bb,4,4,1,,4,"
        ",,,,,"
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
            status[again] = table_print(kind, d, f, out, &e);
            fclose(out);
            if (strcmp(kind->name, refuses) != 0 || f->for_programs)
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
    print_all(&(store_data){0}, "grid"); /* there is none */
}

Test(tables, each_has_a_name_and_a_help_of_one_line) {
    for (size_t i = 0; i < table_registry.n; i++) {
        const table_kind *kind = table_registry.at[i];
        cr_assert_eq(registry_find(&table_registry, kind->name), kind);
        cr_assert(*kind->help != '\0' && strchr(kind->help, '\n') == NULL, "%s", kind->name);
    }
}

/* Intervals take most of the time: a table without them must not compute them. */
Test(tables, only_the_summary_waits_for_the_bootstrap) {
    for (size_t i = 0; i < table_registry.n; i++) {
        const table_kind *kind = table_registry.at[i];
        cr_assert_eq((kind->needs & NEEDS_SPREADS) != 0, strcmp(kind->name, "summary") == 0, "%s", kind->name);
    }
}

/* A choice or a file, beside numbers: the same key. */
Test(tables, parameters_that_are_texts_are_shown_as_they_are) {
    store_data d;
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\":{\"k\":4,\"max_n\":5,\"n\":1,\"order\":\"a, \\\"b\\\"\"},\"rule\":{}}";
    d.cells[2].params = (char *)"{\"policy\":{\"k\":4,\"max_n\":5,\"n\":2,\"order\":\"c\"},\"rule\":{}}";
    char *text = printed("summary", &d, "text"), *csv = printed("summary", &d, "csv");
    cr_assert(strstr(text, "policy  n  order ") != NULL, "%s", text);
    cr_assert(strstr(text, "llma    1  a, \"b\"  2.00") != NULL, "%s", text);
    cr_assert(strstr(csv, ",k,policy_max_n,policy_order,rule,") != NULL, "%s", csv);
    cr_assert(strstr(csv, "llma,1,4,5,\"a, \"\"b\"\"\",greedy") != NULL, "%s", csv);
    free(text);
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
