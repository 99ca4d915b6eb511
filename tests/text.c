/* What is asked rather than computed: names, version, block sizes. */
#include "support/check.h"
#include "support/problem.h"

#include <stdio.h>

CASE(text, status_strings)
{
    static const char *const names[] = {
        "BNORM_OK",         "BNORM_NULL",        "BNORM_UNKNOWN_ABI",     "BNORM_UNKNOWN_ISA",
        "BNORM_BAD_ENUM",   "BNORM_UNSUPPORTED", "BNORM_NO_FEATURES",     "BNORM_OVERFLOW",
        "BNORM_BAD_STRIDE", "BNORM_BAD_EPS",     "BNORM_BAD_UPDATE_RATE", "BNORM_BAD_THREADS",
        "BNORM_ONE_VALUE",  "BNORM_OVERLAP",     "BNORM_X_OVERWRITTEN",   "BNORM_WORKSPACE",
        "BNORM_NO_MEMORY",  "BNORM_MISMATCH",    "BNORM_NOT_ADJACENT",    "BNORM_CORRUPT",
        "BNORM_MPI"};
    for (int i = 0; i <= BNORM_MPI; i++)
        CHECK(strcmp(bnorm_status_string((bnorm_status)i), names[i]) == 0, "%d is \"%s\", not %s", i,
              bnorm_status_string((bnorm_status)i), names[i]);
    const int none[] = {-1, BNORM_MPI + 1, 1000000};
    for (int i = 0; i < 3; i++)
        CHECK(strcmp(bnorm_status_string((bnorm_status)none[i]), "unknown status") == 0, "%d", none[i]);
}

CASE(text, version_and_instruction_set)
{
    unsigned major, minor, patch;
    char rest;
    CHECK(sscanf(bnorm_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest) == 3, "\"%s\"", bnorm_version());
    CHECK(strcmp(bnorm_version(), BNORM_TESTED_VERSION) == 0, "\"%s\" in the library, %s in the build", bnorm_version(),
          BNORM_TESTED_VERSION);
    static const char *const sets[] = {"generic", "avx2", "avx512", "neon"};
    int known = 0;
    for (int i = 0; i < 4; i++) known += strcmp(bnorm_isa(), sets[i]) == 0;
    CHECK(known == 1, "\"%s\"", bnorm_isa());
    note("instruction set: %s", bnorm_isa());
}

/* A power of two, independent of the batch, and never more than 4096 values of one feature. */
CASE(text, block_rows)
{
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (size_t features = 1; features < 100000; features = features * 3 + 1)
            for (size_t spatial = 1; spatial < 60000; spatial = spatial * 7 + 2) {
                bnorm_desc d = bnorm_image(all_types[kind % TYPES], all_layouts[kind / TYPES], 10, features, spatial);
                describe("%s, channels %s, %zu features, spatial %zu", type_name(d.dtype), layout_name(d.layout),
                         features, spatial);
                size_t rows = 0, again = 0;
                CHECK(bnorm_block_rows(&d, &rows) == BNORM_OK, "status");
                CHECK(rows > 0 && (rows & (rows - 1)) == 0, "%zu is no power of two", rows);
                CHECK(rows == 1 || rows * spatial <= 4096, "%zu rows of %zu", rows, spatial);
                for (int i = 0; i < 4; i++) {
                    static const size_t batches[] = {0, 1, 3, 100000};
                    d.batch = batches[i];
                    d.threads = i;
                    CHECK(bnorm_block_rows(&d, &again) == BNORM_OK && again == rows, "%zu at batch %zu", again,
                          d.batch);
                }
            }
}
