/* tokenize.c - `harness tokenize`: the ids of texts, and back.
 *
 * Decoding what was encoded with the same -0 gives the same text again, except where the model's own tokenizer changes
 * it (normalization, blanks beside special tokens). What no token spells and what has no text is reported. Refused: a
 * text that is not UTF-8, as everywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/quote.h"
#include "engine/base/utf8.h"
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

/* What texts and ids go through, one after the other, and what did not come through. */
typedef struct {
    const tokenizer *t;
    const options   *o;
    tokens           ids;
    text_buffer      out;
    size_t           lost, line; /* bytes or ids that became nothing; where the first of them is */
    size_t           replaced;   /* tokens or bytes that stand for others */
} work;

static void lose(work *w, size_t line) {
    if (w->lost++ == 0) w->line = line;
}

/* ---- encoding -------------------------------------------------------------------------------------- */

static void put_ids(const tokens *ids, text_buffer *out) {
    for (size_t i = 0; i < ids->n; i++) text_add(out, "%s%d", i > 0 ? " " : "", (int)ids->ids[i]);
    text_add(out, "\n");
}

static int put_piece(const tokenizer *t, int32_t id, text_buffer *out, err *e) {
    gguf_str text = tokenizer_piece(t, id), shown = text.n > 0 ? text : tokenizer_spelling(t, id);
    size_t   room = 4 * shown.n + 8;
    char    *quoted = mem_new(room, 1, e);
    if (quoted == NULL) return -1;
    quote(quoted, room, shown.at, shown.n);
    if (text.n > 0)
        text_add(out, "%d %s\n", (int)id, quoted);
    else /* brackets in place of the quotes */
        text_add(out, "%d [%.*s]\n", (int)id, (int)strlen(quoted) - 2, quoted + 1);
    free(quoted);
    return 0;
}

static int encode_text(work *w, const char *text, size_t n, err *e) {
    const options *o = w->o;
    tokens        *ids = &w->ids;
    ids->n = 0;
    text_clear(&w->out);
    if (o->bos && tokens_push(ids, tokenizer_bos(w->t), e) != 0) return -1;
    if (tokenizer_encode(w->t, text, n, o->special, ids, e) != 0) return err_prefix(e, "%s", o->path);
    for (size_t i = o->bos; i < ids->n; i++) w->replaced += ids->ids[i] == tokenizer_unk(w->t);
    if (o->eos && tokens_push(ids, tokenizer_eos(w->t), e) != 0) return -1;
    if (!o->pieces) put_ids(ids, &w->out);
    for (size_t i = 0; o->pieces && i < ids->n; i++)
        if (put_piece(w->t, ids->ids[i], &w->out, e) != 0) return -1;
    return text_check(&w->out, e) == 0 ? command_write(w->out.at, w->out.n, e) : -1;
}

static int encode_all(work *w, const char *text, size_t n, err *e) {
    const options *o = w->o;
    size_t         line = 1;
    int            ret = utf8_check(o->path, text, n, e);
    for (size_t at = 0; ret == 0;) {
        const char *end = o->many ? memchr(text + at, '\0', n - at) : NULL;
        size_t      length = end != NULL ? (size_t)(end - text) - at : n - at;
        ret = encode_text(w, text + at, length, e);
        if (ret != 0 || end == NULL) break;
        if (o->pieces) ret = command_write("\n", 1, e);
        at += length + 1;
    }
    for (size_t i = 0; i < n; i++) {
        bool between = o->many && text[i] == '\0';
        if (!between && tokenizer_omits(w->t, text[i])) lose(w, line);
        line += text[i] == '\n';
    }
    return ret;
}

static void report_encoded(const work *w) {
    if (w->lost > 0)
        fprintf(stderr, "harness: %s: %zu byte%s left out, the first one on line %zu: no token spells it\n", w->o->path,
                w->lost, plural(w->lost), w->line);
    if (w->replaced > 0)
        fprintf(stderr, "harness: %s: %zu token%s unknown, in place of text that no token spells\n", w->o->path,
                w->replaced, w->replaced == 1 ? " is" : "s are");
}

/* ---- decoding -------------------------------------------------------------------------------------- */

static const char BLANKS[] = " \t\r\n\v\f";

/* Reads the ids before `end`, or before the line's end when a line is a text; returns where it stopped, or NULL. */
static const char *read_ids(work *w, const char *at, const char *end, size_t *line, err *e) {
    size_t last = tokenizer_vocab(w->t) - 1;
    w->ids.n = 0;
    while (at < end) {
        if (*at == '\n') {
            ++*line;
            if (w->o->many) break;
        }
        if (*at != '\0' && strchr(BLANKS, *at) != NULL) {
            at++;
            continue;
        }
        size_t   n = strcspn(at, BLANKS); /* stops at a NUL, too */
        char     word[24], shown[40];
        uint64_t id;
        snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : 0, at);
        if (n == 0 || !count_parse(word, 0, last, &id)) {
            err_input(e, "%s:%zu: %s is not a token id (0 to %zu)", w->o->path, *line,
                      quote(shown, sizeof shown, at, n > 0 ? n : 1), last);
            return NULL;
        }
        if (tokens_push(&w->ids, (int32_t)id, e) != 0) return NULL;
        if (tokenizer_piece(w->t, (int32_t)id).n == 0) lose(w, *line);
        at += n;
    }
    return at;
}

/* Counts the bytes of the ids that decoding replaces. */
static int count_replaced(work *w, err *e) {
    text_buffer *bytes = &w->out;
    text_clear(bytes);
    for (size_t i = 0; i < w->ids.n; i++) {
        gguf_str piece = tokenizer_piece(w->t, w->ids.ids[i]);
        text_put(bytes, piece.at, piece.n);
    }
    if (text_check(bytes, e) != 0) return -1;
    for (size_t at = 0, n; at<bytes->n; at += n> 0 ? n : 1) {
        n = utf8_length(bytes->at + at, bytes->n - at, NULL);
        w->replaced += n == 0;
    }
    return 0;
}

static int decode_all(work *w, const char *text, size_t n, err *e) {
    const char *at = text, *end = text + n;
    size_t      line = 1;
    for (;;) {
        size_t length = 0;
        if ((at = read_ids(w, at, end, &line, e)) == NULL || count_replaced(w, e) != 0) return -1;
        char *decoded = tokenizer_decode(w->t, w->ids.ids, w->ids.n, &length, e);
        int   ret = decoded != NULL ? command_write(decoded, length, e) : -1;
        free(decoded);
        if (ret != 0 || end - at <= 1) return ret; /* what is left is the last line's end */
        if (command_write("", 1, e) != 0) return -1;
        at++;
    }
}

static void report_decoded(const work *w) {
    if (w->lost > 0)
        fprintf(stderr, "harness: %s: %zu token%s left out, the first one on line %zu: it has no text\n", w->o->path,
                w->lost, plural(w->lost), w->line);
    if (w->replaced > 0)
        fprintf(stderr, "harness: %s: %zu byte%s not UTF-8 and became U+FFFD\n", w->o->path, w->replaced,
                w->replaced == 1 ? " is" : "s are");
}

/* ---- the command ----------------------------------------------------------------------------------- */

static int check(const options *o, err *e) {
    if (o->decode && (o->pieces || o->bos || o->eos || o->special))
        return err_input(e, "--decode goes with -m and -0 alone (not with --pieces, --bos, --eos or --special)");
    return 0;
}

static int check_ends(const tokenizer *t, const options *o, err *e) {
    if (o->bos && tokenizer_bos(t) < 0) return err_input(e, "--bos: the tokenizer of %s has no BOS", o->model);
    if (o->eos && tokenizer_eos(t) < 0) return err_input(e, "--eos: the tokenizer of %s has no EOS", o->model);
    return 0;
}

static int tokenize(const tokenizer *t, const options *o, err *e) {
    size_t n;
    char  *text = check_ends(t, o, e) == 0 ? file_read(o->path, SIZE_MAX - 1, &n, e) : NULL;
    work   w = {.t = t, .o = o};
    int    ret = text == NULL ? -1 : (o->decode ? decode_all : encode_all)(&w, text, n, e);
    if (ret == 0) (o->decode ? report_decoded : report_encoded)(&w);
    free(text);
    tokens_free(&w.ids);
    text_free(&w.out);
    return ret;
}

static int run(void *opts, err *e) {
    options *o = opts;
    if (check(o, e) != 0) return -1;
    if (strcmp(o->path, "-") == 0) o->path = "/dev/stdin";
    tokenizer *t = tokenizer_open(o->model, e);
    if (t == NULL) return -1;
    tokenizer_report(t, o->model);
    int ret = tokenize(t, o, e);
    tokenizer_close(t);
    return ret;
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
