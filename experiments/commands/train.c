/* train.c - `harness train`: turns an INI file into a GGUF, with a tokenizer, a checkpoint and a loss curve. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/atomic.h"
#include "engine/base/clock.h"
#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/kernels/kernels.h"
#include "engine/train/export.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/progress.h"
#include "experiments/training/train_data.h"
#include "experiments/training/train_state.h"

typedef struct {
    const char *config;
    text_list   sets;
    uint64_t    until;
    bool        dry_run, quiet;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"dry-run", 'n', NULL, &option_flag, OPTION_AT(options, dry_run), .help = "say what would be trained"},
    {"set", 's', "SECTION.KEY=VAL", &option_text, OPTION_AT(options, sets), .list = true,
     .help = "override a value, such as train.threads=4"},
    {"until", 0, "N", &option_count, OPTION_AT(options, until), OPTION_RANGE(1, INT32_MAX),
     .help = "stop after step N with a checkpoint; the schedule stays that of all steps"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(options, quiet), .help = "no progress"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"CONFIG.ini", .type = &option_path, OPTION_AT(options, config), .required = true},
};

/* The state of a training. */
typedef struct {
    train_config c;
    bpe         *vocabulary;
    tokenizer   *tok;
    trainer      t;
    train_data   data;
    lesson      *lessons; /* [n_lessons] */
    size_t       n_lessons;
    curve        v;
    char        *checkpoint, *curve, *vocabulary_path;
} training;

static volatile sig_atomic_t stop_asked;

static void on_stop(int sig) {
    atomic_end_at(sig); /* the second one ends the program */
    stop_asked = 1;
}

/* ---- before the first step --------------------------------------------------------------------------- */

static void describe(const train_config *c) {
    const net_shape *s = &c->trainer.shape;
    printf("%s: %zu layer%s, dim %zu, %zu head%s, ffn %zu, vocabulary %zu, context %zu: %zu parameters\n", c->name,
           s->layers, plural(s->layers), s->dim, s->heads, plural(s->heads), s->ffn, s->vocab, c->trainer.context,
           net_params(s));
    size_t steps = c->trainer.optimizer.adamw.steps;
    printf("%zu step%s of %zu record%s, seed %" PRIu64 "; written to %s as %s\n", steps, plural(steps), c->batch,
           plural(c->batch), c->seed, c->export_path, dtype_get(c->export_type)->name);
    for (size_t i = 0; i < c->n_sources; i++) {
        const train_source *x = &c->sources[i];
        printf("  %s: %s, share %g, from step %zu", x->name, x->scenario->name, x->share, x->from);
        if (x->until > 0) printf(" until %zu", x->until);
        printf("\n");
    }
}

static int train_vocabulary(training *x, err *e) {
    example r = {0};
    int     ret = (x->vocabulary = bpe_new(e)) != NULL ? 0 : -1;
    for (uint64_t i = 0; ret == 0 && i < x->c.vocabulary_records; i++) {
        ret = train_data_text(&x->c, i, &r, e);
        if (ret == 0) ret = bpe_add(x->vocabulary, r.prompt.at, r.prompt.n, e);
        if (ret == 0) ret = bpe_add(x->vocabulary, r.output.at, r.output.n, e);
    }
    example_free(&r);
    if (ret != 0) return -1;
    if (bpe_train(x->vocabulary, x->c.trainer.shape.vocab, e) != 0) return err_prefix(e, "%s: [tokenizer]", x->c.path);
    return export_vocabulary(x->vocabulary_path, x->c.name, x->vocabulary, e);
}

/* ERR_INPUT when the file exists and is not a GGUF. */
static int check_gguf_place(const char *path, err *e) {
    char   magic[4];
    size_t n;
    if (access(path, F_OK) != 0 && errno == ENOENT) return 0;
    if (file_begin(path, magic, sizeof magic, &n, e) != 0) return -1;
    if (n == 0 || (n == sizeof magic && memcmp(magic, "GGUF", sizeof magic) == 0)) return 0;
    return err_input(e, "%s: exists and is not a GGUF, but the training would replace it", path);
}

/* Checks before the first step that every output can be written, and that the training may replace it. */
static int check_places(const training *x, err *e) {
    const char *const paths[] = {x->checkpoint, x->curve, x->vocabulary_path, x->c.export_path};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (atomic_check(paths[i], e) != 0) return -1;
        for (size_t k = 0; k < i; k++) {
            int same = file_same_place(paths[i], paths[k], e);
            if (same > 0)
                err_input(e, "%s: leads to the same file as %s, which the training writes too", paths[i], paths[k]);
            if (same != 0) return -1;
        }
    }
    return checkpoint_check_place(x->checkpoint, &x->c, e) != 0 || curve_check_place(x->curve, e) != 0 ||
                   check_gguf_place(x->vocabulary_path, e) != 0 || check_gguf_place(x->c.export_path, e) != 0
               ? -1
               : 0;
}

/* Checks that all test records can be generated: they are the same at every validation. */
static int check_validation(training *x, err *e) {
    for (size_t i = 0; x->c.validate > 0 && i < x->c.n_sources; i++)
        if (train_data_test(&x->data, i, x->lessons, x->c.validation, e) != 0) return -1;
    atomic_store(&x->data.too_long, 0);
    return 0;
}

static int training_open(training *x, bool *resumed, err *e) {
    train_config *c = &x->c;
    size_t        n = c->batch > c->validation ? c->batch : c->validation;
    if (file_make_folder(c->output, e) != 0) return -1;
    if ((x->checkpoint = mem_printf(e, "%s/%s.checkpoint", c->output, c->name)) == NULL ||
        (x->curve = mem_printf(e, "%s/%s.h5", c->output, c->name)) == NULL ||
        (x->vocabulary_path = mem_printf(e, "%s/%s.vocab.gguf", c->output, c->name)) == NULL ||
        (x->lessons = mem_new(n, sizeof *x->lessons, e)) == NULL)
        return -1;
    x->n_lessons = n;
    if (check_places(x, e) != 0) return -1;
    if (train_vocabulary(x, e) != 0 || (x->tok = tokenizer_open(x->vocabulary_path, e)) == NULL ||
        digest_sha256_file(x->vocabulary_path, c->vocabulary, e) != 0)
        return -1;
    x->data.c = c;
    x->data.tok = x->tok;
    if (check_validation(x, e) != 0 || trainer_open(&c->trainer, c->seed, &x->t, e) != 0) return -1;
    int found = checkpoint_read(x->checkpoint, c, &x->t, &x->v, e);
    *resumed = found > 0;
    return found < 0 ? -1 : 0;
}

static void training_close(training *x) {
    for (size_t i = 0; i < x->n_lessons; i++) tokens_free(&x->lessons[i].ids);
    free(x->lessons);
    free(x->v.points);
    free(x->checkpoint);
    free(x->curve);
    free(x->vocabulary_path);
    trainer_close(&x->t);
    tokenizer_close(x->tok);
    bpe_free(x->vocabulary);
    train_config_free(&x->c);
}

/* ---- steps ------------------------------------------------------------------------------------------- */

/* The checkpoint, the curve and the model as it is. */
static int save(training *x, err *e) {
    export_options out = {x->c.name, x->c.trainer.context, x->c.export_type};
    if (checkpoint_write(x->checkpoint, &x->c, &x->t, &x->v, e) != 0) return -1;
    if (curve_write(x->curve, &x->c, &x->v, e) != 0) return -1;
    return export_gguf(x->c.export_path, &out, &x->c.trainer.shape, x->t.params, x->vocabulary, e);
}

static curve_point point_of(const trainer_report *r, uint64_t step, int64_t source) {
    double n = r->score.targets > 0 ? (double)r->score.targets : 1;
    return (curve_point){.step = step,
                         .tokens = r->tokens,
                         .targets = r->score.targets,
                         .source = source,
                         .loss = r->score.weight > 0 ? r->score.loss / r->score.weight : 0,
                         .accuracy = (double)r->score.correct / n,
                         .norm = source < 0 ? r->norm : (double)NAN,
                         .rate = source < 0 ? r->rate : (double)NAN};
}

static int validate(training *x, progress *bar, err *e) {
    for (size_t i = 0; i < x->c.n_sources; i++) {
        trainer_report r;
        if (train_data_test(&x->data, i, x->lessons, x->c.validation, e) != 0 ||
            trainer_score(&x->t, x->lessons, x->c.validation, &r, e) != 0 ||
            curve_add(&x->v, point_of(&r, x->t.step, (int64_t)i), e) != 0)
            return -1;
        const curve_point *p = &x->v.points[x->v.n - 1];
        progress_clear(bar);
        if (!bar->quiet)
            fprintf(stderr, "  step %zu, test records of %s: loss %.4f, accuracy %.2f%%\n", x->t.step,
                    x->c.sources[i].name, p->loss, 100 * p->accuracy);
    }
    return 0;
}

/* Sums over the steps since the last line of progress. */
typedef struct {
    uint64_t begun_ns;
    double   loss, correct, targets, tokens;
    size_t   steps;
} meter;

static void meter_add(meter *m, double loss, const trainer_report *r) {
    m->loss += loss;
    m->correct += (double)r->score.correct;
    m->targets += (double)r->score.targets;
    m->tokens += (double)r->tokens;
    m->steps++;
}

/* Writes the means of the steps since the last call. */
static void meter_read(meter *m, char *buf, size_t size) {
    uint64_t now = clock_ns();
    snprintf(buf, size, "loss %.4f, accuracy %.2f%%, %.0f tokens/s", m->loss / (double)m->steps,
             100 * m->correct / (m->targets > 0 ? m->targets : 1), m->tokens / ((double)(now - m->begun_ns) * 1e-9));
    *m = (meter){.begun_ns = now};
}

/* Called when records could not be generated: keeps the steps before them, which are sound. */
static int keep(training *x) {
    err e = {0};
    if (x->t.step > 0 && save(x, &e) != 0) fprintf(stderr, "harness: %s\n", e.text);
    return -1;
}

static int run_steps(training *x, const options *o, progress *bar, err *e) {
    size_t steps = x->c.trainer.optimizer.adamw.steps,
           until = o->until > 0 && o->until < steps ? (size_t)o->until : steps;
    meter m = {.begun_ns = clock_ns()};
    while (x->t.step < until && !stop_asked) {
        trainer_report r;
        size_t         step = x->t.step;
        if (train_data_batch(&x->data, step, x->lessons, e) != 0) return keep(x);
        if (trainer_step(&x->t, x->lessons, x->c.batch, &r, e) != 0 || curve_add(&x->v, point_of(&r, step, -1), e) != 0)
            return -1;
        meter_add(&m, x->v.points[x->v.n - 1].loss, &r);
        if (progress_due(bar)) meter_read(&m, bar->note, sizeof bar->note);
        progress_update(bar, 0, x->t.step);
        if (x->c.validate > 0 && x->t.step % x->c.validate == 0 && validate(x, bar, e) != 0) return -1;
        if (x->c.checkpoint > 0 && x->t.step % x->c.checkpoint == 0 && save(x, e) != 0) return -1;
    }
    if (m.steps > 0) meter_read(&m, bar->note, sizeof bar->note);
    progress_end(bar, 0, x->t.step);
    if (save(x, e) != 0) return -1;
    if (x->t.step == steps || !stop_asked) return 0;
    return err_stop(e, "stopped after step %zu of %zu; the same command goes on from %s", x->t.step, steps,
                    x->checkpoint);
}

static int train(training *x, const options *o, err *e) {
    if (kernels_get(e) == NULL) return -1; /* what changes their bits changes the weights, too */
    bool             resumed = false;
    struct sigaction act = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND}, old_int, old_term;
    stop_asked = 0;
    sigaction(SIGINT, &act, &old_int);
    sigaction(SIGTERM, &act, &old_term);
    int ret = training_open(x, &resumed, e);
    if (ret == 0) {
        if (resumed && !o->quiet) fprintf(stderr, "%s: going on after step %zu\n", x->c.name, x->t.step);
        progress bar;
        progress_begin(&bar, x->c.name, (progress_kind){0},
                       (progress_kind){"steps", x->c.trainer.optimizer.adamw.steps}, o->quiet);
        bar.first = x->t.step;
        ret = run_steps(x, o, &bar, e);
        progress_clear(&bar); /* a failed step leaves it on the screen */
    }
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    if (ret != 0) return -1;
    size_t replaced = atomic_load(&x->data.too_long);
    if (replaced > 0 && !o->quiet)
        fprintf(stderr, "%s: %zu record%s longer than the context and replaced by others\n", x->c.name, replaced,
                replaced == 1 ? " was" : "s were");
    printf("%s\n", x->c.export_path);
    return 0;
}

static int run(void *opts, err *e) {
    const options *o = opts;
    training       x = {0};
    if (train_config_read(o->config, o->sets.at, o->sets.n, &x.c, e) != 0) return -1;
    int ret = 0;
    if (o->dry_run)
        describe(&x.c);
    else
        ret = train(&x, o, e);
    training_close(&x);
    return ret;
}

const command command_train = {
    .name = "train",
    .help = "train a small model on scenarios: tokenizer, weights, loss curve",
    .about =
        "Trains a small Llama on records of the scenarios (harness dataset scenarios) and writes it as a GGUF, with "
        "every checkpoint. OUTPUT/NAME.checkpoint keeps what is done: a training that was stopped or killed goes on "
        "from there, to the same bits, when the same command is given again. OUTPUT/NAME.h5 is the loss curve. "
        "harness help train-config says what a config holds.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
