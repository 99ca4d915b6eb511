/* How a test case is declared, and how it reports.
 *
 *     CASE(forward, values)
 *     {
 *         describe("%zu x %zu", rows, features);          // what is being looked at, printed with each failure
 *         CHECK(status == BNORM_OK, "got %s", text);      // counts and prints, goes on
 *     }
 *
 * A case is a plain function. It is wrapped as a Criterion test where TESTS_WITH_CRITERION is defined, and as an entry
 * of the plain driver's list (driver.c) where it is not: one line declares it for both. CASE starts in the first
 * column, where tests/run counts it.
 *
 * Threads of a case may CHECK at the same time; describe is for the thread that started them. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Entries of an array, which is no pointer. */
#define LENGTH(array) (sizeof(array) / sizeof *(array))

struct test_case {
    const char *suite, *name;
    void (*body)(void);
    bool before_bnorm; /* calls bnorm in child processes only, before any other case has started a thread */
    struct test_case *next;
};

/* Runs the case, prints what failed to stderr, returns the number of failures. */
int case_run(const struct test_case *test);

void case_register(struct test_case *test);
const struct test_case *case_list(void);

/* The seed of all inputs: fixed, or the environment variable BNORM_TEST_SEED. */
uint64_t test_seed(void);

/* BNORM_TEST_QUICK in the environment leaves out the large shapes: for emulators and valgrind. */
bool test_quick(void);
enum { QUICK_VALUES = 10000 }; /* what repeats one shape in many ways leaves out those of more */

__attribute__((format(printf, 1, 2))) void describe(const char *format, ...);
/* What a reader of a passing run should know: to stderr, or appended to the file that BNORM_TEST_NOTES names. */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);
__attribute__((format(printf, 4, 5))) void check_failed(const char *file, int line, const char *condition,
                                                        const char *format, ...);
int check_failures(void);
const char *check_report(void); /* what the running case has printed of them; Criterion swallows stderr */

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                                   \
    } while (0)

#ifdef TESTS_WITH_CRITERION
#include <criterion/criterion.h>
#define CASE_WRAP(suite_, name_, entry_)                                                                               \
    Test(suite_, name_) { cr_assert(case_run(&entry_) == 0, "%s", check_report()); }
#else
#define CASE_WRAP(suite_, name_, entry_)                                                                               \
    __attribute__((constructor)) static void suite_##_##name_##_register(void) { case_register(&entry_); }
#endif

#define CASE_DECLARE(suite_, name_, before_)                                                                           \
    static void suite_##_##name_##_case(void);                                                                         \
    static struct test_case suite_##_##name_##_entry = {#suite_, #name_, suite_##_##name_##_case, before_, NULL};      \
    CASE_WRAP(suite_, name_, suite_##_##name_##_entry)                                                                 \
    static void suite_##_##name_##_case(void)

#define CASE(suite_, name_)              CASE_DECLARE(suite_, name_, false)
#define CASE_BEFORE_BNORM(suite_, name_) CASE_DECLARE(suite_, name_, true)

#endif
