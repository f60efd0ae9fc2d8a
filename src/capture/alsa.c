/* SPDX-License-Identifier: MIT */
/* The alsa module: "alsa[:PCM]", a device or plug-in of ALSA, read without blocking in libasound:
   waiting is a poll() of our own, which cancel() ends. The only file that includes its header. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <alsa/asoundlib.h>

#include "base/base.h"
#include "capture/check.h"

#define POLL_MAX    16
#define PERIODS_MIN 4u
/* A long buffer costs no delay in capture and bridges a late reader. */
#define BUFFER_MIN_MS 200u

struct alsa_source {
    const struct vs_env *env;
    snd_pcm_t *pcm;
    char *name;
    atomic_int wake;       /* eventfd + 1, 0 = none */
    atomic_bool cancelled; /* relaxed: carries no data */
    uint32_t rate_hz, channels;
    int format;
    snd_pcm_uframes_t period, buffer;
    bool paced; /* by a clock; else the null plug-in and what stands on it */
    bool started;
    bool jumped;       /* frames were lost before `position` */
    uint64_t position; /* of the next frame */
    int64_t next_ns;   /* when it is captured if nothing is lost, 0 = unknown */
    uint64_t overruns, suspends;
    int fds_count;
    struct pollfd fds[POLL_MAX + 1];
};

/* libasound's own words ---------------------------------------------------------------------- */

/* libasound prints to standard error unless a handler of the thread takes its words. */
static _Thread_local const struct vs_env *listener;

__attribute__((format(printf, 5, 0))) static void hear(const char *file, int line,
                                                       const char *function, int code,
                                                       const char *format, va_list list)
{
    char words[256];
    if (!listener)
        return;
    vsnprintf(words, sizeof(words), format, list);
    vs__log(&listener->log, VS_LOG_DEBUG, "capture", "libasound: %s", words);
}

static snd_local_error_handler_t begin_hearing(const struct vs_env *env)
{
    listener = env;
    return snd_lib_error_set_local(hear);
}

static void end_hearing(snd_local_error_handler_t before)
{
    snd_lib_error_set_local(before);
    listener = NULL;
}

/* opening ------------------------------------------------------------------------------------ */

static int refuse(const struct alsa_source *s, int status, const char *why)
{
    vs__log(&s->env->log, VS_LOG_ERROR, "capture", "alsa:%s: %s", s->name, why);
    return status;
}

static int open_pcm(struct alsa_source *s)
{
    int status = snd_pcm_open(&s->pcm, s->name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
    switch (status) {
    case 0:
        return 0;
    case -ENOENT:
    case -ENODEV:
    case -ENXIO:
        return refuse(s, -ENODEV, "there is no such microphone; see the list of devices");
    case -EBUSY:
    case -EAGAIN:
        return refuse(s, -EBUSY,
                      "another program uses it; end that program or choose another "
                      "device");
    case -EACCES:
    case -EPERM:
        return refuse(s, -EACCES, "this user may not use it; add the user to the group \"audio\"");
    default:
        return refuse(s, status, snd_strerror(status));
    }
}

static snd_pcm_format_t native_format(int format)
{
    switch (format) {
    case VS_FORMAT_S16:
        return SND_PCM_FORMAT_S16;
    case VS_FORMAT_S32:
        return SND_PCM_FORMAT_S32;
    case VS_FORMAT_F32:
        return SND_PCM_FORMAT_FLOAT;
    default:
        return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? SND_PCM_FORMAT_S24_3LE
                                                         : SND_PCM_FORMAT_S24_3BE;
    }
}

static int choose_format(struct alsa_source *s, snd_pcm_hw_params_t *hw, int wish)
{
    /* 16 bits hold what a microphone gives; a wish of F32 cannot be told from none */
    const int order[] = {wish, VS_FORMAT_S16, VS_FORMAT_S32, VS_FORMAT_F32, VS_FORMAT_S24};
    for (size_t i = wish == VS_FORMAT_F32 ? 1 : 0; i < VS__COUNT(order); i++) {
        if (snd_pcm_hw_params_set_format(s->pcm, hw, native_format(order[i])) == 0) {
            s->format = order[i];
            return 0;
        }
    }
    return refuse(s, -ENOTSUP, "it offers none of s16, s24, s32 and f32; put \"plug:\" before it");
}

static int choose_rate(struct alsa_source *s, snd_pcm_hw_params_t *hw, uint32_t wish)
{
    static const unsigned order[] = {48000, 16000, 44100, 32000, 96000};
    unsigned rate = wish ? wish : order[0];
    /* our own resampler is better than that of a plug-in */
    snd_pcm_hw_params_set_rate_resample(s->pcm, hw, 0);
    for (size_t i = 0; !wish && i < VS__COUNT(order); i++) {
        if (snd_pcm_hw_params_test_rate(s->pcm, hw, order[i], 0) == 0) {
            rate = order[i];
            break;
        }
    }
    if (snd_pcm_hw_params_set_rate_near(s->pcm, hw, &rate, NULL) < 0)
        return refuse(s, -ENOTSUP, "it has no sample rate that can be used");
    s->rate_hz = rate;
    return 0;
}

static int set_sizes(struct alsa_source *s, snd_pcm_hw_params_t *hw, uint32_t latency_ms)
{
    snd_pcm_uframes_t period = (snd_pcm_uframes_t)s->rate_hz * latency_ms / 1000;
    snd_pcm_uframes_t buffer;
    if (snd_pcm_hw_params_set_period_size_near(s->pcm, hw, &period, NULL) < 0)
        return -EINVAL;
    buffer = VS__MAX(PERIODS_MIN * period, (snd_pcm_uframes_t)s->rate_hz * BUFFER_MIN_MS / 1000);
    if (snd_pcm_hw_params_set_buffer_size_near(s->pcm, hw, &buffer) < 0)
        return -EINVAL;
    return 0;
}

static int set_hardware(struct alsa_source *s, const struct vs_capture_params *params)
{
    uint32_t latency_ms = params->latency_ms ? params->latency_ms : 10;
    unsigned channels = params->channels ? params->channels : 1;
    snd_pcm_hw_params_t *hw;
    int status;
    if (snd_pcm_hw_params_malloc(&hw) < 0)
        return -ENOMEM;
    status = snd_pcm_hw_params_any(s->pcm, hw);
    if (status >= 0)
        status = snd_pcm_hw_params_set_access(s->pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
    if (status < 0) {
        status = refuse(s, -ENOTSUP,
                        "it cannot be read in interleaved frames; put \"plug:\" "
                        "before it");
        goto out;
    }
    status = choose_format(s, hw, params->format);
    if (status == 0)
        status = choose_rate(s, hw, params->rate_hz);
    if (status < 0)
        goto out;
    if (snd_pcm_hw_params_set_channels_near(s->pcm, hw, &channels) < 0 ||
        set_sizes(s, hw, latency_ms) < 0 || snd_pcm_hw_params(s->pcm, hw) < 0 ||
        snd_pcm_hw_params_get_period_size(hw, &s->period, NULL) < 0 ||
        snd_pcm_hw_params_get_buffer_size(hw, &s->buffer) < 0) {
        status = refuse(s, -ENOTSUP,
                        "it refuses every combination of rate, channels and period; "
                        "put \"plug:\" before it");
        goto out;
    }
    s->channels = channels;
    status = vs__capture_check(s->env, s->name, -ENOTSUP, s->rate_hz, channels, s->format);
out:
    snd_pcm_hw_params_free(hw);
    return status;
}

static int set_software(struct alsa_source *s)
{
    snd_pcm_sw_params_t *sw;
    int status;
    if (snd_pcm_sw_params_malloc(&sw) < 0)
        return -ENOMEM;
    status = snd_pcm_sw_params_current(s->pcm, sw);
    if (status == 0)
        status = snd_pcm_sw_params_set_avail_min(s->pcm, sw, s->period);
    if (status == 0)
        status = snd_pcm_sw_params_set_tstamp_mode(s->pcm, sw, SND_PCM_TSTAMP_ENABLE);
    if (status == 0)
        status = snd_pcm_sw_params_set_tstamp_type(s->pcm, sw, SND_PCM_TSTAMP_TYPE_MONOTONIC);
    if (status == 0)
        status = snd_pcm_sw_params(s->pcm, sw);
    snd_pcm_sw_params_free(sw);
    if (status < 0)
        return refuse(s, -ENOTSUP,
                      "it refuses to tell the time of its frames; put \"plug:\" "
                      "before it");
    return 0;
}

/* The null plug-in, alone or under others, has no clock: it gives what is asked at once. */
static bool is_paced(const struct alsa_source *s)
{
    snd_output_t *out;
    char *text = NULL;
    size_t bytes;
    bool paced = true;
    if (snd_pcm_type(s->pcm) == SND_PCM_TYPE_NULL)
        return false;
    if (snd_output_buffer_open(&out) < 0)
        return true;
    if (snd_pcm_dump(s->pcm, out) == 0) {
        bytes = snd_output_buffer_string(out, &text);
        paced = !memmem(text, bytes, "Null PCM", strlen("Null PCM"));
    }
    snd_output_close(out);
    return paced;
}

static int set_waiting(struct alsa_source *s)
{
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0)
        return refuse(s, -errno, "no descriptor is left to wait with; raise the limit of files");
    atomic_store_explicit(&s->wake, wake + 1, memory_order_relaxed);
    s->fds_count = snd_pcm_poll_descriptors_count(s->pcm);
    if (s->fds_count < 1 || s->fds_count > POLL_MAX)
        return refuse(s, -ENOTSUP, "it cannot be waited for; put \"plug:\" before it");
    s->fds_count = snd_pcm_poll_descriptors(s->pcm, s->fds, POLL_MAX);
    if (s->fds_count < 1)
        return refuse(s, -ENOTSUP, "it cannot be waited for; put \"plug:\" before it");
    s->fds[s->fds_count] = (struct pollfd){.fd = wake, .events = POLLIN};
    return 0;
}

static int open_alsa(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    struct alsa_source *s = state;
    snd_local_error_handler_t before = begin_hearing(params->env);
    int status = -ENOMEM;
    s->env = params->env;
    s->name = vs__strdup(params->argument && *params->argument ? params->argument : "default");
    if (s->name)
        status = open_pcm(s);
    if (status == 0)
        status = set_hardware(s, params);
    if (status == 0)
        status = set_software(s);
    if (status == 0)
        status = set_waiting(s);
    if (status == 0) {
        s->paced = is_paced(s);
        ret->rate_hz = s->rate_hz;
        ret->channels = s->channels;
        ret->format = s->format;
        ret->live = s->paced;
        ret->latency_ns = 0;
        ret->total_frames = 0;
        ret->device = s->name;
    }
    end_hearing(before);
    return status;
}

/* reading ------------------------------------------------------------------------------------ */

/* @return 0 or -ECANCELED */
static int wait_ms(struct alsa_source *s, int timeout_ms)
{
    struct pollfd *wake = &s->fds[s->fds_count];
    if (poll(wake, 1, timeout_ms) > 0)
        return -ECANCELED;
    return 0;
}

static int start_pcm(struct alsa_source *s)
{
    int status = snd_pcm_start(s->pcm);
    int64_t now_ns = vs__mono_ns();
    if (status < 0)
        return status;
    if (s->next_ns != 0 && now_ns > s->next_ns) {
        /* after an overrun or a sleep: only the clock knows how much was lost */
        s->position += (uint64_t)(now_ns - s->next_ns) * s->rate_hz / 1000000000;
        s->jumped = true;
    }
    s->next_ns = now_ns;
    s->started = true;
    return 0;
}

/* Go on after an overrun (-EPIPE) or a sleep of the machine (-ESTRPIPE).
   @return 0, -ECANCELED or what cannot be mended. */
static int recover(struct alsa_source *s, int status)
{
    if (status == -ESTRPIPE) {
        int again;
        s->suspends++;
        while ((again = snd_pcm_resume(s->pcm)) == -EAGAIN) {
            if (wait_ms(s, 20) < 0)
                return -ECANCELED;
        }
    } else if (status == -EPIPE) {
        s->overruns++;
    } else {
        return status;
    }
    status = snd_pcm_prepare(s->pcm);
    return status < 0 ? status : start_pcm(s);
}

/* Sleep until the device has a period. @return 0, -ECANCELED or -errno. */
static int wait_period(struct alsa_source *s)
{
    unsigned short events = 0;
    if (poll(s->fds, (nfds_t)s->fds_count + 1, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (s->fds[s->fds_count].revents != 0)
        return -ECANCELED;
    /* some plug-ins need the call to take the event off their descriptor */
    snd_pcm_poll_descriptors_revents(s->pcm, s->fds, (unsigned)s->fds_count, &events);
    if (events & (POLLERR | POLLHUP | POLLNVAL)) {
        switch (snd_pcm_state(s->pcm)) {
        case SND_PCM_STATE_XRUN:
            return -EPIPE;
        case SND_PCM_STATE_SUSPENDED:
            return -ESTRPIPE;
        case SND_PCM_STATE_DISCONNECTED:
            return -ENODEV;
        default:
            return 0;
        }
    }
    return 0;
}

/* Wait for frames of a device with a clock. @return how many there are, or -errno. */
static snd_pcm_sframes_t wait_frames(struct alsa_source *s, size_t wanted)
{
    size_t enough = VS__MIN(wanted, s->period);
    bool is_raised = false; /* the descriptors say that there is enough */
    for (;;) {
        snd_pcm_sframes_t avail = snd_pcm_avail_update(s->pcm);
        int status;
        if (avail >= (snd_pcm_sframes_t)enough)
            return avail;
        if (avail < 0)
            status = (int)avail;
        else if (is_raised) /* they stay raised in some plug-ins: sleep as long as is missing */
            status = wait_ms(s, 1 + (int)((enough - (size_t)avail) * 1000 / s->rate_hz));
        else
            status = wait_period(s);
        is_raised = true;
        if (status == -EPIPE || status == -ESTRPIPE) {
            status = recover(s, status);
            is_raised = false;
        }
        if (status < 0)
            return status;
    }
}

/* When the oldest frame that is still to be read was captured. */
static int64_t stamp_oldest(struct alsa_source *s)
{
    snd_pcm_uframes_t avail = 0;
    snd_htimestamp_t at = {0};
    int64_t at_ns = 0;
    if (snd_pcm_htimestamp(s->pcm, &avail, &at) == 0)
        at_ns = (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
    if (at_ns == 0) {
        snd_pcm_sframes_t now = snd_pcm_avail_update(s->pcm);
        avail = now > 0 ? (snd_pcm_uframes_t)now : 0;
        at_ns = vs__mono_ns();
    }
    return at_ns - (int64_t)(avail * 1000000000 / s->rate_hz);
}

/* Some plug-ins drop audio without a word. Late reading cannot explain a gap in time that is as
   long as half the buffer: audio that waited in it has its own, earlier time. */
static void skip_lost(struct alsa_source *s, int64_t at_ns)
{
    int64_t buffer_ns = (int64_t)(s->buffer * 1000000000 / s->rate_hz);
    if (s->next_ns == 0 || at_ns - s->next_ns < buffer_ns / 2)
        return;
    s->position += (uint64_t)(at_ns - s->next_ns) * s->rate_hz / 1000000000;
    s->jumped = true;
}

static int64_t read_frames(struct alsa_source *s, void *pcm, size_t frames,
                           struct vs_capture_stamp *ret)
{
    for (;;) {
        snd_pcm_sframes_t got = (snd_pcm_sframes_t)frames;
        int64_t at_ns = 0;
        if (atomic_load_explicit(&s->cancelled, memory_order_relaxed))
            return -ECANCELED;
        if (!s->started) {
            int status = start_pcm(s);
            if (status < 0)
                return status;
        }
        if (s->paced) {
            got = wait_frames(s, frames);
            if (got < 0)
                return got;
            at_ns = stamp_oldest(s);
            skip_lost(s, at_ns);
        }
        got = snd_pcm_readi(s->pcm, pcm, VS__MIN((snd_pcm_uframes_t)got, frames));
        if (got == -EAGAIN || (got == 0 && s->paced))
            continue;
        if (got == -EPIPE || got == -ESTRPIPE) {
            got = recover(s, (int)got);
            if (got == 0)
                continue;
        }
        if (got <= 0)
            return got;
        *ret = (struct vs_capture_stamp){
            .position = s->position,
            .time_ns = at_ns,
            .flags = s->jumped ? VS_CAPTURE_ESTIMATED : 0,
        };
        s->jumped = false;
        s->position += (uint64_t)got;
        if (s->paced)
            s->next_ns = at_ns + got * 1000000000 / s->rate_hz;
        else
            s->next_ns = 0;
        return got;
    }
}

static int64_t read_alsa(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct alsa_source *s = state;
    snd_local_error_handler_t before = begin_hearing(NULL);
    /* the file plug-in gives nothing right beyond the size of the buffer */
    int64_t got = read_frames(s, pcm, VS__MIN(frames, s->buffer), ret);
    end_hearing(before);
    return got;
}

static void cancel_alsa(void *state)
{
    struct alsa_source *s = state;
    int wake = atomic_load_explicit(&s->wake, memory_order_relaxed) - 1;
    int saved = errno; /* it may be that of the code a signal interrupted */
    atomic_store_explicit(&s->cancelled, true, memory_order_relaxed);
    if (wake >= 0)
        (void)eventfd_write(wake, 1); /* fails if full: then it was cancelled often enough */
    errno = saved;
}

static void close_alsa(void *state)
{
    struct alsa_source *s = state;
    snd_local_error_handler_t before = begin_hearing(s->env);
    int wake = atomic_exchange_explicit(&s->wake, 0, memory_order_relaxed) - 1;
    if (s->overruns > 0 || s->suspends > 0)
        vs__log(&s->env->log, VS_LOG_INFO, "capture",
                "alsa:%s: %" PRIu64 " overruns and %" PRIu64 " sleeps of the machine", s->name,
                s->overruns, s->suspends);
    if (s->pcm)
        snd_pcm_close(s->pcm);
    if (wake >= 0)
        close(wake);
    vs__free(s->name);
    s->pcm = NULL;
    s->name = NULL;
    end_hearing(before);
}

/* devices ------------------------------------------------------------------------------------ */

/* Whether a name leads to something that records. Cards do. Of the other names, which are plug-ins
   and what the user defined, those that open; ways to servers that would be started by that, or
   complain on their own, are left to those who name them. */
static bool can_record(const char *name)
{
    static const char *const left_out[] = {"null", "jack", "oss", "pulse"};
    snd_pcm_t *pcm;

    if (strstr(name, "CARD="))
        return true;
    for (size_t i = 0; i < VS__COUNT(left_out); i++)
        if (strcmp(name, left_out[i]) == 0)
            return false;
    int rc = snd_pcm_open(&pcm, name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
    if (rc == 0)
        snd_pcm_close(pcm);
    return rc == 0 || rc == -EBUSY;
}

static bool visit_hint(void *hint, void (*visit)(void *, const struct vs_device *), void *user)
{
    char *name = snd_device_name_get_hint(hint, "NAME");
    char *words = snd_device_name_get_hint(hint, "DESC");
    char *way = snd_device_name_get_hint(hint, "IOID"); /* none = both ways */
    char capture[512];
    bool is_input = name && (!way || strcmp(way, "Input") == 0) && can_record(name);
    if (is_input) {
        struct vs_device device = {.size = sizeof(device), .capture = capture};
        snprintf(capture, sizeof(capture), "alsa:%s", name);
        for (char *p = words; p && *p; p++)
            *p = *p == '\n' ? ' ' : *p;
        device.description = words ? words : name;
        device.is_default = strcmp(name, "default") == 0;
        visit(user, &device);
    }
    free(name);
    free(words);
    free(way);
    return is_input;
}

static int list_alsa(const struct vs_env *env,
                     void (*visit)(void *user, const struct vs_device *device), void *user)
{
    snd_local_error_handler_t before = begin_hearing(env);
    void **hints = NULL;
    int count = snd_device_name_hint(-1, "pcm", &hints);
    if (count == 0) {
        for (size_t i = 0; hints[i]; i++)
            count += visit_hint(hints[i], visit, user);
        snd_device_name_free_hint(hints);
    }
    end_hearing(before);
    return count;
}

static const struct vs_capture_ops alsa_ops = {
    .abi = VS_BACKEND_ABI,
    .name = "alsa",
    .description = "ALSA devices and plug-ins; alsa:PCM names one",
    .state_size = sizeof(struct alsa_source),
    .open = open_alsa,
    .read = read_alsa,
    .cancel = cancel_alsa,
    .close = close_alsa,
    .list = list_alsa,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {
    .abi = VS_BACKEND_ABI,
    .capture = &alsa_ops,
};
