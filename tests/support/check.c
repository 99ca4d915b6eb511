#include "check.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRINTED_FAILURES = 12 }; /* of one case: one broken kernel fails thousands of shapes */

static struct test_case *first_case;
static const char *suite = "", *name = "";
static char context[256];
static char report[PRINTED_FAILURES * 1024]; /* the failures of this case */
static int failures;

void case_register(struct test_case *test)
{
    struct test_case **place = &first_case;
    while (*place && (!test->before_bnorm || (*place)->before_bnorm)) place = &(*place)->next;
    test->next = *place;
    *place = test;
}

const struct test_case *case_list(void) { return first_case; }

int case_run(const struct test_case *test)
{
    suite = test->suite;
    name = test->name;
    context[0] = '\0';
    report[0] = '\0';
    failures = 0;
    test->body();
    if (failures > PRINTED_FAILURES) fprintf(stderr, "%s/%s: %d failures in all\n", suite, name, failures);
    return failures;
}

uint64_t test_seed(void)
{
    const char *text = getenv("BNORM_TEST_SEED");
    return text ? strtoull(text, NULL, 0) : 20150211;
}

bool test_quick(void) { return getenv("BNORM_TEST_QUICK") != NULL; }

void describe(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
}

void note(const char *format, ...)
{
    const char *path = getenv("BNORM_TEST_NOTES");
    FILE *file = path ? fopen(path, "a") : stderr;
    if (!file) return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(file, "note: %s/%s: ", suite, name);
    vfprintf(file, format, arguments);
    fputc('\n', file);
    va_end(arguments);
    if (path) fclose(file);
}

void check_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    char detail[512], text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&one_at_a_time);
    snprintf(text, sizeof text, "%s:%d: %s/%s: [%s; BNORM_TEST_SEED=%llu] %s: %s\n", file, line, suite, name, context,
             (unsigned long long)test_seed(), condition, detail);
    if (failures++ < PRINTED_FAILURES) {
        fputs(text, stderr);
        strncat(report, text, sizeof report - strlen(report) - 1);
    }
    pthread_mutex_unlock(&one_at_a_time);
}

const char *check_report(void) { return report; }

int check_failures(void) { return failures; }
