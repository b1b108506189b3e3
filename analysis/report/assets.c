#include "analysis/report/assets.h"

#include <stdint.h>

/* The folder that the Makefile made the files in. Whoever only parses this need not know it. */
#ifndef REPORT_PAGE
#define REPORT_PAGE ""
#endif

/* The assembler copies a file into the object, and its size before it. */
#define EMBED(name, file)                                                                                              \
    __asm__(".section .rodata\n.balign 8\n" #name "_size: .8byte 2f - 1f\n" #name "_bytes:\n1: .incbin \"" REPORT_PAGE \
            "/" file "\"\n2:\n.previous\n");                                                                           \
    extern const uint64_t name##_size;                                                                                 \
    extern const char     name##_bytes[]

EMBED(report_head, "head.html");
EMBED(report_tail, "tail.html");

asset asset_head(void) {
    return (asset){report_head_bytes, (size_t)report_head_size};
}

asset asset_tail(void) {
    return (asset){report_tail_bytes, (size_t)report_tail_size};
}
