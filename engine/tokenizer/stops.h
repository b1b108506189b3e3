/* stops.h - the set of tokens that end a text.
 *
 * A model ends its answer with one of several tokens: EOS ends a document, EOT a turn of a chat, EOM a message to a
 * tool. Decoding ends at whichever comes first, so how long a text gets depends on the whole set. The tokenizer finds
 * it when it is opened (stops.c says how); a config or a command line may add to it.
 */
#ifndef ENGINE_TOKENIZER_STOPS_H
#define ENGINE_TOKENIZER_STOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"

typedef struct tokenizer tokenizer;

/* A view of such a set: ids in ascending order, each once. Zeroed, it is empty. */
typedef struct {
    const int32_t *ids; /* [n] */
    size_t         n;
} stops;

bool  stops_have(stops s, int32_t id);
stops stops_of(const tokens *set); /* a view of `set`, good until it changes */

/* Puts an id into a set unless it is there. */
int stops_add(tokens *set, int32_t id, err *e);

/* Puts the token that `text` names into a set: an id in digits, or a spelling in the vocabulary. ERR_INPUT says what is
 * allowed. */
int stops_add_named(tokens *set, const tokenizer *t, const char *text, err *e);

/* The ids with a space between them, in new memory. */
char *stops_text(stops s, err *e);

#endif
