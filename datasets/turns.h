/* turns.h - conversations in JSON: arrays of turns, as people store them. For the formats that have them.
 *
 * {"messages": [{"role", "content"}]} (OpenAI), or {"conversations": [...]} with "from" and "value" (ShareGPT) or with
 * "role" and "content". A text is a string, or an array of {"type": "text", "text": "..."}, whose texts are joined.
 * Turns of tools, and calls of tools in the assistant's turns, are read as dataset_options.tools says. Contents other
 * than text (images) are errors: without them the conversation would not be what was said.
 */
#ifndef DATASETS_TURNS_H
#define DATASETS_TURNS_H

#include "datasets/format.h"
#include "datasets/text.h"

/* A growing list of turns; zeroed, it is empty. */
typedef struct {
    turn  *at;
    size_t n, cap;
} turn_list;

void turns_free(turn *turns, size_t n);

/* Whether the object has "messages" or "conversations". */
bool turns_there(const json_t *object);

/* The key of its turns, "messages" where it has neither. */
const char *turns_key(const json_t *object);

/* Reads the object's turns. ERR_INPUT for what is not a conversation, and where the system speaks after the first
 * turn. Free them also after an error. */
int turns_read(const dataset_builder *b, const json_t *object, turn_list *out, err *e);

/* Whether nothing is said in it, or only blanks. */
bool turn_blank(const turn *t);

/* The record's first turns, copied. */
int record_turns(record *r, const turn *turns, size_t n, err *e);

/* One turn of a transcript, "SPEAKER: TEXT\n", and the words that request the next answer. */
void transcript_turn(text_buffer *t, chat_role role, const char *text, size_t n);
void transcript_ask(text_buffer *t);

#endif
