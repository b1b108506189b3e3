/* inspect_gguf.c - shows a GGUF file: its metadata, its tensors, and whether the harness can run it. Text and
 * names from the file are escaped before they reach a terminal; long arrays and strings are cut. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/number.h"
#include "engine/base/quote.h"
#include "engine/model/model.h"
#include "experiments/inspect/inspect.h"

enum { SHOWN_ITEMS = 8, SHOWN_TEXT = 100, NAME_WIDTH = 44 };

/* Prints a name as it is, or in quotes when it needs escapes. Returns the number of columns. */
static int print_name(gguf_str name) {
    char   shown[300];
    size_t n = strlen(quote(shown, sizeof shown, name.at, name.n));
    if (n != name.n + 2) return printf("%s", shown);
    return printf("%.*s", (int)name.n, name.at);
}

static void print_padded_name(gguf_str name) {
    int used = print_name(name);
    printf("%*s  ", used < NAME_WIDTH ? NAME_WIDTH - used : 0, "");
}

/* ---- metadata ------------------------------------------------------------------------------------------ */

/* The fewest decimals that read back as the same f32. */
static void print_f32(float v) {
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    fputs(text, stdout);
}

/* Prints the string at p, its length before its bytes. Returns the number of bytes that they take. */
static size_t print_string(const char *p) {
    uint64_t n;
    char     shown[SHOWN_TEXT];
    memcpy(&n, p, sizeof n);
    quote(shown, sizeof shown, p + sizeof n, (size_t)n);
    fputs(shown, stdout);
    if (shown[strlen(shown) - 1] == '.') printf(" (%" PRIu64 " bytes)", n);
    return sizeof n + (size_t)n;
}

/* Prints one item at p, of any type except an array. Returns the number of bytes that it takes. */
static size_t print_item(gguf_type type, const char *p) {
    uint64_t u = 0;
    int64_t  s = 0;
    float    f;
    double   d;
    size_t   bytes = gguf_type_bytes(type);
    switch (type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64:
        memcpy(&u, p, bytes);
        printf("%" PRIu64, u);
        break;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        s = *(const signed char *)(p + bytes - 1) < 0 ? -1 : 0; /* extend the sign into the bytes above */
        memcpy(&s, p, bytes);
        printf("%" PRId64, s);
        break;
    case GGUF_F32:
        memcpy(&f, p, sizeof f);
        print_f32(f);
        break;
    case GGUF_F64:
        memcpy(&d, p, sizeof d);
        printf("%.*g", real_digits(d), d);
        break;
    case GGUF_BOOL:
        fputs(*p != 0 ? "true" : "false", stdout);
        break;
    case GGUF_STRING:
        return print_string(p);
    case GGUF_ARRAY:
        break;
    }
    return bytes;
}

static void print_value(const gguf_value *v) {
    char type[48];
    if (v->type != GGUF_ARRAY) {
        printf("%-14s ", gguf_type_name(v->type));
        print_item(v->type, v->data);
        putchar('\n');
        return;
    }
    snprintf(type, sizeof type, "%s[%" PRIu64 "]", gguf_type_name(v->item), v->count);
    printf("%-14s [", type);
    const char *p = v->data;
    for (uint64_t i = 0; i < v->count && i < SHOWN_ITEMS && v->item != GGUF_ARRAY; i++) {
        if (i > 0) fputs(", ", stdout);
        p += print_item(v->item, p);
    }
    if (v->item == GGUF_ARRAY && v->count > 0)
        fputs("...", stdout); /* arrays of arrays: no known key has one */
    else if (v->count > SHOWN_ITEMS)
        fputs(", ...", stdout);
    puts("]");
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

static void print_tensors(const gguf *g) {
    uint64_t parameters = 0;
    bool     overflow = false;
    bool     parts = gguf_part_count(g) > 1;
    if (gguf_tensor_count(g) == 0) return;
    printf("\n%-*s  %-8s %-20s %14s %14s%s\n", NAME_WIDTH, "tensor", "type", "shape", "bytes", "offset",
           parts ? "   part" : "");
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        char               shape[96], type[DTYPE_NAME_SIZE];
        uint64_t           elements = 1; /* cannot overflow: gguf_open has formed the same product */
        size_t             n = 0;
        for (uint32_t d = 0; d < t->n_dims; d++) {
            n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%" PRIu64, d > 0 ? " x " : "", t->shape[d]);
            elements *= t->shape[d];
        }
        overflow |= __builtin_add_overflow(parameters, elements, &parameters);
        print_padded_name(t->name);
        printf("%-8s %-20s ", dtype_gguf_name(t->gguf_type, type), shape);
        if (t->type >= 0)
            printf("%14zu", t->bytes);
        else
            printf("%14s", "-"); /* the size of an unknown type is unknown */
        printf(" %14zu", t->offset);
        if (parts) printf(" %6zu", t->part + 1);
        putchar('\n');
    }
    if (overflow)
        puts("\nparameters   more than 2^64");
    else
        printf("\nparameters   %" PRIu64 "\n", parameters);
}

/* ---- whether it can be run ------------------------------------------------------------------------------- */

/* Prints why the file cannot be run; -1 when the file is not the reason. */
static int print_refusal(const char *what, const char *path, err *why, err *e) {
    if (why->kind != ERR_INPUT) {
        *e = *why;
        return -1;
    }
    size_t n = strlen(path); /* the reason begins with the path, which was already shown */
    bool   named = strncmp(why->text, path, n) == 0 && strncmp(why->text + n, ": ", 2) == 0;
    printf("%-12s no: %s\n", what, named ? why->text + n + 2 : why->text);
    return 0;
}

static void print_stops(const tokenizer *t) {
    stops s = tokenizer_stops(t);
    printf("stops        ");
    for (size_t i = 0; i < s.n; i++) {
        char     shown[SHOWN_TEXT];
        gguf_str text = tokenizer_spelling(t, s.ids[i]);
        printf("%s%d %s", i > 0 ? ", " : "", (int)s.ids[i], quote(shown, sizeof shown, text.at, text.n));
    }
    puts(s.n > 0 ? "" : "none: no token ends a text");
}

/* The format that chat = auto takes. */
static int print_chat(const tokenizer *t, const char *path, err *e) {
    chat c;
    err  why = {0};
    if (chat_choose(&c, "auto", t, &why) != 0) return print_refusal("chat", path, &why, e);
    printf("chat         %s\n", c.format != NULL ? chat_name(&c) : "none: no chat template");
    chat_free(&c);
    return 0;
}

static void print_tokenizer(const tokenizer *t) {
    const char *pre = tokenizer_pre(t), *warning = tokenizer_warning(t);
    printf("tokenizer    yes: %s%s%s%s, %zu ids, sha256 %s\n", tokenizer_kind(t), pre != NULL ? " (" : "",
           pre != NULL ? pre : "", pre != NULL ? ")" : "", tokenizer_vocab(t), tokenizer_digest(t));
    if (tokenizer_missing_bytes(t) > 0)
        printf("             %zu of 256 bytes %s left out of texts\n", tokenizer_missing_bytes(t),
               tokenizer_missing_bytes(t) == 1 ? "has no token and is" : "have no token and are");
    if (tokenizer_adds_eos(t)) printf("             texts are to end with EOS, which is not added to prompts\n");
    print_stops(t);
    if (warning != NULL) printf("             doubtful: %s\n", warning);
}

/* What the layers compute beside a plain Llama's. */
static void print_arithmetic(const model *m) {
    static const char *const scalings[] = {"", ", scaled linearly", ", scaled by YaRN", ", LongRoPE"};
    const model_shape       *s = &m->shape;
    size_t                   windows = 0, unrotated = 0;
    for (size_t i = 0; i < s->n_layers; i++) {
        windows += m->layers[i].kind.window > 0;
        unrotated += m->layers[i].kind.rope == ROPE_NONE;
    }
    printf("             heads %zu wide, %zu rotated by base %g%s%s", s->head_dim, s->rope_dim, (double)s->rope_theta,
           s->rope_scale != 1 || s->scaling == SCALING_LONGROPE ? scalings[s->scaling] : "",
           m->rope_factors != NULL || m->rope_long != NULL ? ", with factors" : "");
    if (unrotated > 0) printf(", not in %zu layer%s", unrotated, plural(unrotated));
    putchar('\n');
    if (windows > 0)
        printf("             a window of %zu token%s in %zu layer%s", s->window, plural(s->window), windows,
               plural(windows));
    if (windows > 0 && s->local_theta > 0) printf(", rotated by base %g", (double)s->local_theta);
    if (windows > 0) putchar('\n');
    if (s->n_experts > 0) printf("             %zu of %zu experts for each token\n", s->n_used_experts, s->n_experts);
}

static int print_uses(const gguf *g, const char *path, err *e) {
    err        why = {0};
    tokenizer *t = tokenizer_from_gguf(g, &why);
    if (t != NULL) {
        print_tokenizer(t);
        int failed = print_chat(t, path, e);
        tokenizer_close(t);
        if (failed) return -1;
    } else if (print_refusal("tokenizer", path, &why, e) != 0) {
        return -1;
    }
    model *m = model_open(path, &why);
    if (m == NULL) return print_refusal("transformer", path, &why, e);
    const model_shape *s = &m->shape;
    printf("transformer  yes: %s, %zu layer%s, %zu wide, %zu head%s over %zu, context %zu\n", m->arch->name,
           s->n_layers, plural(s->n_layers), s->dim, s->n_heads, plural(s->n_heads), s->n_kv_heads, s->context);
    print_arithmetic(m);
    model_close(m);
    return 0;
}

int inspect_gguf(const char *path, err *e) {
    gguf *g = gguf_open(path, e);
    if (g == NULL) return -1;
    printf("%s: GGUF version %" PRIu32 ", %zu bytes, alignment %" PRIu32 ", %zu key%s, %zu tensor%s\n\n", path,
           gguf_version(g), gguf_size(g), gguf_alignment(g), gguf_value_count(g), plural(gguf_value_count(g)),
           gguf_tensor_count(g), plural(gguf_tensor_count(g)));
    for (size_t i = 0; gguf_part_count(g) > 1 && i < gguf_part_count(g); i++)
        printf("part %zu of %zu: %s, %zu bytes%s", i + 1, gguf_part_count(g), gguf_part_path(g, i),
               gguf_part_size(g, i), i + 1 < gguf_part_count(g) ? "\n" : "\n\n");
    for (size_t i = 0; i < gguf_value_count(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        print_padded_name(v->key);
        print_value(v);
    }
    print_tensors(g);
    if (gguf_tensor_count(g) == 0) putchar('\n');
    int result = print_uses(g, path, e);
    gguf_close(g);
    return result;
}
