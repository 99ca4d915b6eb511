/* Which status a call must return: worked out from bnorm.h alone, one fault after the other. */
#ifndef TESTS_FUZZ_EXPECTED_H
#define TESTS_FUZZ_EXPECTED_H

#include "scene.h"

/* Up to BNORM_BAD_THREADS. */
bnorm_status expected_before_arrays(const struct scene *scene);

/* Of a description that is in order, with the arrays of the scene. Leaves behind who owns each byte of the arena. */
bnorm_status expected_of_arrays(const struct scene *scene);

/* Whether a byte of the arena is an element of a written array; after expected_of_arrays. */
bool may_be_written(size_t byte);

#endif
