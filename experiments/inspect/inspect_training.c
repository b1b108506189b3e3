/* inspect_training.c - shows the HDF5 file of a training: its steps and its last validation. */
#include <stdio.h>
#include <string.h>

#include "experiments/inspect/inspect.h"
#include "experiments/training/train_state.h"

static void print_last(const curve_file *f) {
    const curve_row   *last = &f->steps[f->n_steps - 1];
    unsigned long long all = 0;
    for (size_t i = 0; i < f->n_steps; i++) all += f->steps[i].tokens;
    printf("tokens   %llu\nlast     step %u: loss %.4f nats, accuracy %.2f%%, lr %g\n", all, last->step, last->loss,
           100 * last->accuracy, last->rate);
}

/* The last validation of each source. */
static void print_validations(const curve_file *f) {
    uint32_t step = f->validations[f->n_validations - 1].step;
    printf("\nvalidation after %u steps\n    loss  accuracy  source\n", step);
    for (size_t i = 0; i < f->n_validations; i++) {
        const curve_row *v = &f->validations[i];
        if (v->step != step) continue;
        printf("%8.4f  %7.2f%%  ", v->loss, 100 * v->accuracy);
        inspect_text(v->source, strlen(v->source), "\\n", "\\t");
        putchar('\n');
    }
}

int inspect_training(const char *path, err *e) {
    curve_file f;
    if (curve_read(path, &f, e) != 0) return -1;
    printf("%s\nthe loss curve of the training ", path);
    inspect_text(f.name, strlen(f.name), "\\n", "\\t");
    printf(" (analysis/plot_training.py draws it)\nsteps    %zu\n", f.n_steps);
    if (f.n_steps > 0) print_last(&f);
    if (f.n_validations > 0) print_validations(&f);
    puts("\nconfig");
    inspect_lines(f.config);
    curve_file_free(&f);
    return 0;
}
