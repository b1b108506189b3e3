/* stops.c - finds the tokens that end a text in a vocabulary.
 *
 * They are the ids that GGUF keys name, and the tokens whose spelling is known to end a text, whatever their type:
 * files name EOS alone where the model ends its turns with another token. The list is that of llama.cpp (its
 * end-of-generation tokens, June 2026), so that a text ends here where it ends there. Three points were to be decided:
 *
 *  - Of the fill-in-the-middle tokens, those that separate files and repositories and the one for padding end a text;
 *    those that mark prefix, suffix and middle are in the middle of one and do not. llama.cpp keeps one token of each
 *    kind, whichever its hash table gives first; here every token of the list counts.
 *  - A token that ends a text in one family of models and not in another is told by its neighbours (`not_ends`). What a
 *    key names ends a text all the same: that is the file's own word.
 *  - Gemma 3 has "</s>" as a piece of HTML, beside its own end tokens. llama.cpp ends a text there, so it does here.
 *
 * Whatever ends a text becomes a control token: neither a text that spells it nor a merge gives it, since a text quoted
 * in a prompt or a recorded output must not end anything.
 */
#include "engine/tokenizer/stops.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/quote.h"
#include "engine/tokenizer/tokenizer_impl.h"

static const char *const end_keys[] = {
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
};

static const char *const fill_keys[] = {
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
};

/* In this order, too, one of them is taken for EOS where no key names one. */
static const char *const names[] = {
    "<eos>",                                   /* Gemma */
    "<end_of_turn>",                           /* Gemma 2 and 3 */
    "<turn|>",                                 /* Gemma 4 */
    "<|tool_response>",                        /* Gemma 4: a tool is to answer */
    "<|endoftext|>",                           /* GPT-2, Qwen, Phi, SmolLM */
    "<|im_end|>",                              /* ChatML */
    "<|end|>",                                 /* Phi-3 and 4 */
    "<|end_of_text|>",                         /* Llama 3, Granite */
    "<|eot_id|>",                              /* Llama 3 */
    "<|eom_id|>",                              /* Llama 3 */
    "<|return|>",                              /* gpt-oss: the answer is complete */
    "<|call|>",                                /* gpt-oss: a tool is to answer */
    "<|flush|>",                               /* Solar Open */
    "<|calls|>",                               /* Solar Open */
    "<end_of_utterance>",                      /* SmolVLM, SmolDocling */
    "<EOT>",                                   /* CodeLlama */
    "_<EOT>",                                  /* CodeLlama */
    "[EOT]",                                   /* Kimi */
    "[EOS]",                                   /* Kimi */
    "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", /* DeepSeek */
    "[e~[",                                    /* MiniMax */
    "</s>",                                    /* SentencePiece: Llama 2, Mistral */
    /* Padding, and what begins another file or repository. */
    "<|fim_pad|>",                        /* Qwen */
    "<fim-pad>", "<fim_pad>",             /* Granite */
    "<PAD>", "[PAD]",                     /* Kimi */
    "<|fim_repo|>", "<|repo_name|>",      /* Qwen */
    "<fim-repo>", "<REPO>", "<reponame>", /* Granite, SmolLM */
    "<|file_sep|>",                       /* Qwen */
};

/* Names that end no text in a vocabulary that has these tokens, too. */
static const struct {
    const char *name, *beside[2];
} not_ends[] = {
    {"<|end|>", {"<|return|>", "<|call|>"}}, /* gpt-oss: it ends a message, and an answer may have several */
    {"<|end|>", {"<|flush|>", "<|calls|>"}}, /* Solar Open: likewise */
    {"</s>", {"<|tool_response>", NULL}},    /* Gemma 4: a piece of HTML */
};

enum {
    N_END_KEYS = sizeof end_keys / sizeof *end_keys,
    N_FILL_KEYS = sizeof fill_keys / sizeof *fill_keys,
    N_NAMES = sizeof names / sizeof *names,
    N_NOT_ENDS = sizeof not_ends / sizeof *not_ends
};

static int32_t find(const tokenizer *t, const char *name) {
    return tokenizer_find(t, name, strlen(name));
}

/* ---- sets ----------------------------------------------------------------------------------------- */

bool stops_have(stops s, int32_t id) {
    for (size_t i = 0; i < s.n; i++) /* there are few */
        if (s.ids[i] == id) return true;
    return false;
}

stops stops_of(const tokens *set) {
    return (stops){set->ids, set->n};
}

int stops_add(tokens *set, int32_t id, err *e) {
    if (stops_have(stops_of(set), id)) return 0;
    if (tokens_push(set, id, e) != 0) return -1;
    for (size_t i = set->n - 1; i > 0 && set->ids[i - 1] > id; i--) {
        set->ids[i] = set->ids[i - 1];
        set->ids[i - 1] = id;
    }
    return 0;
}

int stops_add_named(tokens *set, const tokenizer *t, const char *text, err *e) {
    bool     is_id = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
    uint64_t n = UINT64_MAX;
    int32_t  id = -1;
    if (!is_id)
        id = find(t, text);
    else if (count_parse(text, 0, tokenizer_vocab(t) - 1, &n))
        id = (int32_t)n;
    if (id >= 0) return stops_add(set, id, e);
    char name[80];
    return err_input(e, "%s %s is not a token (a spelling in the vocabulary, or an id from 0 to %zu)",
                     is_id ? "id" : "text", is_id ? text : quote(name, sizeof name, text, strlen(text)),
                     tokenizer_vocab(t) - 1);
}

char *stops_text(stops s, err *e) {
    enum { ROOM = 12 }; /* of an id and the space before it */
    char *text = mem_new(s.n * ROOM + 1, 1, e), *at = text;
    for (size_t i = 0; text != NULL && i < s.n; i++) at += snprintf(at, ROOM, "%s%d", i > 0 ? " " : "", (int)s.ids[i]);
    return text;
}

/* ---- those of a vocabulary ------------------------------------------------------------------------ */

/* Whether the token of this name ends no text because of its neighbours. */
static bool is_excepted(const tokenizer *t, const char *name) {
    for (size_t i = 0; i < N_NOT_ENDS; i++) {
        const char *const *beside = not_ends[i].beside;
        if (strcmp(name, not_ends[i].name) == 0 && find(t, beside[0]) >= 0 &&
            (beside[1] == NULL || find(t, beside[1]) >= 0))
            return true;
    }
    return false;
}

/* Makes the token a control token, to which encoding no longer falls back either: in many BPE files the unknown token
 * is EOS, for want of another. */
static void keep_out_of_text(tokenizer *t, int32_t id) {
    piece *p = &t->pieces[id];
    if (p->type == PIECE_BYTE && t->byte_ids[(unsigned char)p->text[0]] == id)
        t->byte_ids[(unsigned char)p->text[0]] = -1;
    if (t->unk == id) t->unk = -1;
    p->type = PIECE_CONTROL;
    p->n_text = 0;
}

static int add(tokenizer *t, int32_t id, err *e) {
    if (id < 0) return 0;
    if (t->eos < 0) t->eos = id;
    return stops_add(&t->stops, id, e);
}

static int add_keys(tokenizer *t, const gguf *g, const char *const *keys, size_t n, err *e) {
    for (size_t i = 0; i < n; i++) {
        int32_t id;
        if (tokenizer_read_id(g, keys[i], t->vocab, &id, e) != 0 || add(t, id, e) != 0) return -1;
    }
    return 0;
}

int tokenizer_find_stops(tokenizer *t, const gguf *g, err *e) {
    if (add(t, t->eos, e) != 0 || add_keys(t, g, end_keys, N_END_KEYS, e) != 0) return -1;
    for (size_t i = 0; i < N_NAMES; i++)
        if (!is_excepted(t, names[i]) && add(t, find(t, names[i]), e) != 0) return -1;
    if (add_keys(t, g, fill_keys, N_FILL_KEYS, e) != 0) return -1;
    for (size_t i = 0; i < t->stops.n; i++) keep_out_of_text(t, t->stops.ids[i]);
    return 0;
}
