/* SPDX-License-Identifier: MIT */
/* Sentences for the user's log, and the sentences of status codes. */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void vs__log(const struct vs_log *log, int level, const char *topic, const char *format, ...)
{
    if (!log || !log->write)
        return;
    char line[512];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    log->write(log->user, level, topic, line);
}

const char *vs_version(void)
{
    return VS__VERSION;
}

size_t vs_format_bytes(int format)
{
    switch (format) {
    case VS_FORMAT_F32:
    case VS_FORMAT_S32:
        return 4;
    case VS_FORMAT_S24:
        return 3;
    case VS_FORMAT_S16:
        return 2;
    default:
        return 0;
    }
}

const char *vs_strerror(int status)
{
    static const struct {
        int status;
        const char *sentence;
    } sentences[] = {
        {-EINVAL, "a value is not allowed"},
        {-ENOENT, "no such file, model or backend"},
        {-ENODEV, "no such device"},
        {-EHOSTDOWN, "the audio server does not answer"},
        {-EACCES, "permission denied"},
        {-EPERM, "operation not permitted"},
        {-EISDIR, "it is a directory"},
        {-EBADMSG, "not audio of a known format, or damaged"},
        {-ENOTSUP, "not available in this build or on this machine"},
        {-ENOMEM, "out of memory"},
        {-EALREADY, "it has run already"},
        {-ECANCELED, "aborted"},
        {-EBUSY, "the device is in use"},
        {-EAGAIN, "no thread could be started"},
        {-ENOSPC, "the disk is full"},
        {-EPIPE, "the reader is gone"},
        {-EIO, "input or output failed"},
        {-ETIMEDOUT, "it took too long"},
        {-EMFILE, "too many open files"},
    };

    if (status >= 0)
        return "success";
    for (size_t i = 0; i < VS__COUNT(sentences); i++)
        if (sentences[i].status == status)
            return sentences[i].sentence;
    return "an operating-system error";
}
