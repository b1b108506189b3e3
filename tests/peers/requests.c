#include "tests/peers/requests.h"

#include <stdlib.h>
#include <string.h>

int request_ids(const char *line, size_t vocab, tokens *out, err *e) {
    out->n = 0;
    for (char *end; line[strspn(line, " \n")] != '\0'; line = end) {
        long id = strtol(line, &end, 10);
        if (end == line || id < 0 || (size_t)id >= vocab)
            return err_input(e, "no ids: %.60s (0 to %zu, separated by spaces)", line, vocab - 1);
        if (tokens_push(out, (int32_t)id, e) != 0) return -1;
    }
    return out->n > 0 ? 0 : err_input(e, "a line without ids");
}
