/* The types of elements: their sizes and names, and what their bits mean. perf/ uses this too. */
#ifndef TESTS_TYPE_H
#define TESTS_TYPE_H

#include <bnorm/bnorm.h>

enum { TYPES = 4 };
extern const bnorm_dtype all_types[TYPES];

size_t type_size(bnorm_dtype type);
const char *type_name(bnorm_dtype type); /* "f32", "f64", "bf16", "f16" */

/* 16 bits are decoded and encoded by integers and powers of two: exact, subnormals too. type_put rounds to nearest
 * even, once; what is beyond the largest finite number becomes infinite, NaN stays NaN. */
double type_get(bnorm_dtype type, const void *elements, size_t index);
void type_put(bnorm_dtype type, void *elements, size_t index, double value);
bool type_is_nan(bnorm_dtype type, const void *elements, size_t index); /* quicker than to decode */
double type_round(bnorm_dtype type, double value);                      /* put, then got */

#endif
