#include "experiments/commands/reading.h"

#include <stdio.h>

#include "experiments/terminal/data_report.h"
#include "experiments/terminal/wrap.h"

void reading_list(FILE *out) {
    fprintf(out, "Chat formats:\n");
    for (size_t i = 0; i < chat_registry.n; i++) {
        fprintf(out, "  %-17s ", registry_name(&chat_registry, i));
        wrap_print(out, chat_format_help(i), 20, 20);
    }
}

int reading_check(const reading_options *o, const char *format, err *e) {
    return chat_check_name("--chat", o->chat, e) != 0 ? -1 : dataset_format_check(format, o->format, e);
}

int reading_open(reading *r, const reading_options *o, const char *model, const tokenizer *tok, sample_options how,
                 err *e) {
    const dataset_options as = {.format = o->format,
                                .limit = o->limit,
                                .append_docs = o->append_docs,
                                .doc_tokens = o->doc_tokens,
                                .tok = tok,
                                .skip_bad = o->skip_bad,
                                .as_turn = o->as_turn,
                                .tools = (dataset_tools)o->tools,
                                .outputs = how.as_is};
    if (dataset_read(o->path, &as, data_report_skipped, NULL, &r->data, e) != 0) return -1;
    data_report_left_out(&r->data);
    data_report_keys(&r->data);
    if (tok == NULL) return 0;
    if (r->data.has_turns && chat_choose(&r->chat, o->chat, tok, e) != 0)
        return err_prefix(e, "%s: --chat %s", model, o->chat);
    how.chat = &r->chat;
    how.skip_bad = o->skip_bad;
    if (samples_prepare(&r->data, tok, &how, data_report_skipped, NULL, &r->samples, e) != 0) return -1;
    data_report_omitted(&r->samples, o->path);
    return 0;
}

void reading_free(reading *r) {
    samples_free(&r->samples);
    chat_free(&r->chat);
    dataset_free(&r->data);
}
