/* The library's allocations, counted and made to fail. The tests link the library statically with the linker's --wrap
 * (tests/meson.build), so only calls from the library and the tests pass here, not those inside libc or libgomp. */
#ifndef TESTS_ALLOCATION_H
#define TESTS_ALLOCATION_H

/* From now on the allocation number `n` (1 is the next) and all after it fail; 0: none fails. Resets the count. */
void allocation_fail_from(int n);

/* Allocations since then. */
int allocation_count(void);

#endif
