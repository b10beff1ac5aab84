/* must.h - what a fuzz target holds to: abort() is what libFuzzer reports */
#ifndef TD_FUZZ_MUST_H
#define TD_FUZZ_MUST_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define MUST(cond)   \
    do {             \
        if (!(cond)) \
            abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
