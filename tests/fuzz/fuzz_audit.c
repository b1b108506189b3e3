/* fuzz_audit.c - `harness audit` on two files of outputs, with and without a model.
 *
 * A byte of options, then plain's file up to a NUL, then the other one.
 */
#include "experiments/commands/commands.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/fuzz/fuzz.h"

static const char *model_path(void) {
    static char path[64];
    err         e;
    if (path[0] != '\0') return path;
    snprintf(path, sizeof path, "%s/m.gguf", fuzz_folder());
    tiny_spec s = tiny_default();
    s.layers = 1;
    s.dim = s.ffn = 32;
    s.heads = s.kv_heads = 2;
    s.context = 64;
    FUZZ_EXPECT(tiny_write(path, &s, &e) == 0);
    return path;
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    fuzz_input in = {bytes, n};
    unsigned   flags = fuzz_byte(&in);
    fuzz_input plain = fuzz_until(&in, '\0');
    char *argv[12] = {"audit", "-q", "-a", (char *)fuzz_file(0, plain.at, plain.n), (char *)fuzz_file(1, in.at, in.n)};
    int   argc = 5;
    err   e = {0};
    if (flags & 1) {
        argv[argc++] = "-m";
        argv[argc++] = (char *)model_path();
    }
    if (flags & 2) argv[argc++] = "--skip-bad";
    if (flags & 4) argv[argc++] = "--as-turn";
    if (flags & 8) argv[argc++] = "-fcsv";
    if (command_run(&command_audit, argc, argv, &e) != 0 && e.kind != ERR_RUN) fuzz_expect_error(&e);
    return 0;
}
