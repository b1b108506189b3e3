/* Tables: what people and programs read. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/table_writer.h"
#include "engine/base/mem.h"
#include "tests/unit/results_sample.h"

/* The table as text; the caller frees it. */
static char *written(const table *t, table_format f) {
    char  *s = NULL;
    size_t n;
    err    e = {0};
    FILE  *out = open_memstream(&s, &n);
    cr_assert_eq(table_write(t, f, out, &e), 0, "%s", e.text);
    fclose(out);
    return s;
}

static char *printed(const char *name, const store_data *d, table_format f) {
    char  *s = NULL;
    size_t n;
    err    e = {0};
    FILE  *out = open_memstream(&s, &n);
    cr_assert_eq(table_print(name, d, f, out, &e), 0, "%s", e.text);
    fclose(out);
    return s;
}

static void expect(char *got, const char *want) {
    cr_assert_str_eq(got, want, "got:\n%s\nwant:\n%s", got, want);
    free(got);
}

/* Two columns and one row of text in each format. */
static char *single(const char *s, table_format f) {
    err    e = {0};
    table *t = table_new(&e);
    table_column(t, COLUMN_LEFT, "x", "x");
    table_put_text(t, s);
    char *all = written(t, f), *row = all;
    table_free(t);
    size_t skip = f == TABLE_CSV ? 1 : f == TABLE_LATEX ? 4 : 2; /* lines before the first row */
    while (skip-- > 0) row = strchr(row, '\n') + 1;
    row = strdup(row);
    free(all);
    if (f == TABLE_LATEX)
        row[strcspn(row, "\n")] = '\0';
    else if (row[strlen(row) - 1] == '\n')
        row[strlen(row) - 1] = '\0';
    return row;
}

Test(table_writer, escapes_what_each_format_would_read) {
    expect(single("a,b", TABLE_CSV), "\"a,b\"");
    expect(single("say \"x\"\nand", TABLE_CSV), "\"say \"\"x\"\"\nand\"");
    expect(single(" plain ", TABLE_CSV), " plain ");
    expect(single("a|b_c*d`e\\f<g&h", TABLE_MD), "| a\\|b\\_c\\*d\\`e\\\\f&lt;g&amp;h |");
    expect(single("50% of_#1 & {x}~^\\$ <|>\"", TABLE_LATEX),
           "50\\% of\\_\\#1 \\& \\{x\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{}\\$ "
           "\\textless{}\\textbar{}\\textgreater{}'' \\\\");
}

Test(table_writer, keeps_controls_and_broken_utf8_from_people) {
    expect(single("a\033[31mb\nc\td\x7f", TABLE_TEXT), "a?[31mb?c?d?");
    expect(single("\xff\xc3(\xe2\x82", TABLE_TEXT), "?"
                                                    "?(?"
                                                    "?");
    expect(single("\xc2\x9b", TABLE_MD), "| ? |"); /* C1: a one-character escape sequence */
    expect(single("line\nend", TABLE_LATEX), "line?end \\\\");
}

Test(table_writer, width_counts_what_a_terminal_shows) {
    cr_assert_eq(table_width(""), 0);
    cr_assert_eq(table_width("abc"), 3);
    cr_assert_eq(table_width("Größe"), 5);
    cr_assert_eq(table_width("e\xcc\x81"), 1);
    cr_assert_eq(table_width("漢字"), 4);
    cr_assert_eq(table_width("\xf0\x9f\x98\x80"), 2);
    cr_assert_eq(table_width("\xff\xfe"), 2);
    cr_assert_eq(table_width("\xe6\xbc"), 2); /* cut at the end: must not read past the NUL */
}

Test(table_writer, a_share_is_cut_and_never_rounded_up) {
    err    e = {0};
    table *t = table_new(&e);
    table_column(t, COLUMN_RIGHT, "share", "share");
    table_put_share(t, 99999, 100000);
    table_put_share(t, 100000, 100000);
    table_put_share(t, 0, 7);
    table_put_share(t, 2, 3);
    table_put_share(t, 0, 0);
    expect(written(t, TABLE_TEXT), " share\n------\n 99.9%\n100.0%\n  0.0%\n 66.6%\n     -\n");
    expect(written(t, TABLE_CSV), "share\n0.99999\n1\n0\n0.6666666666666666\n\n");
    table_free(t);
}

Test(table_writer, csv_numbers_read_back_equal_and_missing_is_empty) {
    err    e = {0};
    table *t = table_new(&e);
    table_column(t, COLUMN_RIGHT, "a", "a");
    table_column(t, COLUMN_RIGHT, "people", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "b");
    table_put_real(t, 0.1 + 0.2, 2);
    table_put_range(t, 1.5, 1, NAN, 1);
    table_put_real(t, NAN, 2);
    table_put_real(t, INFINITY, 2);
    table_put_range(t, 1.5, 1, 2, 1);
    table_put_count(t, 7);
    expect(written(t, TABLE_CSV), "a,b\n0.30000000000000004,\ninf,7\n");
    expect(written(t, TABLE_TEXT),
           "   a          people\n----  --------------\n0.30             1.5\n inf  1.5 [1.0, 2.0]\n");
    table_free(t);
}

Test(table_writer, the_first_failed_allocation_comes_out_at_the_end) {
    store_data d;
    results_sample(&d);
    for (size_t k = 1;; k++) {
        char  *s = NULL;
        size_t n;
        err    e = {0};
        FILE  *out = open_memstream(&s, &n);
        mem_fail_at(k);
        int status = table_print("summary", &d, TABLE_LATEX, out, &e);
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
    expect(printed("scenarios", &d, TABLE_TEXT),
           "demo: config = quick.ini, model = bytes, dataset = demo, target = replay, threads = 1, gemm = exact,\n"
           "  forced = yes, temperature = 0, typical.eps = 0.25, llma.k = 4, llma.max_n = 5\n"
           "tokens per step by scenario\n"
           "\n"
           "rule     policy  n   rag  edit   all\n"
           "-------  ------  -  ----  ----  ----\n"
           "greedy   none    -  1.00  1.00  1.00\n"
           "greedy   llma    1  3.00  1.33  2.00\n"
           "\n"
           "typical  llma    2  1.00  1.00  1.00\n");
    char *equality = printed("equality", &d, TABLE_TEXT);
    cr_assert(strstr(equality, "rule greedy: outputs equal to the baseline's 7/8; ") != NULL, "%s", equality);
    cr_assert(strstr(equality, "rule typical: outputs equal to the baseline's 4/4; ") != NULL, "%s", equality);
    free(equality);
    char *latex = printed("scenarios", &d, TABLE_LATEX);
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
    char *text = printed("scenarios", &d, TABLE_TEXT), *csv = printed("summary", &d, TABLE_CSV);
    cr_assert_not_null(strstr(text, "llma.store = sha256:0123456789ab\n"), "%s", text);
    cr_assert_not_null(strstr(text, "llma    left "), "%s", text);
    cr_assert_not_null(strstr(text, "llma    right "), "%s", text);
    cr_assert_not_null(strstr(csv, ",left,sha256:0123456789abcdef0123456789abcdef"), "%s", csv);
    free(text);
    free(csv);
}

/* A recorded output that was cut is not the experiment that was meant: the first table says so. */
Test(tables, summary_says_when_outputs_were_cut) {
    store_data d;
    results_sample(&d);
    char *s = printed("summary", &d, TABLE_TEXT);
    cr_assert(strstr(s, "cut the output") == NULL, "%s", s);
    free(s);
    d.trials[1].truncated = d.trials[4].truncated = 1;
    s = printed("summary", &d, TABLE_MD);
    cr_assert(strstr(s, "max\\_new\\_tokens or the context's end cut the output of 2 of 12 trials  \n") != NULL, "%s",
              s);
    free(s);
}

Test(table_writer, captions_are_wrapped_behind_commas_only) {
    err    e = {0};
    table *t = table_new(&e);
    char   word[121];
    memset(word, 'w', 120);
    word[120] = '\0';
    table_column(t, COLUMN_LEFT, "x", "x");
    table_caption(t, "a, %.88s = b c d, e", word);
    table_caption(t, "%s", word);
    table_caption(t, "%s", "");
    char want[512];
    snprintf(want, sizeof want, "a, %.88s = b c d,\n  e\n%s\n\n\nx\n-\n", word, word);
    expect(written(t, TABLE_TEXT), want);
    table_free(t);
}

Test(tables, summary_as_text) {
    store_data d;
    results_sample(&d);
    expect(printed("summary", &d, TABLE_TEXT),
           "demo: config = quick.ini, model = bytes, dataset = demo, target = replay, threads = 1, gemm = exact,\n"
           "  forced = yes, rule = greedy, temperature = 0, llma.k = 4, llma.max_n = 5\n"
           "in each cell: 4 trials, 20 tokens\n"
           "no values: modeled speed-up [q1, q3]; logits equal\n"
           "\n"
           "policy  n  steps  tokens/step [95% CI]  coverage  acceptance  speed-up [q1, q3]  draft ns/step  equal\n"
           "------  -  -----  --------------------  --------  ----------  -----------------  -------------  -----\n"
           "none    -     20     1.00 [1.00, 1.00]      0.0%           -  1.00 [1.00, 1.00]              0    4/4\n"
           "llma    1     10     2.00 [1.33, 3.00]     80.0%       71.4%             3 of 4            250    3/4\n"
           "llma    2     20     1.00 [1.00, 1.00]      0.0%           -  0.50 [0.50, 0.50]             10    4/4\n");
}

Test(tables, summary_as_csv) {
    store_data d;
    results_sample(&d);
    expect(
        printed("summary", &d, TABLE_CSV),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,dataset_"
        "sha256,model_sha256,build,"
        "trials,tokens,steps,tokens_per_step,tokens_per_step_lo,tokens_per_step_hi,coverage,drafted,testable,"
        "accepted,acceptance,speedup_median,"
        "speedup_q1,speedup_q3,speedup_lo,speedup_hi,speedup_n,speedup_of,modeled_speedup_median,modeled_speedup_q1,"
        "modeled_speedup_q3,modeled_speedup_lo,modeled_speedup_hi,modeled_speedup_n,modeled_speedup_of,"
        "draft_ns_per_step,equal,logits_equal,logits_none,truncated\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,4,20,20,1,1,1,"
        "0,0,0,0,,1,1,1,1,1,4,4,,,,,,0,4,0,4,,4,0\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,4,20,10,2,"
        "1.3333333333333333,3,0.8,18,14,10,0.7142857142857143,,,,,,3,4,,,,,,0,4,250,3,,4,0\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,4,20,20,1,"
        "1,1,0,0,0,0,,0.5,0.5,0.5,0.5,0.5,4,4,,,,,,0,4,10,4,,4,0\n");
}

Test(tables, grid_as_text) {
    store_data d;
    results_sample(&d);
    expect(printed("grid", &d, TABLE_TEXT),
           "demo: config = quick.ini, model = bytes, dataset = demo, target = replay, threads = 1, gemm = exact,\n"
           "  forced = yes, rule = greedy, temperature = 0, llma.k = 4, llma.max_n = 5\n"
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
        printed("grid", &d, TABLE_CSV),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,dataset_"
        "sha256,model_sha256,build,"
        "tokens,steps,tokens_per_step\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,10,5,2\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,10,10,1\n");
}

Test(tables, positions_as_latex) {
    store_data d;
    results_sample(&d);
    expect(printed("positions", &d, TABLE_LATEX),
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
        printed("scenarios", &d, TABLE_MD),
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
        printed("scenarios", &d, TABLE_CSV),
        "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,dataset_"
        "sha256,model_sha256,build,"
        "scenario,"
        "trials,tokens,steps,tokens_per_step\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,rag,2,12,12,1\n"
        "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,edit,2,8,8,1\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,rag,2,12,4,"
        "3\n"
        "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,edit,2,8,6,"
        "1."
        "3333333333333333\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,rag,2,12,12,"
        "1\n"
        "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,edit,2,8,8,"
        "1\n");
}

Test(tables, equality_as_text) {
    store_data d;
    results_sample(&d);
    expect(printed("equality", &d, TABLE_TEXT),
           "demo: config = quick.ini, model = bytes, dataset = demo, target = replay, threads = 1, gemm = exact,\n"
           "  forced = yes, rule = greedy, temperature = 0, llma.k = 4, llma.max_n = 5\n"
           "all cells: outputs equal to the baseline's 11/12; logits bitwise equal 0/0, not applicable 12\n"
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
    expect(printed("equality", &d, TABLE_CSV),
           "cell,id,policy,n,k,policy_max_n,rule,temperature,dataset,model,target,forced,threads,gemm,config,dataset_"
           "sha256,model_sha256,build,trials,"
           "equal,equal_share,logits_equal,logits_none,logits_equal_share,first_divergence,divergence_sample,max_abs_"
           "logit_diff,min_margin,truncated\n"
           "0,0000000000000000,none,,,,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,4,4,1,,4,,,,"
           ",,0\n"
           "1,1111111111111111,llma,1,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,4,3,0.75,"
           ",4,,"
           "3,b,,,0\n"
           "2,2222222222222222,llma,2,4,5,greedy,0,demo,bytes,replay,yes,1,exact,quick.ini,,,00000000000000bb,4,4,1,,4,"
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
    cr_assert_eq(table_print("grid", &d, TABLE_TEXT, stderr, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
}

Test(tables, every_table_prints_an_empty_file) {
    store_data d = {0};
    for (size_t i = 0; i < table_count(); i++) {
        if (strcmp(table_name(i), "grid") == 0) continue;
        for (table_format f = TABLE_TEXT; f <= TABLE_LATEX; f++) {
            char *s = printed(table_name(i), &d, f);
            cr_assert(strlen(s) > 0, "%s", table_name(i));
            free(s);
        }
    }
}

Test(tables, the_same_file_gives_the_same_bytes) {
    store_data d;
    results_sample(&d);
    for (size_t i = 0; i < table_count(); i++)
        for (table_format f = TABLE_TEXT; f <= TABLE_LATEX; f++) {
            char *again = printed(table_name(i), &d, f);
            expect(printed(table_name(i), &d, f), again);
            free(again);
        }
}

Test(tables, broken_params_are_an_input_error) {
    store_data d;
    err        e = {0};
    results_sample(&d);
    d.cells[1].params = (char *)"{\"policy\": {\"max_n\": [5]}}";
    cr_assert_eq(table_print("summary", &d, TABLE_TEXT, stderr, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strstr(e.text, "max_n") != NULL, "%s", e.text);
    d.cells[1].params = (char *)"{";
    cr_assert_eq(table_print("summary", &d, TABLE_TEXT, stderr, &e), -1);
    cr_assert(strstr(e.text, "not JSON") != NULL, "%s", e.text);
}

Test(tables, unknown_names_list_the_known) {
    store_data   d = {0};
    err          e = {0};
    table_format f;
    cr_assert_eq(table_print("sumary", &d, TABLE_TEXT, stderr, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "unknown table \"sumary\"; did you mean \"summary\"? (allowed: \"summary\", \"grid\", "
                             "\"positions\", \"scenarios\" or \"equality\")");
    cr_assert_eq(table_format_parse("html", &f, &e), -1);
    cr_assert_str_eq(e.text, "unknown table format \"html\" (allowed: \"text\", \"md\", \"csv\" or \"latex\")");
    cr_assert_eq(table_format_parse("latx", &f, &e), -1);
    cr_assert_str_eq(
        e.text,
        "unknown table format \"latx\"; did you mean \"latex\"? (allowed: \"text\", \"md\", \"csv\" or \"latex\")");
    cr_assert_eq(table_format_parse("latex", &f, &e), 0);
    cr_assert_eq(f, TABLE_LATEX);
}
