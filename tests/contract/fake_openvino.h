/* SPDX-License-Identifier: MIT */
/* A library in OpenVINO's place that does as a script says: which call fails, what there is, what comes out. */
#ifndef VS_TESTS_CONTRACT_FAKE_OPENVINO_H
#define VS_TESTS_CONTRACT_FAKE_OPENVINO_H

#include <stddef.h>

enum { FAKE_PORTS = 10, FAKE_FLOATS = 4096 };

struct fake_port {
    const char *name;
    size_t count, float_bytes;
};

/** The library exports one of these under the name `fake_openvino`. */
struct fake_openvino {
    const char *fail;     /**< the call that fails, NULL = none */
    unsigned fail_at;     /**< which of its calls, from 0 */
    const char *message;  /**< of the last failure */
    const char *devices;  /**< "CPU,NPU" */
    const char *supports; /**< properties that devices have */
    const char *can;      /**< capabilities of them */
    const char *runs_on;  /**< where a network is */
    struct fake_port inputs[FAKE_PORTS], outputs[FAKE_PORTS];
    size_t input_count, output_count;
    float answer, next; /**< what comes out: of one number; of more */

    unsigned calls;           /**< of `fail` so far */
    int live;                 /**< things that were given and not taken back */
    char asked[1024];         /**< options of the last compiling, "A=B;C=D;" */
    char network[8];          /**< "silero" or "native", as the bytes say */
    float heard[FAKE_FLOATS]; /**< what went in last, of the first input */
    float memory[2 * FAKE_PORTS][FAKE_FLOATS];
};

#endif
