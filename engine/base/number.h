/* number.h - numbers as text. */
#ifndef ENGINE_BASE_NUMBER_H
#define ENGINE_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fewest significant digits, 15 to 17, with which "%.*g" gives a text that reads back as x: 0.7 stays 0.7. */
int real_digits(double x);

/* Reads a whole decimal number from min to max; false for any other text, also one with a sign or blanks. */
bool count_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* What follows a noun after this number: "" for one, else "s". */
const char *plural(size_t n);

/* A share in percent, cut to one decimal and never rounded up: 100 is all. */
double percent_of(double share);

#endif
