/* tokenizer_gguf.c - reads a vocabulary from GGUF metadata and checks all of it.
 *
 * Refused: other tokenizer models and pre-tokenizers by name, arrays of different lengths, ids out of range, and a
 * vocabulary that cannot spell every text, or ASCII at least; besides, what tokenizer_pieces.c and tokenizer_merges.c
 * refuse.
 *
 * After it: every slot's id is valid and at least half of the slots are free; unless bytes are spelled in letters, each
 * byte has a piece, or there is an unknown piece.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/tokenizer/nfc.h"
#include "engine/tokenizer/tokenizer_impl.h"

enum { QUOTED = 60 }; /* bytes of a name in a message */

/* What tokenizer.ggml.model may be. */
static const struct {
    const char *model, *kind;
    const char *pre; /* its only pre-tokenizer */
} models[] = {
    {"llama", "spm", NULL},
    {"gpt2", "bpe", NULL},
    {"gemma4", "bpe", "gemma4"},
};

enum { SPM, N_MODELS = sizeof models / sizeof *models };

int tokenizer_read_id(const gguf *g, const char *key, size_t vocab, int32_t *id, err *e) {
    uint32_t v;
    if (gguf_u32_or(g, key, UINT32_MAX, &v, e) != 0) return -1;
    if (v != UINT32_MAX && v >= vocab)
        return err_input(e, "%s: %s is %u (0 to %zu)", gguf_path(g), key, (unsigned)v, vocab - 1);
    *id = v == UINT32_MAX ? -1 : (int32_t)v;
    return 0;
}

/* A special id, or SentencePiece's own where it has no key, unless the piece there is ordinary text. */
static int read_special_id(const tokenizer *t, const gguf *g, const char *key, int32_t preset, int32_t *id, err *e) {
    if (t->pre != NULL || gguf_find(g, key) != NULL || (size_t)preset >= t->vocab)
        return tokenizer_read_id(g, key, t->vocab, id, e);
    piece_type type = t->pieces[preset].type;
    *id = type == PIECE_CONTROL || type == PIECE_USER || type == PIECE_UNKNOWN ? preset : -1;
    return 0;
}

static int read_special_ids(tokenizer *t, const gguf *g, err *e) {
    if (read_special_id(t, g, "tokenizer.ggml.bos_token_id", 1, &t->bos, e) != 0) return -1;
    if (read_special_id(t, g, "tokenizer.ggml.eos_token_id", 2, &t->eos, e) != 0) return -1;
    if (read_special_id(t, g, "tokenizer.ggml.unknown_token_id", 0, &t->unk, e) != 0) return -1;
    if (t->pre != NULL && t->unk >= 0 && t->pieces[t->unk].type == PIECE_CONTROL) t->unk = -1; /* not from text */
    for (size_t i = 0; i < t->vocab && t->unk < 0; i++)
        if (t->pieces[i].type == PIECE_UNKNOWN) t->unk = (int32_t)i;
    return 0;
}

/* RAW vocabularies need BOS: Gemma 4's first files said otherwise by mistake, so that llama.cpp does not ask either. */
static int read_adds(tokenizer *t, const gguf *g, err *e) {
    const char *add_bos = "tokenizer.ggml.add_bos_token", *add_eos = "tokenizer.ggml.add_eos_token";
    bool        preset = t->pre == NULL ? t->bos >= 0 : pretokenizer_is(t->pre, PRETOKENIZER_ADD_BOS);
    if (gguf_bool_or(g, add_bos, preset, &t->adds_bos, e) != 0 || gguf_bool_or(g, add_eos, false, &t->adds_eos, e) != 0)
        return -1;
    if (t->pre != NULL && pretokenizer_is(t->pre, PRETOKENIZER_RAW)) t->adds_bos = true;
    if (t->adds_bos && t->bos < 0 && gguf_find(g, add_bos) != NULL)
        return err_input(e, "%s: %s is true, but there is no tokenizer.ggml.bos_token_id", gguf_path(g), add_bos);
    if (t->adds_bos && t->bos < 0)
        return err_input(e, "%s: there is no tokenizer.ggml.bos_token_id, and pre-tokenizer %s begins with BOS",
                         gguf_path(g), pretokenizer_name(t->pre));
    if (t->adds_eos && t->eos < 0)
        return err_input(e, "%s: %s is true, but there is no tokenizer.ggml.eos_token_id", gguf_path(g), add_eos);
    t->adds_prefix = false;
    return t->pre != NULL ? 0 : gguf_bool_or(g, "tokenizer.ggml.add_space_prefix", true, &t->adds_prefix, e);
}

/* A vocabulary of letters may lack some bytes, which its training data did not have: they are left out of a text. */
static int check_fallback(const tokenizer *t, const gguf *g, err *e) {
    bool   marked = t->spelling == SPELLING_MARKED;
    size_t n = 0, needed = 0;
    for (size_t i = 0; i < 256; i++) {
        bool is_needed = marked || i == '\n' || (i >= ' ' && i <= '~');
        needed += is_needed;
        n += is_needed && t->byte_ids[i] >= 0;
    }
    if (n == needed || t->unk >= 0) return 0;
    return err_input(e, "%s: the vocabulary cannot spell every text%s: %zu of %zu byte tokens, and no unknown token",
                     gguf_path(g), marked ? "" : " in ASCII", n, needed);
}

/* Number of the file's model in `models`, or -1. */
static int read_model(const gguf *g, err *e) {
    gguf_str model;
    if (gguf_string(g, "tokenizer.ggml.model", &model, e) != 0) return -1;
    for (int i = 0; i < N_MODELS; i++)
        if (gguf_str_is(model, models[i].model)) return i;
    char name[QUOTED];
    return err_input(e,
                     "%s: tokenizer.ggml.model %s is not supported (\"llama\", which is SentencePiece BPE, \"gpt2\", "
                     "which is byte-level BPE, or \"gemma4\")",
                     gguf_path(g), quote(name, sizeof name, model.at, model.n));
}

static int read_chat_template(tokenizer *t, const gguf *g, err *e) {
    static const char key[] = "tokenizer.chat_template";
    gguf_str          s;
    if (gguf_find(g, key) == NULL) return 0;
    if (gguf_string(g, key, &s, e) != 0 || (t->chat_template = mem_strndup(s.at, s.n, e)) == NULL) return -1;
    t->n_chat_template = s.n;
    return 0;
}

/* Opens the pre-tokenizer of a BPE vocabulary. */
static int read_pre(tokenizer *t, const gguf *g, const char *preset, err *e) {
    const char *key = "tokenizer.ggml.pre";
    gguf_str    s = {"default", 7};
    if (preset != NULL)
        s = (gguf_str){preset, strlen(preset)};
    else if (gguf_find(g, key) == NULL)
        t->pre_missing = true;
    else if (gguf_string(g, key, &s, e) != 0)
        return -1;
    char name[QUOTED], *where = mem_printf(e, "%s: %s", gguf_path(g), key);
    if (where == NULL) return -1;
    if (!gguf_str_copy(s, name, sizeof name)) quote(name, sizeof name, s.at, s.n);
    t->pre = pretokenizer_open(name, where, e);
    free(where);
    if (t->pre == NULL) return -1;
    bool is_raw = pretokenizer_is(t->pre, PRETOKENIZER_RAW), is_nfc = pretokenizer_is(t->pre, PRETOKENIZER_NFC);
    t->spelling = is_raw ? SPELLING_MARKED : SPELLING_LETTERS;
    t->about_pre = mem_printf(e, "%s, Unicode %s%s%s", pretokenizer_name(t->pre), pretokenizer_unicode(t->pre),
                              is_nfc ? ", NFC of Unicode " : "", is_nfc ? nfc_unicode() : "");
    return t->about_pre == NULL ? -1 : 0;
}

/* Fills t from the file's arrays; no scores in a BPE vocabulary. */
static int read_vocabulary(tokenizer *t, const gguf *g, const gguf_str *spellings, const float *scores,
                           const int32_t *types, err *e) {
    if (tokenizer_read_pieces(t, g, spellings, scores, types, e) != 0 || read_special_ids(t, g, e) != 0 ||
        tokenizer_index_spellings(t, g, e) != 0 || tokenizer_find_stops(t, g, e) != 0)
        return -1;
    if (t->spelling == SPELLING_LETTERS) tokenizer_index_letters(t);
    if (read_adds(t, g, e) != 0 || check_fallback(t, g, e) != 0 || tokenizer_read_strips(t, g, e) != 0 ||
        tokenizer_index_specials(t, e) != 0)
        return -1;
    if (t->spelling == SPELLING_MARKED && tokenizer_index_seams(t, e) != 0) return -1;
    return t->pre != NULL ? tokenizer_read_merges(t, g, e) : 0;
}

tokenizer *tokenizer_from_gguf(const gguf *g, err *e) {
    gguf_str  *spellings = NULL;
    float     *scores = NULL;
    int32_t   *types = NULL;
    size_t     n = 0, n_scores = 0, n_types = 0;
    tokenizer *t = NULL;
    bool       ok = false;
    int        model = read_model(g, e);
    if (model < 0 || (t = mem_new(1, sizeof *t, e)) == NULL) return NULL;
    t->kind = models[model].kind;
    t->encode = model == SPM ? spm_encode : bpe_encode;
    if (model != SPM && read_pre(t, g, models[model].pre, e) != 0) goto out;
    if (gguf_strings(g, "tokenizer.ggml.tokens", &spellings, &n, e) != 0 ||
        (model == SPM && gguf_array_f32(g, "tokenizer.ggml.scores", &scores, &n_scores, e) != 0) ||
        gguf_array_i32(g, "tokenizer.ggml.token_type", &types, &n_types, e) != 0)
        goto out;
    if (n == 0 || n > INT32_MAX || n_types != n || (model == SPM && n_scores != n)) {
        err_input(e, "%s: %zu tokenizer.ggml.tokens, %zu scores and %zu token_type (%sas many of each, at least one)",
                  gguf_path(g), n, n_scores, n_types, model == SPM ? "" : "scores are not needed; of the others ");
        goto out;
    }
    t->vocab = n;
    ok = read_vocabulary(t, g, spellings, scores, types, e) == 0 && read_chat_template(t, g, e) == 0 &&
         tokenizer_seal(t, e) == 0;
out:
    free(spellings);
    free(scores);
    free(types);
    if (ok) return t;
    tokenizer_close(t);
    return NULL;
}
