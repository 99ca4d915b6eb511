/* What every x86-64 or AArch64 machine has: 16-byte vectors. */
#define KERNELS probe_kernels_generic
#define NAME    "generic"
#define WIDTH   16

#if defined(__x86_64__)
#include <emmintrin.h>
#define STREAM(place, value) _mm_stream_ps((float *)(place), (__m128)(value))
#define STREAM_END()         _mm_sfence()
#else
/* AArch64's STNP is only a hint and wants pairs: the ordinary store stands for both there. */
#define STREAM(place, value) (*(place) = (value))
#define STREAM_END()         ((void)0)
#endif

#include "probe_kernels.h"
