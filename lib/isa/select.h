/* Detection of the machine's instruction sets and the choice of one, made once for the process. */
#ifndef BN_SELECT_H
#define BN_SELECT_H

#include "kernels/kernels.h"

#include <stdbool.h>

/* Whether this machine and its operating system run the named set. */
bool bn_machine_has(const char *isa);

/* The set in use; NULL if the environment variable BNORM_ISA names none. */
const char *bn_isa_in_use(void);

/* Its kernels for a bnorm_dtype that is built. */
const bn_kernels *bn_kernels_in_use(int dtype);

#endif
