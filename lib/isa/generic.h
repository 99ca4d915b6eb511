/* What every machine has: 16-byte vectors, which compilers also make of scalars. */
#define BN_VECTOR_BYTES 16
#include "isa/vector.h"
