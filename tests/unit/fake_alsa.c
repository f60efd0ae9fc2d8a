/* SPDX-License-Identifier: MIT */
#include "fake_alsa.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <alsa/asoundlib.h>

struct fake_card fake_card;

#define F (&fake_card)

static bool fails(const char *name)
{
    return F->fail && strcmp(F->fail, name) == 0 && F->calls++ == 0;
}

#define FAIL_HERE()                                                                                \
    if (fails(__func__))                                                                           \
    return F->error

static long next(struct fake_answers *a)
{
    long value = a->value[a->at];

    a->at += a->at + 1 < a->count;
    return value;
}

/* errors ----------------------------------------------------------------------------------------- */

static _Thread_local snd_local_error_handler_t handler;

snd_local_error_handler_t snd_lib_error_set_local(snd_local_error_handler_t func)
{
    snd_local_error_handler_t before = handler;

    handler = func;
    return before;
}

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (handler)
        handler(__FILE__, 1, __func__, 0, format, list);
    va_end(list);
}

const char *snd_strerror(int error)
{
    return strerror(-error);
}

/* opening ---------------------------------------------------------------------------------------- */

int snd_pcm_open(snd_pcm_t **ret, const char *name, snd_pcm_stream_t stream, int mode)
{
    (void)stream;
    (void)mode;
    complain("asked for %s", name);
    if (F->open == 0) {
        *ret = (snd_pcm_t *)F;
        F->live++;
    }
    return F->open;
}

int snd_pcm_close(snd_pcm_t *pcm)
{
    F->live -= pcm != NULL;
    return 0;
}

int snd_pcm_hw_params_malloc(snd_pcm_hw_params_t **ret)
{
    FAIL_HERE();
    *ret = (snd_pcm_hw_params_t *)F;
    F->live++;
    return 0;
}

void snd_pcm_hw_params_free(snd_pcm_hw_params_t *hw)
{
    F->live -= hw != NULL;
}

int snd_pcm_hw_params_any(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_hw_params_set_access(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, snd_pcm_access_t access)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_hw_params_set_format(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, snd_pcm_format_t format)
{
    return F->formats >> format & 1 ? 0 : -EINVAL;
}

int snd_pcm_hw_params_set_rate_resample(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, unsigned on)
{
    return 0;
}

int snd_pcm_hw_params_test_rate(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, unsigned rate, int dir)
{
    return F->rate_hz == 0 || rate == F->rate_hz ? 0 : -EINVAL;
}

int snd_pcm_hw_params_set_rate_near(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, unsigned *rate,
                                    int *dir)
{
    FAIL_HERE();
    *rate = F->rate_hz ? F->rate_hz : *rate;
    return 0;
}

int snd_pcm_hw_params_set_channels_near(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, unsigned *channels)
{
    FAIL_HERE();
    *channels = F->channels ? F->channels : *channels;
    return 0;
}

int snd_pcm_hw_params_set_period_size_near(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw,
                                           snd_pcm_uframes_t *frames, int *dir)
{
    FAIL_HERE();
    F->period = *frames;
    return 0;
}

int snd_pcm_hw_params_set_buffer_size_near(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw,
                                           snd_pcm_uframes_t *frames)
{
    FAIL_HERE();
    F->buffer = *frames;
    return 0;
}

int snd_pcm_hw_params(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_hw_params_get_period_size(const snd_pcm_hw_params_t *hw, snd_pcm_uframes_t *ret,
                                      int *dir)
{
    FAIL_HERE();
    *ret = F->period;
    return 0;
}

int snd_pcm_hw_params_get_buffer_size(const snd_pcm_hw_params_t *hw, snd_pcm_uframes_t *ret)
{
    FAIL_HERE();
    *ret = F->buffer;
    return 0;
}

int snd_pcm_sw_params_malloc(snd_pcm_sw_params_t **ret)
{
    FAIL_HERE();
    *ret = (snd_pcm_sw_params_t *)F;
    F->live++;
    return 0;
}

void snd_pcm_sw_params_free(snd_pcm_sw_params_t *sw)
{
    F->live -= sw != NULL;
}

int snd_pcm_sw_params_current(snd_pcm_t *pcm, snd_pcm_sw_params_t *sw)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_sw_params_set_avail_min(snd_pcm_t *pcm, snd_pcm_sw_params_t *sw,
                                    snd_pcm_uframes_t frames)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_sw_params_set_tstamp_mode(snd_pcm_t *pcm, snd_pcm_sw_params_t *sw,
                                      snd_pcm_tstamp_t mode)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_sw_params_set_tstamp_type(snd_pcm_t *pcm, snd_pcm_sw_params_t *sw,
                                      snd_pcm_tstamp_type_t type)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_sw_params(snd_pcm_t *pcm, snd_pcm_sw_params_t *sw)
{
    FAIL_HERE();
    return 0;
}

snd_pcm_type_t snd_pcm_type(snd_pcm_t *pcm)
{
    return F->is_null ? SND_PCM_TYPE_NULL : SND_PCM_TYPE_HW;
}

int snd_output_buffer_open(snd_output_t **ret)
{
    FAIL_HERE();
    *ret = (snd_output_t *)F;
    F->live++;
    return 0;
}

size_t snd_output_buffer_string(snd_output_t *out, char **ret)
{
    *ret = (char *)(uintptr_t)F->dump;
    return strlen(F->dump);
}

int snd_output_close(snd_output_t *out)
{
    F->live -= out != NULL;
    return 0;
}

int snd_pcm_dump(snd_pcm_t *pcm, snd_output_t *out)
{
    FAIL_HERE();
    return 0;
}

int snd_pcm_poll_descriptors_count(snd_pcm_t *pcm)
{
    return F->fds;
}

int snd_pcm_poll_descriptors(snd_pcm_t *pcm, struct pollfd *fds, unsigned count)
{
    for (int i = 0; i < F->given_fds && i < (int)count; i++)
        fds[i] = (struct pollfd){.fd = F->fd, .events = POLLIN};
    return F->given_fds;
}

/* reading ---------------------------------------------------------------------------------------- */

int snd_pcm_poll_descriptors_revents(snd_pcm_t *pcm, struct pollfd *fds, unsigned count,
                                     unsigned short *ret)
{
    *ret = F->events;
    return 0;
}

snd_pcm_state_t snd_pcm_state(snd_pcm_t *pcm)
{
    return (snd_pcm_state_t)F->state;
}

int snd_pcm_start(snd_pcm_t *pcm)
{
    FAIL_HERE();
    F->starts++;
    return 0;
}

int snd_pcm_prepare(snd_pcm_t *pcm)
{
    FAIL_HERE();
    F->prepares++;
    return 0;
}

int snd_pcm_resume(snd_pcm_t *pcm)
{
    return (int)next(&F->resume);
}

snd_pcm_sframes_t snd_pcm_avail_update(snd_pcm_t *pcm)
{
    if (F->on_avail)
        F->on_avail();
    return next(&F->avail);
}

int snd_pcm_htimestamp(snd_pcm_t *pcm, snd_pcm_uframes_t *avail, snd_htimestamp_t *ret)
{
    if (F->captured_ns < 0)
        return -EIO;
    *avail = 0;
    ret->tv_sec = F->captured_ns / 1000000000;
    ret->tv_nsec = F->captured_ns % 1000000000;
    return 0;
}

snd_pcm_sframes_t snd_pcm_readi(snd_pcm_t *pcm, void *buffer, snd_pcm_uframes_t frames)
{
    long answer = next(&F->read);

    return answer > (long)frames ? (long)frames : answer;
}

/* devices ---------------------------------------------------------------------------------------- */

/* "NAME|DESC|IOID", an empty part is none. */
static const char *const hints[] = {"hw:CARD=A|Card A\nits microphone|Input",
                                    "hw:CARD=B|Card B|Output",
                                    "null|Nothing|",
                                    "default||",
                                    "jack|Jack|",
                                    "broken",
                                    NULL};

int snd_device_name_hint(int card, const char *kind, void ***ret)
{
    FAIL_HERE();
    *ret = (void **)(uintptr_t)hints;
    F->live++;
    return 0;
}

int snd_device_name_free_hint(void **given)
{
    F->live -= given != NULL;
    return 0;
}

char *snd_device_name_get_hint(const void *hint, const char *part)
{
    const char *at = hint;

    for (int skip = strcmp(part, "NAME") == 0   ? 0
                    : strcmp(part, "DESC") == 0 ? 1
                                                : 2;
         skip > 0; skip--)
        if ((at = strchr(at, '|')) == NULL || *at++ == '\0')
            return NULL;
    size_t bytes = strcspn(at, "|");
    return bytes > 0 && strchr(hint, '|') ? strndup(at, bytes) : NULL;
}
