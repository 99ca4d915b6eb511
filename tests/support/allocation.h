/* The library's allocations, counted and made to fail. The tests link the library statically with the linker's --wrap
 * (tests/meson.build), so only calls from the library and the tests pass here, not those inside libc or libgomp. */
#ifndef TESTS_ALLOCATION_H
#define TESTS_ALLOCATION_H

/* From now on the allocation number `n` (1 is the next) and all after it fail; 0: none fails. Resets the counts. */
void allocation_fail_from(int n);

/* The same, but only that one fails. */
void allocation_fail_at(int n);

/* Allocations since then; and how many of them are more than what was freed since then. */
int allocation_count(void);
int allocation_kept(void);

#endif
