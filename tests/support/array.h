/* An array of a call: elements with a stride, between guards. What is not an element (guards, padding) holds NaN bits:
 * reading it spoils a result, writing it is found by comparing with the saved copy.
 *
 * The tests speak of rows (pixels) and columns (features) in both layouts. Where an element stands is known here only:
 * `run` pixels of a feature lie side by side, 1 channels last, S channels first, and `stride` steps from one such group
 * of columns * run elements to the next. Value (n, c, s) channels first is at n * stride + c * S + s. */
#ifndef TESTS_ARRAY_H
#define TESTS_ARRAY_H

#include "type.h"

struct array {
    bnorm_dtype type;
    size_t size;             /* bytes of an element */
    size_t rows, columns;    /* pixels x features */
    size_t run;              /* pixels of one feature side by side; divides rows */
    size_t stride;           /* elements from one group of `run` rows to the next */
    size_t bytes;            /* of block */
    unsigned char *block;    /* guard, elements, guard */
    unsigned char *saved;    /* copy of block, see array_save */
    unsigned char *elements; /* in block */
};

enum { LAYOUTS = 2 };
extern const bnorm_layout all_layouts[LAYOUTS];
const char *layout_name(bnorm_layout layout); /* "last", "first" */

/* The first element lies `shift` elements beyond a 64-byte boundary. */
struct array array_make(bnorm_dtype type, size_t rows, size_t columns, size_t run, size_t stride, size_t shift);
struct array array_make_bytes(size_t bytes, size_t shift);
void array_free(struct array *array);

size_t array_index(const struct array *array, size_t row, size_t column); /* of an element, from the first */
double array_get(const struct array *array, size_t row, size_t column);
double array_get_saved(const struct array *array, size_t row, size_t column);
void array_put(struct array *array, size_t row, size_t column, double value);

void array_save(struct array *array);
void array_restore(struct array *array);                 /* to what was saved */
bool array_unchanged(const struct array *array);         /* every byte */
bool array_unchanged_outside(const struct array *array); /* every byte that is not an element */

/* A number that changes with any bit of the elements; NaNs are all one value. */
uint64_t array_digest(const struct array *array);

#endif
