/* nfc.h - Unicode's normalization form C (UAX #15), by utf8proc.
 *
 * Most text is in this form already, and most of its characters tell that by themselves: only what is around others is
 * normalized.
 */
#ifndef ENGINE_NFC_H
#define ENGINE_NFC_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* Memory for texts, reused. A zeroed struct is an empty one. */
typedef struct {
    char     *text;
    int32_t  *codes;
    uint64_t *keys;
    size_t    cap_text, cap_codes, cap_keys;
} nfc_buffer;

/* Gives `text` (n bytes; what is not UTF-8 in it stays as it is) or its normalized form in b, valid until the next
 * call, and the form's length. */
int  nfc_normalize(nfc_buffer *b, const char *text, size_t n, const char **out, size_t *n_out, err *e);
void nfc_free(nfc_buffer *b);

/* Unicode's version of the tables: "13.0.0". */
const char *nfc_unicode(void);

#endif
