/* SPDX-License-Identifier: MIT */
/* A network on a device of OpenVINO, in our own words. OpenVINO's library is looked for at run time:
   in the folders that vs_env names, then where the dynamic linker looks, then where Debian, Intel's
   archive and Python's wheel put it. It stays loaded until the process ends. */
#ifndef VS_SRC_MODULES_OPENVINO_H
#define VS_SRC_MODULES_OPENVINO_H

#include <voicestand/base.h>

#include "base/base.h"

/** One input or output of a network: floats in memory that the device's own request owns. */
struct vs__ov_port {
    char name[64];
    float *data;
    size_t count;
};

#define VS__OV_PORTS 8u /* most inputs, and most outputs */

/** A network, compiled for a device. */
struct vs__ov_network;

/** Compile the ONNX in `bytes` (of `size`) for `device` ("CPU", "NPU", "AUTO:NPU,CPU"). OpenVINO parses it in
    this process, so it must be of our own making: no file is read. Shapes must be fixed and all ports float.
    Blocks, for seconds on a device that compiles for the first time.
    @return 0; -ENOTSUP no OpenVINO here, or not its kind of network; -ENODEV no such device; -EIO the
    device refuses it. The log gets one sentence. */
int vs__ov_open(const struct vs_env *env, const char *device, const void *bytes, size_t size,
                struct vs__ov_network **ret);
void vs__ov_close(struct vs__ov_network *n);

/** Ports in the order of the file. @return NULL behind the last. */
const struct vs__ov_port *vs__ov_input(const struct vs__ov_network *n, size_t index);
const struct vs__ov_port *vs__ov_output(const struct vs__ov_network *n, size_t index);
/** Where it runs, as OpenVINO says: "CPU", "NPU". Lives as long as the network. */
const char *vs__ov_device(const struct vs__ov_network *n);

/** Inputs to outputs. Blocks until the device has answered. @return 0 or -EIO */
int vs__ov_infer(struct vs__ov_network *n);

/** Visit the devices that OpenVINO has here. Blocks.
    @return how many, or -ENOTSUP: no OpenVINO; the log gets one sentence */
int vs__ov_list(const struct vs_env *env,
                void (*visit)(void *user, const char *name, const char *description), void *user);

#endif
