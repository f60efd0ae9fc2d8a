/* SPDX-License-Identifier: MIT */
/* OpenVINO's C interface, as far as it is called. Handles are addresses in the script's own memory. */
#include "fake_openvino.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openvino/c/openvino.h>

extern struct fake_openvino fake_openvino;
__attribute__((visibility("default"))) struct fake_openvino fake_openvino;

#define F (&fake_openvino)

static bool fails(const char *name)
{
    return F->fail && strcmp(F->fail, name) == 0 && F->calls++ == F->fail_at;
}

#define FAIL_HERE()                                                                                \
    if (fails(__func__))                                                                           \
    return GENERAL_ERROR

static char *give(const char *text)
{
    F->live += text != NULL;
    return text ? strdup(text) : NULL;
}

static void take(const void *handle)
{
    F->live -= handle != NULL;
}

/* Port `i` of all, inputs first: its place in the memory is its tensor. */
static const struct fake_port *port_at(const void *handle)
{
    size_t i = (size_t)((const float *)handle - F->memory[0]) / FAKE_FLOATS;

    return i < F->input_count ? &F->inputs[i] : &F->outputs[i - F->input_count];
}

ov_status_e ov_get_openvino_version(ov_version_t *version)
{
    FAIL_HERE();
    version->buildNumber = give("fake");
    version->description = NULL;
    return OK;
}

void ov_version_free(ov_version_t *version)
{
    take(version->buildNumber);
    free((char *)(size_t)version->buildNumber);
}

const char *ov_get_last_err_msg(void); /* the header's has no parameters told */
const char *ov_get_last_err_msg(void)
{
    return F->message;
}

void ov_free(const char *content)
{
    take(content);
    free((char *)(size_t)content);
}

ov_status_e ov_core_create(ov_core_t **core)
{
    FAIL_HERE();
    *core = (ov_core_t *)F;
    return OK;
}

ov_status_e ov_core_get_available_devices(const ov_core_t *core, ov_available_devices_t *devices)
{
    char *all, *rest, *name;

    (void)core;
    FAIL_HERE();
    all = rest = strdup(F->devices);
    devices->devices = calloc(16, sizeof(char *));
    for (devices->size = 0; (name = strsep(&rest, ",")) != NULL; devices->size++)
        devices->devices[devices->size] = give(name);
    free(all);
    return OK;
}

void ov_available_devices_free(ov_available_devices_t *devices)
{
    for (size_t i = 0; i < devices->size; i++)
        ov_free(devices->devices[i]);
    free(devices->devices);
}

ov_status_e ov_core_get_property(const ov_core_t *core, const char *device, const char *key,
                                 char **value)
{
    (void)core;
    FAIL_HERE();
    if (strcmp(key, "SUPPORTED_PROPERTIES") == 0)
        *value = give(F->supports);
    else if (strcmp(key, "OPTIMIZATION_CAPABILITIES") == 0)
        *value = give(F->can);
    else if (strcmp(key, "FULL_DEVICE_NAME") == 0)
        *value = give(device);
    else
        return GENERAL_ERROR;
    return OK;
}

ov_status_e ov_core_set_property(const ov_core_t *core, const char *device, ...)
{
    (void)core;
    (void)device;
    FAIL_HERE();
    return OK;
}

ov_status_e ov_core_read_model_from_memory_buffer(const ov_core_t *core, const char *bytes,
                                                  const size_t size, const ov_tensor_t *weights,
                                                  ov_model_t **ret)
{
    (void)core;
    (void)weights;
    FAIL_HERE();
    snprintf(F->network, sizeof(F->network), "%s",
             memmem(bytes, size, "\x12\x06silero", 8)   ? "silero"
             : memmem(bytes, size, "\x12\x06native", 8) ? "native"
                                                        : "other");
    *ret = (ov_model_t *)F;
    F->live++;
    return OK;
}

ov_status_e ov_core_compile_model(const ov_core_t *core, const ov_model_t *model,
                                  const char *device, const size_t count, ov_compiled_model_t **ret,
                                  ...)
{
    va_list list;
    size_t used = 0;

    (void)core;
    (void)model;
    (void)device;
    FAIL_HERE();
    va_start(list, ret);
    F->asked[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(F->asked + used, sizeof(F->asked) - used, "%s%c",
                                 va_arg(list, const char *), i % 2 ? ';' : '=');
    va_end(list);
    *ret = (ov_compiled_model_t *)F;
    F->live++;
    return OK;
}

void ov_model_free(ov_model_t *model)
{
    take(model);
}

ov_status_e ov_compiled_model_inputs_size(const ov_compiled_model_t *model, size_t *ret)
{
    (void)model;
    FAIL_HERE();
    *ret = F->input_count;
    return OK;
}

ov_status_e ov_compiled_model_outputs_size(const ov_compiled_model_t *model, size_t *ret)
{
    (void)model;
    FAIL_HERE();
    *ret = F->output_count;
    return OK;
}

ov_status_e ov_compiled_model_input_by_index(const ov_compiled_model_t *model, const size_t index,
                                             ov_output_const_port_t **ret)
{
    (void)model;
    FAIL_HERE();
    *ret = (ov_output_const_port_t *)(void *)F->memory[index];
    F->live++;
    return OK;
}

ov_status_e ov_compiled_model_output_by_index(const ov_compiled_model_t *model, const size_t index,
                                              ov_output_const_port_t **ret)
{
    (void)model;
    FAIL_HERE();
    *ret = (ov_output_const_port_t *)(void *)F->memory[F->input_count + index];
    F->live++;
    return OK;
}

ov_status_e ov_compiled_model_get_property(const ov_compiled_model_t *model, const char *key,
                                           char **value)
{
    (void)model;
    (void)key;
    FAIL_HERE();
    *value = give(F->runs_on);
    return OK;
}

ov_status_e ov_compiled_model_create_infer_request(const ov_compiled_model_t *model,
                                                   ov_infer_request_t **ret)
{
    (void)model;
    FAIL_HERE();
    *ret = (ov_infer_request_t *)F;
    F->live++;
    return OK;
}

void ov_compiled_model_free(ov_compiled_model_t *model)
{
    take(model);
}

ov_status_e ov_port_get_any_name(const ov_output_const_port_t *port, char **ret)
{
    FAIL_HERE();
    *ret = give(port_at(port)->name);
    return OK;
}

void ov_output_const_port_free(ov_output_const_port_t *port)
{
    take(port);
}

ov_status_e ov_infer_request_get_tensor_by_const_port(const ov_infer_request_t *request,
                                                      const ov_output_const_port_t *port,
                                                      ov_tensor_t **ret)
{
    (void)request;
    FAIL_HERE();
    *ret = (ov_tensor_t *)(size_t)port;
    F->live++;
    return OK;
}

ov_status_e ov_infer_request_infer(ov_infer_request_t *request)
{
    (void)request;
    FAIL_HERE();
    memcpy(F->heard, F->memory[0], F->inputs[0].count * sizeof(float));
    for (size_t i = 0; i < F->output_count; i++)
        for (size_t k = 0; k < F->outputs[i].count; k++)
            F->memory[F->input_count + i][k] = F->outputs[i].count == 1 ? F->answer : F->next;
    return OK;
}

void ov_infer_request_free(ov_infer_request_t *request)
{
    take(request);
}

ov_status_e ov_tensor_data(const ov_tensor_t *tensor, void **ret)
{
    FAIL_HERE();
    *ret = (void *)(size_t)tensor;
    return OK;
}

ov_status_e ov_tensor_get_size(const ov_tensor_t *tensor, size_t *ret)
{
    FAIL_HERE();
    *ret = port_at(tensor)->count;
    return OK;
}

ov_status_e ov_tensor_get_byte_size(const ov_tensor_t *tensor, size_t *ret)
{
    FAIL_HERE();
    *ret = port_at(tensor)->count * port_at(tensor)->float_bytes;
    return OK;
}

#ifndef FAKE_IS_OLD /* what an older library might lack */
void ov_tensor_free(ov_tensor_t *tensor)
{
    take(tensor);
}
#endif
