/* tokenizer_report.h - what commands report on stderr about a tokenizer. */
#ifndef EXPERIMENTS_TOKENIZER_REPORT_H
#define EXPERIMENTS_TOKENIZER_REPORT_H

#include "engine/tokenizer/tokenizer.h"

/* Reports what a user should know about the tokenizer in `path`, if anything. */
void tokenizer_report(const tokenizer *t, const char *path);

/* Reports how many bytes of the text `what` have no token, if any. */
void tokenizer_report_omitted(const tokenizer *t, const char *what, const char *text, size_t n);

#endif
