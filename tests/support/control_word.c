#include "control_word.h"

#include "check.h"

#include <fenv.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static unsigned long control_word(void)
{
#if defined(__x86_64__)
    return _mm_getcsr() & ~0x3fu; /* without the exception flags, which calls raise */
#elif defined(__aarch64__)
    unsigned long word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return word;
#else
    return (unsigned long)fegetround();
#endif
}

static void set_control_word(unsigned long word)
{
#if defined(__x86_64__)
    _mm_setcsr((unsigned)word);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(word));
#else
    fesetround((int)word);
#endif
}

static void in_control_word(unsigned long word, void (*body)(void *), void *argument)
{
    const unsigned long before = control_word();
    set_control_word(word);
    body(argument);
    const unsigned long after = control_word();
    set_control_word(before);
    CHECK(after == word, "the caller's control word went from %#lx to %#lx", word, after);
}

#if defined(__x86_64__)
enum { FLUSH = 0x8040, DOWN = 0x2000, UP = 0x4000, TO_ZERO = 0x6000 }; /* FTZ and DAZ; rounding control; of MXCSR */
enum { MASKED = 0x1f80 };                                              /* exceptions that do not trap */
#elif defined(__aarch64__)
enum { FLUSH = 1 << 24, DOWN = 2 << 22, UP = 1 << 22, TO_ZERO = 3 << 22 }; /* FZ; RMode; of FPCR */
enum { MASKED = 0 };                                                       /* not all of these processors have traps */
#else
enum { FLUSH = 0, DOWN = FE_DOWNWARD, UP = FE_UPWARD, TO_ZERO = FE_TOWARDZERO, MASKED = 0 };
#endif

static void flushing(void (*body)(void *), void *argument) { in_control_word(control_word() | FLUSH, body, argument); }
static void downward(void (*body)(void *), void *argument) { in_control_word(control_word() | DOWN, body, argument); }
static void upward(void (*body)(void *), void *argument) { in_control_word(control_word() | UP, body, argument); }
static void to_zero_flushing(void (*body)(void *), void *argument)
{
    in_control_word(control_word() | TO_ZERO | FLUSH, body, argument);
}
/* Any exception ends the process. */
static void trapping(void (*body)(void *), void *argument)
{
    in_control_word(control_word() & ~(unsigned long)MASKED, body, argument);
}

const struct control_word control_words[CONTROL_WORDS] = {{"flushing", flushing},
                                                          {"downward", downward},
                                                          {"upward", upward},
                                                          {"to_zero_flushing", to_zero_flushing},
                                                          {"trapping", trapping}};
