/* The plain driver: every case without Criterion, for emulators, sanitizers and valgrind.
 *
 *     driver                 all cases
 *     driver accuracy/ nan   those whose suite/name contains one of the words
 *     driver --list          their names
 *
 * Prints a line per case and, last, "N passed, N failed"; exits with 1 if any failed or none ran. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

static bool wanted(const char *full_name, int words, char **word)
{
    if (words == 0) return true;
    for (int i = 0; i < words; i++)
        if (strstr(full_name, word[i])) return true;
    return false;
}

int main(int argc, char **argv)
{
    const bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    const int skip = list ? 2 : 1;
    int passed = 0, failed = 0;
    for (const struct test_case *test = case_list(); test; test = test->next) {
        char full_name[128];
        snprintf(full_name, sizeof full_name, "%s/%s", test->suite, test->name);
        if (!wanted(full_name, argc - skip, argv + skip)) continue;
        if (list) {
            puts(full_name);
            continue;
        }
        const bool ok = case_run(test) == 0;
        printf("%s %s\n", ok ? "passed" : "FAILED", full_name);
        fflush(stdout);
        if (ok)
            passed++;
        else
            failed++;
    }
    if (list) return 0;
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
