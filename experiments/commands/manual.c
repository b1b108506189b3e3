#include "experiments/commands/manual.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/commands/roff.h"
#include "experiments/sweep/provenance.h"

/* ---- parts of a page ------------------------------------------------------------------------------------- */

static void head(const char *page, int section, const char *help, FILE *out) {
    fputs(".\\\" Made by harness help --man from the tables of the program.\n.TH \"", out);
    for (const char *c = page; *c != '\0'; c++) {
        const char upper[] = {(char)toupper((unsigned char)*c), '\0'};
        roff_puts(upper, out);
    }
    fprintf(out, "\" %d %s \"harness %s\" \"Inference with reference\"\n.nh\n.ad l\n.SH NAME\n", section, HARNESS_DATE,
            HARNESS_VERSION);
    roff_puts(page, out);
    fputs(" \\-\n", out);
    roff_text(help, out);
}

static void bold(const char *text, FILE *out) {
    fputs("\\fB", out);
    roff_puts(text, out);
    fputs("\\fR", out);
}

/* "-m, --model MODEL.gguf", what is typed in bold and what stands for something else in italics. */
static void name_option(const option_spec *s, FILE *out) {
    if (s->letter != 0) {
        char letter[] = {'-', s->letter, '\0'};
        bold(letter, out);
        fputs(", ", out);
    }
    fputs("\\fB\\-\\-", out);
    roff_puts(s->name, out);
    fputs("\\fR", out);
    if (s->arg != NULL) {
        fputs(s->implied != NULL ? "[=\\fI" : " \\fI", out);
        roff_puts(s->arg, out);
        fputs(s->implied != NULL ? "\\fR]" : "\\fR", out);
    }
    putc('\n', out);
}

static void list_option(const option_spec *s, FILE *out) {
    const char *names[OPTION_NAMES];
    size_t      n = s->type->names != NULL ? s->type->names(s, names) : 0, at = 0;
    char        text[4096];
    fputs(".TP\n", out);
    name_option(s, out);
    options_describe(s, text, sizeof text);
    roff_text(text, out);
    if (n == 0) return;
    for (size_t i = 0; i < n && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i == 0 ? "One of " : ", ", names[i]);
    if (at < sizeof text) snprintf(text + at, sizeof text - at, ".");
    fputs(".br\n", out);
    roff_text(text, out);
}

static void synopsis(const command *c, FILE *out) {
    char        form[512];
    const char *next = NULL;
    fputs(".SH SYNOPSIS\n", out);
    for (bool first = true; command_usage(c, &next, form, sizeof form); first = false) {
        if (!first) fputs(".br\n", out);
        fputs(".B harness ", out);
        roff_puts(c->name, out);
        putc('\n', out);
        if (*form != '\0') roff_text(form, out);
    }
}

/* Pages that a page names, the last of them harness(1), unless it is that page itself. */
static void see_also(const char *const *pages, size_t n, FILE *out) {
    fputs(".SH SEE ALSO\n", out);
    for (size_t i = 0; i < n; i++) {
        const char *dot = strrchr(pages[i], '.');
        char        name[64];
        snprintf(name, sizeof name, "%.*s", (int)(dot - pages[i]), pages[i]);
        fputs(".BR ", out);
        roff_puts(name, out);
        fprintf(out, " (%s)%s\n", dot + 1, i + 1 < n ? "," : "");
    }
}

/* ---- a command ------------------------------------------------------------------------------------------- */

/* What the program computes for the help, as it is printed there. */
static int print_lists(const command *c, FILE *out, err *e) {
    char  *text = NULL;
    size_t n;
    FILE  *lists = open_memstream(&text, &n);
    if (lists == NULL) return err_errno(e, "help", "cannot make a list");
    c->lists(lists);
    if (fclose(lists) != 0) {
        free(text);
        return err_errno(e, "help", "cannot make a list");
    }
    fputs(".SH VALUES\n.nf\n", out);
    roff_lines(text, out);
    fputs(".fi\n", out);
    free(text);
    return 0;
}

int manual_print_command(const command *c, FILE *out, err *e) {
    static const char *const pages[] = {"harness.1", "harness-sweep-config.5"};
    char                     page[64];
    snprintf(page, sizeof page, "harness-%s", c->name);
    head(page, 1, c->help, out);
    synopsis(c, out);
    fputs(".SH DESCRIPTION\n", out);
    roff_text(c->about, out);
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < c->n_options; i++) list_option(&c->options[i], out);
    list_option(&option_help, out);
    if (c->notes != NULL) {
        fputs(".SH NOTES\n", out);
        roff_text(c->notes, out);
    }
    if (c->lists != NULL && print_lists(c, out, e) != 0) return -1;
    see_also(pages, strcmp(c->name, "sweep") == 0 ? 2 : 1, out);
    return 0;
}

/* ---- a kind of INI file ----------------------------------------------------------------------------------- */

void manual_print_file(const key_file *f, FILE *out) {
    static const char *const pages[] = {"harness.1"};
    char                     page[64], line[768];
    snprintf(page, sizeof page, "harness-%s", f->name);
    head(page, 5, f->help, out);
    fputs(".SH DESCRIPTION\n", out);
    roff_text(f->about, out);
    for (size_t i = 0; i < f->n_sections; i++) {
        const key_section *s = &f->sections[i];
        fputs(".SH \"[", out);
        roff_puts(s->title, out);
        fputs("]\"\n", out);
        roff_text(s->help, out);
        for (size_t k = 0; k < s->n_keys; k++) {
            fputs(".TP\n", out);
            keys_describe(&s->keys[k], line, sizeof line);
            char *rest = line + strlen(s->keys[k].name);
            bold(s->keys[k].name, out);
            roff_puts(rest, out);
            putc('\n', out);
            roff_text(s->keys[k].help, out);
        }
    }
    see_also(pages, 1, out);
}

/* ---- the program ----------------------------------------------------------------------------------------- */

static void list_pages(const char *title, const registry *r, int section, FILE *out) {
    fprintf(out, ".SH %s\n", title);
    for (size_t i = 0; i < r->n; i++) {
        const char *help =
            r == &command_registry ? ((const command *)r->at[i])->help : ((const key_file *)r->at[i])->help;
        fputs(".TP\n.BR harness\\-", out);
        roff_puts(registry_name(r, i), out);
        fprintf(out, " (%d)\n", section);
        roff_text(help, out);
    }
}

static const char about[] =
    "Much of what a language model writes is already there: in a retrieved document, in an earlier answer, in the last "
    "version of a file. Decoding can copy a span from such a reference and let the model check the whole span in one "
    "forward pass. harness measures such methods, with a transformer that gives the same logits, to the bit, however "
    "tokens are split into passes.\n"
    "\n"
    "harness COMMAND -h, or harness help COMMAND, prints a command's help. Results go to standard output, everything "
    "else to standard error. Long options may be abbreviated; options and arguments mix in any order; -- ends the "
    "options.";

/* A paragraph with a title of its own. */
typedef struct {
    const char *title, *text;
} item;

static const item statuses[] = {
    {"0", "done"},
    {"1", "something failed while running, or the user stopped it; what is finished is saved, and the same command may "
          "succeed later. Also after a sweep that skipped a config because files must be fetched or made first."},
    {"2", "the usage, the configuration or the input is at fault"},
};

static const item variables[] = {
    {"HARNESS_ISA",
     "forces the kernels: portable, avx2, avx512, avx512bf16 or, on AArch64, neon. It is recorded in every "
     "result; the bits stay the same."},
    {"NO_COLOR", "if not empty, generate uses no colours unless --color always says so"},
    {"TERM", "dumb: no colours, and progress in plain lines"},
};

static const item places[] = {
    {"PREFIX/share/harness",
     "configs, costs, records and the embedded model. Relative paths of the configs there start "
     "at the working folder, so that results are written there."},
};

static void list_items(const char *title, const item *items, size_t n, FILE *out) {
    fprintf(out, ".SH %s\n", title);
    for (size_t i = 0; i < n; i++) {
        fputs(".TP\n", out);
        bold(items[i].title, out);
        putc('\n', out);
        roff_text(items[i].text, out);
    }
}

void manual_print(const registry *files, FILE *out) {
    static const char *const pages[] = {"harness-sweep.1", "harness-sweep-config.5", "harness-help.1"};
    head("harness", 1, "inference with reference, bit for bit", out);
    fputs(".SH SYNOPSIS\n.B harness\n\\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
          ".br\n.B harness\n\\fB\\-h\\fR | \\fB\\-\\-help\\fR | \\fB\\-\\-version\\fR\n.SH DESCRIPTION\n",
          out);
    roff_text(about, out);
    list_pages("COMMANDS", &command_registry, 1, out);
    list_pages("\"INI FILES\"", files, 5, out);
    list_items("\"EXIT STATUS\"", statuses, sizeof statuses / sizeof *statuses, out);
    list_items("ENVIRONMENT", variables, sizeof variables / sizeof *variables, out);
    list_items("FILES", places, sizeof places / sizeof *places, out);
    see_also(pages, sizeof pages / sizeof *pages, out);
}

void manual_print_names(const registry *files, FILE *out) {
    fputs("harness.1\n", out);
    for (size_t i = 0; i < command_registry.n; i++) fprintf(out, "harness-%s.1\n", registry_name(&command_registry, i));
    for (size_t i = 0; i < files->n; i++) fprintf(out, "harness-%s.5\n", registry_name(files, i));
}
