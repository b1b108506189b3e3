/* fuzz_results.c - an HDF5 file of any bytes, as results and as a training's curve. */
#include <stdlib.h>
#include <unistd.h>

#include "experiments/training/train_state.h"
#include "tests/fuzz/results.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    const char *path = fuzz_file(0, bytes, n);
    store_data  d;
    curve_file  c;
    int64_t     version;
    err         e = {0};
    if (store_version(path, &version, &e) != 0) fuzz_expect_error(&e);
    if (results_read_both(path, &d, &e) == 0) {
        fuzz_input choices = {bytes, n};
        results_use(&d, &choices);
        store_free(&d);
    } else {
        fuzz_expect_error(&e);
    }
    (void)curve_is_at(path);
    if (curve_read(path, &c, &e) == 0)
        curve_file_free(&c);
    else
        fuzz_expect_error(&e);
    return 0;
}
