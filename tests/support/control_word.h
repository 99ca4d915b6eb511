/* The caller's rounding mode, flushing and traps: the library's bits must not depend on them, and it leaves them alone.
 */
#ifndef TESTS_CONTROL_WORD_H
#define TESTS_CONTROL_WORD_H

#include "variant.h"

enum { CONTROL_WORDS = 5 };
extern const struct control_word {
    const char *name;
    surroundings *around; /* sets it, runs the body, checks that the body left it alone, restores what there was */
} control_words[CONTROL_WORDS];

#endif
