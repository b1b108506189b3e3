/* tokenize.c - `harness tokenize`: the ids of texts, and back.
 *
 * Decoding what was encoded with the same -0 gives the same bytes again, if they were UTF-8.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/quote.h"
#include "engine/tokenizer/tokenizer.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/tokenizer_report.h"

typedef struct {
    const char *model, *path;
    bool        many, bos, eos, special, pieces, decode;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model), .required = true,
     .help = "a GGUF with a tokenizer (a vocabulary will do), or \"bytes\""},
    {"null", '0', NULL, &option_flag, OPTION_AT(options, many),
     .help = "texts have a NUL between them, and ids are on a line for each text"},
    {"bos", 0, NULL, &option_flag, OPTION_AT(options, bos), .help = "begin with BOS"},
    {"eos", 0, NULL, &option_flag, OPTION_AT(options, eos), .help = "end with EOS"},
    {"special", 0, NULL, &option_flag, OPTION_AT(options, special),
     .help = "control tokens spelled out in the text become their ids"},
    {"pieces", 0, NULL, &option_flag, OPTION_AT(options, pieces),
     .help = "a line for each token: its id and its text, or [its name] if it has none"},
    {"decode", 0, NULL, &option_flag, OPTION_AT(options, decode), .help = "read ids and write their text"},
};
static const option_spec operands[] = {
    {"FILE", .type = &option_path, OPTION_AT(options, path), .preset = "-"},
};
/* clang-format on */

/* ---- encoding -------------------------------------------------------------------------------------- */

static int print_ids(const tokens *ids) {
    for (size_t i = 0; i < ids->n; i++)
        if (printf("%s%d", i > 0 ? " " : "", (int)ids->ids[i]) < 0) return -1;
    return putchar('\n') == EOF ? -1 : 0;
}

/* Returns 0, -1 with the error, or 1 when it could not be written. */
static int print_pieces(const tokenizer *t, const tokens *ids, err *e) {
    for (size_t i = 0; i < ids->n; i++) {
        gguf_str text = tokenizer_piece(t, ids->ids[i]), name = tokenizer_spelling(t, ids->ids[i]);
        size_t   room = 4 * (text.n + name.n) + 8;
        char    *quoted = mem_new(room, 1, e);
        if (quoted == NULL) return -1;
        int written;
        if (text.n > 0) {
            written = printf("%d %s\n", (int)ids->ids[i], quote(quoted, room, text.at, text.n));
        } else { /* without the quotes */
            quote(quoted, room, name.at, name.n);
            written = printf("%d [%.*s]\n", (int)ids->ids[i], (int)strlen(quoted) - 2, quoted + 1);
        }
        free(quoted);
        if (written < 0) return 1;
    }
    return 0;
}

static int check_ends(const tokenizer *t, const options *o, err *e) {
    if (o->bos && tokenizer_bos(t) < 0) return err_input(e, "--bos: the tokenizer of %s has no BOS", o->model);
    if (o->eos && tokenizer_eos(t) < 0) return err_input(e, "--eos: the tokenizer of %s has no EOS", o->model);
    return 0;
}

static int encode_text(const tokenizer *t, const options *o, const char *text, size_t n, tokens *ids, err *e) {
    ids->n = 0;
    if (o->bos && tokens_push(ids, tokenizer_bos(t), e) != 0) return -1;
    if (tokenizer_encode(t, text, n, o->special, ids, e) != 0) return err_prefix(e, "%s", o->path);
    if (o->eos && tokens_push(ids, tokenizer_eos(t), e) != 0) return -1;
    int status = o->pieces ? print_pieces(t, ids, e) : print_ids(ids);
    return status == 0 || (status < 0 && o->pieces) ? status : err_errno(e, "stdout", "cannot write");
}

static int encode_all(const tokenizer *t, const options *o, const char *text, size_t n, err *e) {
    tokens ids = {0};
    int    status = check_ends(t, o, e);
    for (size_t at = 0; status == 0;) {
        const char *end = o->many ? memchr(text + at, '\0', n - at) : NULL;
        size_t      length = end != NULL ? (size_t)(end - text) - at : n - at;
        status = encode_text(t, o, text + at, length, &ids, e);
        if (status != 0 || end == NULL) break;
        if (o->pieces) putchar('\n');
        at += length + 1;
    }
    tokens_free(&ids);
    return status;
}

/* ---- decoding -------------------------------------------------------------------------------------- */

static const char BLANKS[] = " \t\r\n\v\f";

/* Reads the ids before `end`, or before the line's end when a line is a text; returns where it stopped, or NULL. */
static const char *read_ids(const tokenizer *t, const options *o, const char *at, const char *end, size_t *line,
                            tokens *ids, err *e) {
    ids->n = 0;
    while (at < end) {
        if (*at == '\n') {
            ++*line;
            if (o->many) break;
        }
        if (*at != '\0' && strchr(BLANKS, *at) != NULL) {
            at++;
            continue;
        }
        size_t   n = strcspn(at, BLANKS); /* stops at a NUL, too */
        char     word[24], shown[40];
        uint64_t id;
        snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : 0, at);
        if (n == 0 || !count_parse(word, 0, tokenizer_vocab(t) - 1, &id)) {
            err_input(e, "%s:%zu: %s is not a token id (0 to %zu)", o->path, *line,
                      quote(shown, sizeof shown, at, n > 0 ? n : 1), tokenizer_vocab(t) - 1);
            return NULL;
        }
        if (tokens_push(ids, (int32_t)id, e) != 0) return NULL;
        at += n;
    }
    return at;
}

static int decode_all(const tokenizer *t, const options *o, const char *text, size_t n, err *e) {
    const char *at = text, *end = text + n;
    tokens      ids = {0};
    size_t      line = 1;
    int         status = 0;
    while (status == 0) {
        size_t length = 0;
        at = read_ids(t, o, at, end, &line, &ids, e);
        char *decoded = at != NULL ? tokenizer_decode(t, ids.ids, ids.n, &length, e) : NULL;
        if (decoded == NULL) status = -1;
        if (status == 0 && fwrite(decoded, 1, length, stdout) != length)
            status = err_errno(e, "stdout", "cannot write");
        free(decoded);
        if (status != 0 || end - at <= 1) break; /* what is left is the last line's end */
        putchar('\0');
        at++;
    }
    tokens_free(&ids);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------------- */

static int check(const options *o, err *e) {
    if (o->decode && (o->pieces || o->bos || o->eos || o->special))
        return err_input(e, "--decode goes with -m and -0 alone (not with --pieces, --bos, --eos or --special)");
    return 0;
}

static int run(void *opts, err *e) {
    options *o = opts;
    size_t   n;
    if (check(o, e) != 0) return -1;
    if (strcmp(o->path, "-") == 0) o->path = "/dev/stdin";
    tokenizer *t = tokenizer_open(o->model, e);
    if (t == NULL) return -1;
    tokenizer_report(t, o->model);
    char *text = file_read(o->path, SIZE_MAX - 1, &n, e);
    int   status = text == NULL ? -1 : (o->decode ? decode_all : encode_all)(t, o, text, n, e);
    free(text);
    tokenizer_close(t);
    return status;
}

const command command_tokenize = {
    .name = "tokenize",
    .help = "print the token ids of a text, or the text of ids",
    .about =
        "Prints the ids of a text (FILE, or standard input) on one line, with blanks between them. Neither BOS nor "
        "EOS is added, and control tokens that the text spells are text.",
    .notes =
        "With --decode the ids of all lines are one text, which is written as it is, without a line end. With -0 each "
        "line is one, and a NUL is written between them.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
