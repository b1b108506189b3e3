/* Plans: the grid's size and order, the identity of cells, and what is refused before anything runs. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/sweep/plan.h"
#include "experiments/sweep/plan_print.h"
#include "experiments/sweep/provenance.h"
#include "tests/fixtures/scratch.h"
#include "tests/fixtures/tiny_model.h"

TestSuite(plan, .init = scratch_enter, .fini = scratch_leave);

static const char records[] = "{\"id\": \"1\", \"prompt\": \"ab\", \"references\": [\"abc\"], \"output\": \"abc\"}\n"
                              "{\"id\": \"2\", \"prompt\": \"cd\", \"references\": [\"cde\"], \"output\": \"cde\"}\n";
static const char llma_records[] =
    "{\"query\": \"q\", \"docs\": [\"a long document, longer than four tokens\"], \"result\": {\"text\": \"long\"}}\n";

static config made_from; /* of the last plan from `make` */

static int try_plan(const char *text, const char *set, const plan_options *o, plan *p, err *e) {
    static const plan_options plain = {0};
    scratch_write("c.ini", text);
    if (config_read("c.ini", &set, set != NULL, &made_from, e) != 0) return -1;
    int ret = plan_make(&made_from, o != NULL ? o : &plain, p, e);
    if (ret != 0) config_free(&made_from);
    return ret;
}

static void make(const char *text, const char *set, const plan_options *o, plan *p) {
    err e = {0};
    cr_assert_eq(try_plan(text, set, o, p, &e), 0, "%s", e.text);
}

static void done(plan *p) {
    plan_free(p);
    config_free(&made_from);
}

static void expect_refused(const char *text, const char *set, const char *what) {
    plan p;
    err  e = {0};
    cr_assert_eq(try_plan(text, set, NULL, &p, &e), -1, "taken, but not: %s", what);
    cr_assert_eq(e.kind, ERR_INPUT, "%s", e.text);
    cr_assert_not_null(strstr(e.text, what), "\"%s\" does not say \"%s\"", e.text, what);
}

#define SWEEP  "[sweep]\nname = s\noutput = o\n"
#define REPLAY "[model m]\ntarget = replay\ntokenizer = bytes\n"
#define DATA   "[dataset d]\npath = d.jsonl\nforced = yes\n"
#define LLMA   "[policy llma]\nn = 1\n"
#define GREEDY "[accept greedy]\n"

static int tiny_at(const char *path, uint64_t seed) {
    tiny_spec s = tiny_default();
    err       e = {0};
    s.seed = seed;
    return tiny_write(path, &s, &e);
}

Test(plan, lays_out_the_grid_in_order) {
    plan p;
    scratch_write("d.jsonl", records);
    make(SWEEP "[model a]\ntarget = replay\ntokenizer = bytes\nthreads = 2, 1\n"
               "[model b]\ntarget = replay\ntokenizer = bytes\n" DATA
               "[dataset e]\npath = d.jsonl\nforced = yes\nlimit = 1\n"
               "[policy pld]\nn = 3, 2\n[policy none]\n[policy llma]\nk = 5, 10\nn = 1, 2\n" GREEDY,
         NULL, NULL, &p);
    cr_assert_eq(p.n_models, 3);
    cr_assert_eq(p.n_datasets, 2);
    cr_assert_eq(p.n_toks, 1);    /* one tokenizer */
    cr_assert_eq(p.n_samples, 2); /* so each dataset is prepared once */
    cr_assert_eq(p.samples[0].set.n, 2);
    cr_assert_eq(p.samples[1].set.n, 1);
    cr_assert(p.models[0].spec.threads == 2 && p.models[1].spec.threads == 1 && p.models[2].spec.threads == 1);
    cr_assert_str_eq(p.models[2].cfg->label, "b");

    static const struct {
        const char *policy;
        int32_t     n, k;
    } group[] = {{"none", -1, -1}, {"pld", 3, 10}, {"pld", 2, 10}, {"llma", 1, 5},
                 {"llma", 1, 10},  {"llma", 2, 5}, {"llma", 2, 10}};
    cr_assert_eq(p.n_cells, 3 * 2 * 7);
    for (size_t i = 0; i < p.n_cells; i++) {
        const plan_cell *c = &p.cells[i];
        cr_assert_eq(c->model, i / 14);
        cr_assert_eq(c->dataset, i / 7 % 2);
        cr_assert_eq(c->samples, c->dataset);
        cr_assert_eq(c->baseline, i / 7 * 7);
        cr_assert_str_eq(c->policy->name, group[i % 7].policy, "cell %zu", i);
        cr_assert_eq(plan_cell_param(c, "n"), group[i % 7].n);
        cr_assert_eq(plan_cell_param(c, "k"), group[i % 7].k);
        cr_assert_str_eq(c->rule->name, "greedy");
        cr_assert_eq(strlen(c->id), 16);
        cr_assert_eq(strspn(c->id, "0123456789abcdef"), 16);
        for (size_t k = 0; k < i; k++) cr_assert_str_neq(p.cells[k].id, c->id);
    }
    cr_assert_str_eq(
        p.cells[3].params,
        "{\"policy\":{\"cross\":\"no\",\"cut\":768,\"fallback\":\"no\",\"k\":5,\"key\":\"output\",\"max_n\":5,"
        "\"memory\":\"none\",\"n\":1,\"sources\":\"references\",\"tie\":\"first\"},\"rule\":{}}");
    done(&p);
}

Test(plan, adds_the_baseline_that_no_section_asks_for) {
    plan with, without;
    scratch_write("d.jsonl", records);
    make(SWEEP REPLAY DATA LLMA GREEDY, NULL, NULL, &without);
    cr_assert_eq(without.n_cells, 2);
    cr_assert_str_eq(without.cells[0].policy->name, "none");
    char baseline[17], drafted[17];
    strcpy(baseline, without.cells[0].id);
    strcpy(drafted, without.cells[1].id);
    done(&without);

    make(SWEEP REPLAY DATA LLMA "[policy none]\n" GREEDY, NULL, NULL, &with);
    cr_assert_eq(with.n_cells, 2);
    cr_assert_str_eq(with.cells[0].id, baseline);
    cr_assert_str_eq(with.cells[1].id, drafted);
    done(&with);

    make(SWEEP REPLAY DATA "[policy none]\n" GREEDY, NULL, NULL, &with);
    cr_assert_eq(with.n_cells, 1);
    cr_assert_eq(with.cells[0].baseline, 0);
    done(&with);
}

/* ---- identity ----------------------------------------------------------------------------------------- */

typedef struct {
    char baseline[17], drafted[17];
} ids;

/* Ids of a grid of two cells; the drafting one is the last. */
static ids ids_of(const char *text, const char *set, const plan_options *o) {
    plan p;
    ids  out;
    make(text, set, o, &p);
    strcpy(out.baseline, p.cells[0].id);
    strcpy(out.drafted, p.cells[p.n_cells - 1].id);
    done(&p);
    return out;
}

typedef struct {
    ids    seen[64];
    size_t n;
} id_book;

/* Neither id was ever seen; for `same_baseline` the baseline's is the first one's. */
static void expect_new(id_book *b, ids now, bool same_baseline, const char *what) {
    for (size_t i = 0; i < b->n; i++) {
        cr_assert_str_neq(b->seen[i].drafted, now.drafted, "%s: same id", what);
        if (!same_baseline) cr_assert_str_neq(b->seen[i].baseline, now.baseline, "%s: same id", what);
    }
    if (same_baseline) cr_assert_str_eq(b->seen[0].baseline, now.baseline, "%s", what);
    cr_assert_lt(b->n, sizeof b->seen / sizeof *b->seen);
    b->seen[b->n++] = now;
}

static void expect_same(const id_book *b, ids now, const char *what) {
    cr_assert_str_eq(b->seen[0].drafted, now.drafted, "%s: another id", what);
    cr_assert_str_eq(b->seen[0].baseline, now.baseline, "%s: another id", what);
}

#define BASE SWEEP REPLAY "cost = cost.ini\n" DATA LLMA GREEDY

Test(plan, ids_change_with_every_input) {
    static const char *const everything[] = {
        "sweep.seed=2",      "sweep.repeats=2",   "sweep.paired=yes",
        "model m.threads=2", "dataset d.limit=1", "dataset d.max_new_tokens=7",
    };
    static const char *const policy_only[] = {"policy llma.n=2", "policy llma.k=5", "policy llma.max_n=6",
                                              "policy llma.cut=0"};
    id_book                  book = {0};
    scratch_write("d.jsonl", records);
    scratch_write("cost.ini", "[T]\n1 = 5\n");
    expect_new(&book, ids_of(BASE, NULL, NULL), false, "base");

    for (size_t i = 0; i < sizeof everything / sizeof *everything; i++)
        expect_new(&book, ids_of(BASE, everything[i], NULL), false, everything[i]);
    for (size_t i = 0; i < sizeof policy_only / sizeof *policy_only; i++)
        expect_new(&book, ids_of(BASE, policy_only[i], NULL), true, policy_only[i]);
    expect_new(&book, ids_of(SWEEP REPLAY DATA LLMA GREEDY, NULL, NULL), false, "no cost");
    expect_new(&book,
               ids_of(SWEEP "[model other]\ntarget = replay\ntokenizer = bytes\ncost = cost.ini\n" DATA LLMA GREEDY,
                      NULL, NULL),
               false, "model label");
    expect_new(
        &book,
        ids_of(SWEEP REPLAY "cost = cost.ini\n[dataset x]\npath = d.jsonl\nforced = yes\n" LLMA GREEDY, NULL, NULL),
        false, "dataset label");
    cr_assert_eq(tiny_at("t.gguf", 1), 0);
    expect_new(&book, ids_of(BASE, "model m.tokenizer=t.gguf", NULL), false, "tokenizer");

    scratch_write("cost.ini", "[T]\n1 = 6\n");
    expect_new(&book, ids_of(BASE, NULL, NULL), false, "cost file");
    scratch_write("cost.ini", "[T]\n1 = 5\n");
    char  changed[sizeof records];
    char *at = strcpy(changed, records);
    *strstr(at, "cde") = 'x';
    scratch_write("d.jsonl", changed);
    expect_new(&book, ids_of(BASE, NULL, NULL), false, "data file");
    scratch_write("d.jsonl", "{\"query\": \"a\", \"docs\": [\"c\"], \"result\": {\"text\": \"b\"}}\n");
    expect_new(&book, ids_of(BASE, NULL, NULL), false, "format");
    expect_new(&book, ids_of(BASE, "dataset d.append_docs=1", NULL), false, "append_docs");
}

Test(plan, ids_do_not_change_with_what_does_not_matter) {
    static const char *const sets[] = {"sweep.name=other",          "sweep.output=elsewhere", "dataset d.format=native",
                                       "dataset d.path=copy.jsonl", "policy llma.k=20",       "sweep.seed=1",
                                       "dataset d.doc_tokens=5",    "dataset d.limit=100"};
    plan_options             skip = {.skip_bad = true};
    id_book                  book = {0};
    scratch_write("d.jsonl", records);
    scratch_write("copy.jsonl", records);
    scratch_write("cost.ini", "[T]\n1 = 5\n");
    expect_new(&book, ids_of(BASE, NULL, NULL), false, "base");
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) expect_same(&book, ids_of(BASE, sets[i], NULL), sets[i]);
    expect_same(&book, ids_of(BASE, NULL, &skip), "skip_bad, and nothing was bad");
    expect_same(&book, ids_of("; comment\n" BASE, NULL, NULL), "comment");
    expect_same(&book,
                ids_of(SWEEP REPLAY "cost = cost.ini\n" DATA "[policy pld]\n[policy llma label]\n" GREEDY, NULL, NULL),
                "other cells, a label");
}

/* ---- parameters of every type ------------------------------------------------------------------------- */

static const char *const sides[] = {"left", "right", NULL};
static const param_spec  typed_params[] = {
     PARAM_CHOICE("side", sides, 0, "which one"),
     PARAM_FILE("store", "what is copied from"),
};
static const policy_ops typed = {
    .name = "typed", .source = "engine/policies/llma.c", .params = typed_params, .n_params = 2};

/* The ids of a grid whose policy has those parameters; `params` is what the last cell records of them. */
static ids typed_ids(const char *side, const char *path, char params[256]) {
    config       c;
    plan         p;
    param_values v;
    err          e = {0};
    plan_options o = {0};
    scratch_write("c.ini", SWEEP REPLAY DATA "[policy none]\n" GREEDY);
    cr_assert_eq(config_read("c.ini", NULL, 0, &c, &e), 0, "%s", e.text);
    param_presets(typed_params, 2, &v);
    cr_assert_eq(param_parse(&typed_params[0], side, &v.at[0], &e), 0, "%s", e.text);
    cr_assert_eq(param_parse(&typed_params[1], path, &v.at[1], &e), 0, "%s", e.text);
    c.policies[0].ops = &typed;
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(mem_reserve(&c.policies[0].values[i].at, &c.policies[0].values[i].cap, 1, &e), 0);
        c.policies[0].values[i].at[0] = v.at[i];
        c.policies[0].values[i].n = 1;
    }
    cr_assert_eq(plan_make(&c, &o, &p, &e), 0, "%s", e.text);
    cr_assert_eq(p.n_cells, 2);
    ids out;
    strcpy(out.baseline, p.cells[0].id);
    strcpy(out.drafted, p.cells[1].id);
    snprintf(params, 256, "%s", p.cells[1].params);
    plan_free(&p);
    config_free(&c);
    return out;
}

Test(plan, ids_change_with_a_file_and_not_with_its_path) {
    char    params[256], again[256], hex[DIGEST_HEX], want[256];
    err     e = {0};
    id_book book = {0};
    scratch_write("d.jsonl", records);
    scratch_write("a.bin", "one");
    scratch_write("far/b.bin", "one");
    scratch_write("c.bin", "two");
    expect_new(&book, typed_ids("left", "a.bin", params), false, "base");
    cr_assert_eq(digest_sha256("one", 3, hex, &e), 0);
    snprintf(want, sizeof want, "{\"policy\":{\"side\":\"left\",\"store\":\"sha256:%s\"},\"rule\":{}}", hex);
    cr_assert_str_eq(params, want);
    expect_same(&book, typed_ids("left", "far/b.bin", again), "another path");
    cr_assert_str_eq(again, params);
    expect_new(&book, typed_ids("left", "c.bin", again), true, "another content");
    expect_new(&book, typed_ids("right", "a.bin", again), true, "another choice");
    scratch_write("a.bin", "three");
    expect_new(&book, typed_ids("left", "a.bin", again), true, "the same file, rewritten");
}

#define CHAIN(stages) SWEEP REPLAY DATA "[policy chain]\nstages = " stages "\n" GREEDY

Test(plan, ids_change_with_what_stages_mean) {
    static const char *const others[] = {CHAIN("hf > pld"), CHAIN("pld n=2 > hf"), CHAIN("pld > hf at_least=2"),
                                         CHAIN("pld"), CHAIN("pld > hf > none")};
    id_book                  book = {0};
    scratch_write("d.jsonl", records);
    expect_new(&book, ids_of(CHAIN("pld > hf"), NULL, NULL), false, "base");
    expect_same(&book, ids_of(CHAIN("pld  n=3 >hf at_least=1"), NULL, NULL), "the same in other words");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_new(&book, ids_of(others[i], NULL, NULL), true, others[i]);
}

/* Of the stages as well: else a change of one would not make its cell new. */
Test(plan, a_build_has_the_sources_of_all_stages) {
    plan p;
    char build[2][17];
    scratch_write("d.jsonl", records);
    for (size_t i = 0; i < 2; i++) {
        make(i == 0 ? CHAIN("pld > hf") : CHAIN("pld > llma"), NULL, NULL, &p);
        strcpy(build[i], p.cells[p.n_cells - 1].build);
        done(&p);
    }
    cr_assert_str_neq(build[0], build[1]);
}

/* ---- tokenizers and transformers ---------------------------------------------------------------------- */

#define TWO_TOKENIZERS SWEEP REPLAY "[model t]\ntarget = replay\ntokenizer = t.gguf\n"

Test(plan, each_tokenizer_sees_the_data_its_own_way) {
    plan p;
    cr_assert_eq(tiny_at("t.gguf", 1), 0);
    scratch_write("d.jsonl", records);
    make(TWO_TOKENIZERS DATA LLMA GREEDY, NULL, NULL, &p);
    cr_assert_eq(p.n_datasets, 1); /* plain text: read once */
    cr_assert_eq(p.n_samples, 2);
    cr_assert_eq(p.samples[1].model, 1);
    cr_assert_eq(p.samples[0].set.at[0].prompt.ids[p.samples[0].set.at[0].prompt.n - 1], 'b');
    cr_assert_eq(p.cells[2].samples, 1);
    done(&p);

    /* llma's prompts are cut by tokens, so each tokenizer has its own. */
    scratch_write("d.jsonl", llma_records);
    make(TWO_TOKENIZERS DATA "append_docs = yes\ndoc_tokens = 4\n" LLMA GREEDY, NULL, NULL, &p);
    cr_assert_eq(p.n_datasets, 2);
    cr_assert_eq(p.n_samples, 2);
    cr_assert_eq(p.cells[2].dataset, 1);
    cr_assert_str_neq(p.datasets[0].data.records[0].prompt.text, p.datasets[1].data.records[0].prompt.text);
    done(&p);
    make(TWO_TOKENIZERS DATA "append_docs = yes\ndoc_tokens = 0\n" LLMA GREEDY, NULL, NULL, &p);
    cr_assert_eq(p.n_datasets, 1); /* nothing is cut */
    done(&p);

    /* Equal tokenizers in different files are one. */
    cr_assert_eq(tiny_at("u.gguf", 2), 0);
    make(TWO_TOKENIZERS DATA "append_docs = yes\n" LLMA GREEDY, "model m.tokenizer=u.gguf", NULL, &p);
    cr_assert_eq(p.n_toks, 2);
    cr_assert_eq(p.n_datasets, 1);
    cr_assert_eq(p.n_samples, 1);
    done(&p);
}

#define FREE     "[dataset d]\npath = d.jsonl\n"
#define WEIGHTED SWEEP "[model m]\ntarget = transformer\npath = w.gguf\n"

Test(plan, transformers_share_their_file) {
    plan p;
    char hex[DIGEST_HEX];
    err  e = {0};
    cr_assert_eq(tiny_at("w.gguf", 1), 0);
    scratch_write("d.jsonl", records);
    make(WEIGHTED "threads = 1, 2\n[model short]\ntarget = transformer\npath = w.gguf\ncontext = 64\n" FREE LLMA GREEDY,
         NULL, NULL, &p);
    cr_assert_eq(p.n_models, 3);
    cr_assert_eq(p.n_weights, 1);
    cr_assert_eq(p.n_toks, 0);
    cr_assert_eq(digest_sha256_file("w.gguf", hex, &e), 0);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(p.models[i].spec.weights, p.weights[0]);
        cr_assert_str_eq(p.models[i].sha256, hex);
    }
    cr_assert_eq(p.models[1].spec.context, tiny_default().context);
    cr_assert_eq(p.models[2].spec.context, 64);
    cr_assert_eq(p.n_samples, 2); /* one for each context */
    done(&p);
    expect_refused(WEIGHTED "context = 257\n" FREE LLMA GREEDY, NULL, "c.ini:7: [model m] context = 257");
    expect_refused(WEIGHTED "context = 3\n" FREE LLMA GREEDY, NULL, "d.jsonl:1:"); /* no prompt fits */
}

Test(plan, rules_with_temperature_are_swept_on_transformers_only) {
    plan    p;
    id_book book = {0};
    cr_assert_eq(tiny_at("w.gguf", 1), 0);
    scratch_write("d.jsonl", records);
    const char *text = WEIGHTED FREE LLMA "[accept coupled]\ntemperature = 1, 0.7, 0.25\n";
    make(text, NULL, NULL, &p);
    cr_assert_eq(p.n_cells, 6);
    for (size_t i = 0; i < 6; i++) cr_assert_eq(p.cells[i].baseline, i / 2 * 2);
    cr_assert_str_eq(p.cells[0].params,
                     "{\"policy\":{},\"rule\":{\"min_p\":0.0,\"temperature\":1.0,\"top_k\":0,\"top_p\":1.0}}");
    cr_assert_str_eq(p.cells[2].params,
                     "{\"policy\":{},\"rule\":{\"min_p\":0.0,\"temperature\":0.7,\"top_k\":0,\"top_p\":1.0}}");
    cr_assert_str_eq(p.cells[4].params,
                     "{\"policy\":{},\"rule\":{\"min_p\":0.0,\"temperature\":0.25,\"top_k\":0,\"top_p\":1.0}}");
    done(&p);

    const char *one = WEIGHTED FREE LLMA "[accept coupled]\ntemperature = 0.7\n";
    expect_new(&book, ids_of(one, NULL, NULL), false, "base");
    expect_new(&book, ids_of(one, "accept coupled.temperature=0.70000000000000007", NULL), false, "temperature");
    expect_new(&book, ids_of(one, "model m.context=100", NULL), false, "context");
    expect_new(&book, ids_of(WEIGHTED FREE LLMA "[accept rejection]\ntemperature = 0.7\n", NULL, NULL), false, "rule");
    expect_new(&book, ids_of(WEIGHTED FREE LLMA GREEDY, NULL, NULL), false, "greedy");
    expect_new(&book, ids_of(WEIGHTED DATA LLMA GREEDY, NULL, NULL), false, "forced");
    expect_same(&book, ids_of(one, "accept coupled.temperature=7e-1", NULL), "a spelling");
    cr_assert_eq(tiny_at("w.gguf", 2), 0);
    expect_new(&book, ids_of(one, NULL, NULL), false, "weights");

    expect_refused(WEIGHTED DATA LLMA "[accept coupled]\n", NULL, "c.ini:12: [accept coupled]");
}

/* ---- refusals ----------------------------------------------------------------------------------------- */

Test(plan, refuses_bad_files_before_anything_runs) {
    scratch_write("d.jsonl", records);
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, "dataset d.path=absent.jsonl", "absent.jsonl");
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, "model m.tokenizer=absent.gguf",
                   "--set \"model m.tokenizer=absent.gguf\": absent.gguf: cannot open");
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, "model m.tokenizer=d.jsonl", "d.jsonl");
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, "model m.cost=absent.ini",
                   "--set \"model m.cost=absent.ini\": absent.ini: cannot open");
    scratch_write("cost.ini", "[T]\n1 = 0\n");
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, "model m.cost=cost.ini", "cost.ini:2:");
    expect_refused(WEIGHTED FREE LLMA GREEDY, NULL, "c.ini:6: w.gguf");
    scratch_write("d.jsonl", "{\"id\": \"1\", \"prompt\": \"ab\"}\n");
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, NULL, "c.ini:8: d.jsonl:1:"); /* nothing to follow */
    scratch_write("d.jsonl", "\n");
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, NULL, "c.ini:8: d.jsonl: the file is empty");
}

static void count_line(void *ctx, const err *why) {
    cr_assert_not_null(strstr(why->text, "d.jsonl:2:"), "%s", why->text);
    ++*(size_t *)ctx;
}

Test(plan, reports_each_skipped_line_once) {
    plan         p;
    size_t       lines = 0;
    plan_options o = {.skip_bad = true, .report = count_line, .ctx = &lines};
    char         text[512];
    cr_assert_eq(tiny_at("t.gguf", 1), 0);
    snprintf(text, sizeof text, "{\"query\": \"a\", \"docs\": [], \"result\": {\"text\": \"b\"}}\nnot json\n");
    scratch_write("d.jsonl", text);
    expect_refused(SWEEP REPLAY DATA LLMA GREEDY, NULL, "d.jsonl:2:");
    make(TWO_TOKENIZERS DATA "append_docs = yes\n" LLMA GREEDY, NULL, &o, &p);
    cr_assert_eq(p.n_datasets, 2);
    cr_assert_eq(p.datasets[1].data.bad, 1);
    cr_assert_eq(lines, 1);
    done(&p);
}

/* "key = 1, 2, ... n" over as many lines as it takes. */
static void append_range(char *text, const char *key, int n) {
    sprintf(text + strlen(text), "%s =", key);
    for (int i = 1; i <= n; i++) sprintf(text + strlen(text), i % 30 == 0 ? " %d,\n " : " %d,", i);
    sprintf(text + strlen(text), "\n %d\n", n + 1);
}

Test(plan, refuses_a_grid_beyond_all_measure) {
    static char text[16384];
    scratch_write("d.jsonl", records);
    strcpy(text, SWEEP REPLAY DATA GREEDY "[policy llma]\n");
    append_range(text, "n", 63);
    append_range(text, "max_n", 63);
    append_range(text, "k", 299);
    append_range(text, "cut", 999);
    expect_refused(text, NULL, "c.ini: the grid has too many cells (at most 1000000)");
}

/* ---- printing, provenance, memory --------------------------------------------------------------------- */

Test(plan, prints_every_cell_and_the_totals) {
    plan   p;
    char  *text = NULL;
    size_t n = 0;
    scratch_write("d.jsonl", records);
    make(SWEEP "repeats = 3\n" REPLAY DATA LLMA GREEDY, NULL, NULL, &p);
    FILE *out = open_memstream(&text, &n);
    cr_assert_not_null(out);
    err                  e = {0};
    const runner_options whole = {.jobs = 1};
    cr_assert_eq(plan_print(&p, "nowhere", &whole, out, &e), 0, "%s", e.text);
    fclose(out);
    for (size_t i = 0; i < p.n_cells; i++) cr_assert_not_null(strstr(text, p.cells[i].id));
    cr_assert_not_null(strstr(text, "model m (replay, 1 thread), dataset d (2 samples, forced), accept greedy\n"), "%s",
                       text);
    cr_assert_not_null(strstr(text,
                              "6         0  llma n=1 k=20 max_n=5 cut=768 key=output sources=references tie=first "
                              "fallback=no cross=no memory=none\n"),
                       "%s", text);
    cr_assert_not_null(strstr(text, "\n2 cells, 12 trials, "), "%s", text);
    free(text);
    done(&p);
}

Test(plan, survives_every_failed_allocation) {
    const char *text = SWEEP REPLAY "cost = cost.ini\n" DATA LLMA GREEDY;
    plan                                                          p;
    err                                                           e = {0};
    scratch_write("d.jsonl", records);
    scratch_write("cost.ini", "[T]\n1 = 5\n");
    scratch_write("c.ini", text);
    cr_assert_eq(config_read("c.ini", NULL, 0, &made_from, &e), 0, "%s", e.text);
    for (size_t k = 1;; k++) {
        static const plan_options o = {0};
        mem_fail_at(k);
        int ret = plan_make(&made_from, &o, &p, &e);
        mem_fail_at(0);
        if (ret == 0) {
            cr_assert_gt(k, 30);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
    }
    done(&p);
}

Test(provenance, describes_this_process) {
    process_row p, q;
    err         e = {0};
    cr_assert_eq(provenance_process(&p, &e), 0, "%s", e.text);
    cr_assert_str_eq(p.harness_version, HARNESS_VERSION);
    cr_assert_eq(strlen(p.started), strlen("2000-01-01T00:00:00Z"));
    cr_assert_eq(p.started[10], 'T');
    cr_assert(p.git_commit[0] && p.cpu[0] && p.isa[0] && p.compiler[0] && p.flags[0]);
    cr_assert(p.governor[0] && p.load[0] && strspn(p.load, "0123456789.") == strlen(p.load), "%s %s", p.governor,
              p.load);
    cr_assert_null(strpbrk(p.cpu, "\n\t"));
    cr_assert_eq(strspn(p.id, "0123456789abcdef"), 16);
    cr_assert_eq(provenance_process(&q, &e), 0, "%s", e.text);
    cr_assert_str_eq(p.id, q.id);
    int status = -1, pipes[2];
    cr_assert_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) _exit(provenance_process(&q, &e) == 0 && write(pipes[1], q.id, 16) == 16 ? 0 : 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    char other[17] = {0};
    cr_assert_eq(read(pipes[0], other, 16), 16);
    cr_assert_str_neq(p.id, other, "a fork is another process");
    process_free(&p);
    process_free(&q);

    for (size_t k = 1; k <= 8; k++) { /* no half-filled plan is left */
        mem_fail_at(k);
        cr_assert_eq(provenance_process(&p, &e), -1);
        mem_fail_at(0);
        cr_assert_null(p.id);
        cr_assert_null(p.flags);
    }
}

/* Same file, same digest: only controls.c holds more than one. */
static void check_sources(const char *const *files, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        cr_assert_not_null(files[i], "%s has no .source", names[i]);
        const char *digest = provenance_source(files[i]);
        cr_assert_not_null(digest, "%s: %s is unknown", names[i], files[i]);
        cr_assert_eq(strspn(digest, "0123456789abcdef"), 16);
        cr_assert_eq(strlen(digest), 16);
        cr_assert_str_neq(digest, provenance_source("engine"));
        for (size_t k = 0; k < i; k++)
            cr_assert_eq(strcmp(files[i], files[k]) == 0, strcmp(digest, provenance_source(files[k])) == 0, "%s and %s",
                         names[i], names[k]);
    }
}

Test(provenance, knows_the_source_of_every_policy_rule_and_target) {
    enum { MOST = 100 };
    const char *files[MOST], *names[MOST];
    size_t      n = 0;
    cr_assert_leq(policy_registry.n + rule_registry.n + target_registry.n, MOST);
    for (size_t i = 0; i < policy_registry.n; i++, n++)
        files[n] = ((const policy_ops *)policy_registry.at[i])->source,
        names[n] = ((const policy_ops *)policy_registry.at[i])->name;
    for (size_t i = 0; i < rule_registry.n; i++, n++)
        files[n] = ((const rule_ops *)rule_registry.at[i])->source,
        names[n] = ((const rule_ops *)rule_registry.at[i])->name;
    for (size_t i = 0; i < target_registry.n; i++, n++)
        files[n] = ((const target_ops *)target_registry.at[i])->source,
        names[n] = ((const target_ops *)target_registry.at[i])->name;
    check_sources(files, names, n);
    cr_assert_eq(strlen(provenance_source("engine")), 16);
    cr_assert_null(provenance_source("engine/policies/policy.c")); /* all policies' */
    cr_assert_null(provenance_source(""));
}
