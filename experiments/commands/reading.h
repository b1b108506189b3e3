/* reading.h - the records of a dataset as a model gets them, and the options that say how, for all commands alike. */
#ifndef EXPERIMENTS_READING_H
#define EXPERIMENTS_READING_H

#include <stdio.h>

#include "datasets/sample.h"
#include "experiments/commands/options.h"

/* A member of a command's options. */
typedef struct {
    const char *path, *format, *chat;
    size_t      tools; /* dataset_tools */
    size_t      limit, doc_tokens;
    bool        append_docs, as_turn, skip_bad;
} reading_options;

/* The rows of its table, where `member` is the member of the struct `owner`: the format, under the name that the
 * command has for it, and the others. */
#define READING_FORMAT(option, short, owner, member)                                                                   \
    {                                                                                                                  \
        option, short, "F", &option_text, OPTION_AT(owner, member.format),                                             \
            .preset = "auto", .of = &format_registry,                                                                  \
            .help = "format of the dataset (harness inspect -h lists them); auto: told by the first record"            \
    }
#define READING_OTHERS(owner, member)                                                                                  \
    {"chat",                                                                                                           \
     0,                                                                                                                \
     "NAME",                                                                                                           \
     &option_text,                                                                                                     \
     OPTION_AT(owner, member.chat),                                                                                    \
     .preset = "auto",                                                                                                 \
     .of = &chat_registry,                                                                                             \
     .help = "format of conversations: auto (the model's own, none if its file has none), none (a transcript) or a "   \
             "name"},                                                                                                  \
        {"as-turn",                                                                                                    \
         0,                                                                                                            \
         NULL,                                                                                                         \
         &option_flag,                                                                                                 \
         OPTION_AT(owner, member.as_turn),                                                                             \
         .help = "make each prompt that is a text the user's turn of a conversation"},                                 \
        {"tools",                                                                                                      \
         0,                                                                                                            \
         "CHOICE",                                                                                                     \
         &option_choice,                                                                                               \
         OPTION_AT(owner, member.tools),                                                                               \
         .preset = "error",                                                                                            \
         .of = dataset_tools_names,                                                                                    \
         .help = "turns of tools in conversations: error, skip (left out) or text (kept as text)"},                    \
        {"append-docs",                                                                                                \
         0,                                                                                                            \
         NULL,                                                                                                         \
         &option_flag,                                                                                                 \
         OPTION_AT(owner, member.append_docs),                                                                         \
         .help = "formats native, llma and ms-marco: put the references into the prompt, in LLMA's template"},         \
        {"doc-tokens",                                                                                                 \
         0,                                                                                                            \
         "N",                                                                                                          \
         &option_size,                                                                                                 \
         OPTION_AT(owner, member.doc_tokens),                                                                          \
         .preset = "768",                                                                                              \
         OPTION_RANGE(0, INT32_MAX),                                                                                   \
         .help = "with --append-docs: tokens after which each document is cut in the prompt; 0 = whole"},              \
        {"limit",                                                                                                      \
         0,                                                                                                            \
         "N",                                                                                                          \
         &option_size,                                                                                                 \
         OPTION_AT(owner, member.limit),                                                                               \
         .preset = "0",                                                                                                \
         OPTION_RANGE(0, INT32_MAX),                                                                                   \
         .help = "records to take from the start; 0 = all"},                                                           \
    {                                                                                                                  \
        "skip-bad", 0, NULL, &option_flag, OPTION_AT(owner, member.skip_bad),                                          \
            .help = "count and report bad lines instead of stopping at the first"                                      \
    }
#define READING_OPTIONS(owner, member) READING_FORMAT("format", 'f', owner, member), READING_OTHERS(owner, member)

/* And the row of its operands. */
#define READING_OPERAND(owner, member)                                                                                 \
    { "FILE.jsonl", .type = &option_path, OPTION_AT(owner, member.path), .required = true }

/* Prints the names that --chat takes. */
void reading_list(FILE *out);

/* ERR_INPUT for names that do not exist. To be called before a model is opened. `format` is the option of the format.
 */
int reading_check(const reading_options *o, const char *format, err *e);

/* Zeroed before it is opened; freed also after an error. */
typedef struct {
    dataset data;
    chat    chat;
    samples samples;
} reading;

/* Reads the dataset for the model at `model` with its tokenizer, and reports on stderr what was left out and what was
 * probably misspelled. `how`: what the samples are for; its `chat` and `skip_bad` are filled in here. Without a model
 * there are no samples. */
int  reading_open(reading *r, const reading_options *o, const char *model, const tokenizer *tok, sample_options how,
                  err *e);
void reading_free(reading *r);

#endif
