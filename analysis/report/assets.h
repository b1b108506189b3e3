/* assets.h - the page around the data, part of the program: head.html to the place of the data, tail.html after it. The
 * Makefile puts both together from page/ and from the library that draws (D3, as the system's packages have it). */
#ifndef ANALYSIS_REPORT_ASSETS_H
#define ANALYSIS_REPORT_ASSETS_H

#include <stddef.h>

typedef struct {
    const char *at;
    size_t      n;
} asset;

asset asset_head(void);
asset asset_tail(void);

#endif
