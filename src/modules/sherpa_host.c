/* SPDX-License-Identifier: MIT */
/* The process in which sherpa-onnx runs: its library ends the process where a model does not please
   it. Started by the module, with a socket as descriptor 3, over which it first tells whether the
   model is loaded, in one message, and then gets a connection for each segment, on which it is
   a Wyoming server.

   sherpa-host LIBRARY FOLDER THREADS KIND LANGUAGE HOTWORDS     ("" = not given) */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sherpa-onnx/c-api/c-api.h>

#include "base/base.h"
#include "modules/sherpa_model.h"
#include "modules/wyoming.h"
#include "stt/gather.h"

enum { CONTROL_FD = 3, MESSAGE_BYTES = 512 };

#define CALLS(X)                                                                                   \
    X(SherpaOnnxGetVersionStr)                                                                     \
    X(SherpaOnnxCreateOnlineRecognizer)                                                            \
    X(SherpaOnnxCreateOnlineStream)                                                                \
    X(SherpaOnnxDestroyOnlineStream)                                                               \
    X(SherpaOnnxOnlineStreamAcceptWaveform)                                                        \
    X(SherpaOnnxOnlineStreamInputFinished)                                                         \
    X(SherpaOnnxIsOnlineStreamReady)                                                               \
    X(SherpaOnnxDecodeOnlineStream)                                                                \
    X(SherpaOnnxGetOnlineStreamResult)                                                             \
    X(SherpaOnnxDestroyOnlineRecognizerResult)                                                     \
    X(SherpaOnnxCreateOfflineRecognizer)                                                           \
    X(SherpaOnnxCreateOfflineStream)                                                               \
    X(SherpaOnnxDestroyOfflineStream)                                                              \
    X(SherpaOnnxAcceptWaveformOffline)                                                             \
    X(SherpaOnnxDecodeOfflineStream)                                                               \
    X(SherpaOnnxGetOfflineStreamResult)                                                            \
    X(SherpaOnnxDestroyOfflineRecognizerResult)

static struct {
#define MEMBER(name) __typeof__(&name) name;
    CALLS(MEMBER)
#undef MEMBER
} call;

struct host {
    struct vs__sherpa_model model;
    const char *language, *hotwords;
    int threads;
    const SherpaOnnxOnlineRecognizer *online;
    const SherpaOnnxOfflineRecognizer *offline;
    char *in, *out;
    /* the segment */
    int fd;
    size_t in_bytes;
    float *audio;
    size_t frames, room_frames;
    const SherpaOnnxOnlineStream *stream;
    char *told; /* the partial text that was sent last */
};

__attribute__((format(printf, 2, 3))) static void tell(const char *word, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list arguments;
    int at = snprintf(message, sizeof(message), "%s ", word);

    va_start(arguments, format);
    vsnprintf(message + at, sizeof(message) - (size_t)at, format, arguments);
    va_end(arguments);
    (void)!send(CONTROL_FD, message, strlen(message), MSG_NOSIGNAL);
}

/* loading ----------------------------------------------------------------------------------- */

/* The layout of its structures changes from version to version, so it must be that of the headers. */
static bool load_library(const char *path)
{
    void *library = dlopen(path[0] ? path : "libsherpa-onnx-c-api.so", RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        tell("missing", "sherpa-onnx does not load: %s", dlerror());
        return false;
    }
#define FIND(name)                                                                                 \
    *(void **)&call.name = dlsym(library, #name);                                                  \
    if (!call.name) {                                                                              \
        tell("missing", "sherpa-onnx lacks %s: it is too old", #name);                             \
        return false;                                                                              \
    }
    CALLS(FIND)
#undef FIND
    if (strcmp(call.SherpaOnnxGetVersionStr(), VS__SHERPA_VERSION) == 0) {
        return true;
    }
    tell("missing", "sherpa-onnx %s is here and this build is for %s: install that, or build again",
         call.SherpaOnnxGetVersionStr(), VS__SHERPA_VERSION);
    return false;
}

static void load_online(struct host *h)
{
    const struct vs__sherpa_model *m = &h->model;
    SherpaOnnxOnlineRecognizerConfig c = {
        .feat_config = {.sample_rate = VS_RATE_HZ, .feature_dim = 80},
        .model_config = {.tokens = m->tokens, .num_threads = h->threads, .provider = "cpu"},
        .decoding_method = h->hotwords ? "modified_beam_search" : "greedy_search",
        .max_active_paths = 4,
        .hotwords_file = h->hotwords,
        .hotwords_score = 1.5f,
    };

    if (m->kind == VS__SHERPA_STREAMING_TRANSDUCER) {
        c.model_config.transducer.encoder = m->encoder;
        c.model_config.transducer.decoder = m->decoder;
        c.model_config.transducer.joiner = m->joiner;
    } else if (m->kind == VS__SHERPA_STREAMING_PARAFORMER) {
        c.model_config.paraformer.encoder = m->encoder;
        c.model_config.paraformer.decoder = m->decoder;
    } else {
        c.model_config.zipformer2_ctc.model = m->model;
    }
    h->online = call.SherpaOnnxCreateOnlineRecognizer(&c);
}

static void choose_family(const struct host *h, SherpaOnnxOfflineModelConfig *c)
{
    const struct vs__sherpa_model *m = &h->model;

    switch (m->kind) {
    case VS__SHERPA_WHISPER:
        c->whisper.encoder = m->encoder;
        c->whisper.decoder = m->decoder;
        c->whisper.language = h->language ? h->language : "";
        c->whisper.task = "transcribe";
        c->whisper.tail_paddings = -1;
        break;
    case VS__SHERPA_MOONSHINE:
        c->moonshine.preprocessor = m->preprocessor;
        c->moonshine.encoder = m->encoder;
        c->moonshine.uncached_decoder = m->uncached;
        c->moonshine.cached_decoder = m->cached;
        c->moonshine.merged_decoder = m->merged;
        break;
    case VS__SHERPA_TRANSDUCER:
        c->transducer.encoder = m->encoder;
        c->transducer.decoder = m->decoder;
        c->transducer.joiner = m->joiner;
        break;
    case VS__SHERPA_PARAFORMER:
        c->paraformer.model = m->model;
        break;
    case VS__SHERPA_NEMO_CTC:
        c->nemo_ctc.model = m->model;
        break;
    case VS__SHERPA_SENSE_VOICE:
        c->sense_voice.model = m->model;
        c->sense_voice.language = h->language ? h->language : "auto";
        c->sense_voice.use_itn = 1;
        break;
    default:
        c->zipformer_ctc.model = m->model;
    }
}

static void load_offline(struct host *h)
{
    SherpaOnnxOfflineRecognizerConfig c = {
        .feat_config = {.sample_rate = VS_RATE_HZ, .feature_dim = 80},
        .model_config = {.tokens = h->model.tokens, .num_threads = h->threads, .provider = "cpu"},
        .decoding_method = h->hotwords ? "modified_beam_search" : "greedy_search",
        .max_active_paths = 4,
        .hotwords_file = h->hotwords,
        .hotwords_score = 1.5f,
    };

    choose_family(h, &c.model_config);
    h->offline = call.SherpaOnnxCreateOfflineRecognizer(&c);
}

static bool find_model(struct host *h, const char *folder, const char *kind)
{
    char why[400];
    int status = vs__sherpa_find(folder, kind, &h->model, why, sizeof(why));

    if (status != 0) {
        tell(status == -EINVAL ? "usage" : "files", "%s: %s", folder, why);
    }
    return status == 0;
}

static bool load_model(struct host *h, const char *folder)
{
    if (vs__sherpa_is_streaming(h->model.kind)) {
        load_online(h);
    } else {
        load_offline(h);
    }
    if (!h->online && !h->offline) {
        tell("damaged", "%s: sherpa-onnx refuses this model as one of the kind %s", folder,
             vs__sherpa_kind_name(h->model.kind));
        return false;
    }
    return true;
}

/* hearing ----------------------------------------------------------------------------------- */

static bool send_event(struct host *h, const char *type, const char *text)
{
    /* JSON refuses what is no UTF-8, which a model may well say */
    json_t *words = json_string(text);
    int length = vs__wyoming_put(type, json_pack("{s:o}", "text", words ? words : json_string("")),
                                 NULL, 0, h->out, VS__WYOMING_EVENT_BYTES);

    for (size_t at = 0; length > 0 && at < (size_t)length;) {
        ssize_t n = send(h->fd, h->out + at, (size_t)length - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return length > 0;
}

/* What is heard so far may change, so it is told as a fresh start. */
static bool tell_partial(struct host *h)
{
    const SherpaOnnxOnlineRecognizerResult *r =
        call.SherpaOnnxGetOnlineStreamResult(h->online, h->stream);
    const char *text = r && r->text ? r->text : "";
    bool is_sent = true;

    if (strcmp(text, h->told ? h->told : "") != 0) {
        free(h->told);
        h->told = strdup(text);
        is_sent = send_event(h, "transcript-start", text);
    }
    call.SherpaOnnxDestroyOnlineRecognizerResult(r);
    return is_sent;
}

static bool decode_online(struct host *h)
{
    while (call.SherpaOnnxIsOnlineStreamReady(h->online, h->stream)) {
        call.SherpaOnnxDecodeOnlineStream(h->online, h->stream);
    }
    return tell_partial(h);
}

static bool take_audio(struct host *h, const uint8_t *pcm, size_t bytes)
{
    size_t frames = bytes / 2;

    if (h->frames + frames > h->room_frames) {
        size_t room = 2 * (h->frames + frames);
        float *grown = realloc(h->audio, room * sizeof(*grown));
        if (!grown) {
            return false;
        }
        h->audio = grown;
        h->room_frames = room;
    }
    for (size_t i = 0; i < frames; i++) {
        h->audio[h->frames + i] =
            (float)(int16_t)(uint16_t)(pcm[2 * i] | pcm[2 * i + 1] << 8) / 32768.0f;
    }
    if (h->online) {
        call.SherpaOnnxOnlineStreamAcceptWaveform(h->stream, VS_RATE_HZ, h->audio, (int)frames);
        return decode_online(h);
    }
    h->frames += frames;
    return true;
}

static bool finish_online(struct host *h)
{
    static const float silence[VS_RATE_HZ * 3 / 10]; /* pushes the last words out of the network */

    call.SherpaOnnxOnlineStreamAcceptWaveform(h->stream, VS_RATE_HZ, silence, VS__COUNT(silence));
    call.SherpaOnnxOnlineStreamInputFinished(h->stream);
    return decode_online(h) && send_event(h, "transcript", h->told ? h->told : "");
}

static bool finish_offline(struct host *h)
{
    const SherpaOnnxOfflineStream *stream = call.SherpaOnnxCreateOfflineStream(h->offline);

    call.SherpaOnnxAcceptWaveformOffline(stream, VS_RATE_HZ, h->audio, (int)h->frames);
    call.SherpaOnnxDecodeOfflineStream(h->offline, stream);
    const SherpaOnnxOfflineRecognizerResult *r = call.SherpaOnnxGetOfflineStreamResult(stream);
    bool is_sent = send_event(h, "transcript", r && r->text ? r->text : "");
    call.SherpaOnnxDestroyOfflineRecognizerResult(r);
    call.SherpaOnnxDestroyOfflineStream(stream);
    return is_sent;
}

/* @return false: the segment is over, well or not */
static bool take_event(struct host *h, const struct vs__wyoming_event *e, const char *payload,
                       size_t bytes)
{
    if (strcmp(e->type, "audio-chunk") == 0) {
        return take_audio(h, (const uint8_t *)payload, bytes);
    }
    if (strcmp(e->type, "audio-stop") == 0) {
        (void)(h->online ? finish_online(h) : finish_offline(h));
        return false;
    }
    return true;
}

/* A segment: until its text was sent, or nobody wants it any more. */
static void serve(struct host *h)
{
    bool goes_on = true;

    h->in_bytes = h->frames = 0;
    h->stream = h->online ? call.SherpaOnnxCreateOnlineStream(h->online) : NULL;
    while (goes_on) {
        ssize_t n = recv(h->fd, h->in + h->in_bytes, VS__WYOMING_EVENT_BYTES - h->in_bytes, 0);
        if (n <= 0 && errno != EINTR) {
            break;
        }
        h->in_bytes += n > 0 ? (size_t)n : 0;
        for (int got = 1; goes_on && got == 1;) {
            struct vs__wyoming_event e = {0};
            size_t used = 0, payload = 0;
            got = vs__wyoming_take(h->in, h->in_bytes, &e, &used, &payload);
            if (got == 1) {
                goes_on = take_event(h, &e, h->in + used - payload, payload);
                json_decref(e.data);
                memmove(h->in, h->in + used, h->in_bytes - used);
                h->in_bytes -= used;
            }
            goes_on = goes_on && got >= 0;
        }
    }
    if (h->stream) {
        call.SherpaOnnxDestroyOnlineStream(h->stream);
    }
    free(h->told);
    h->told = NULL;
    close(h->fd);
}

/* @return a connection, or -1: the module is gone */
static int next_connection(void)
{
    char byte, space[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    int fd = -1;

    if (recvmsg(CONTROL_FD, &m, MSG_CMSG_CLOEXEC) <= 0) {
        return -1;
    }
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS) {
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    }
    return fd;
}

static const char *given(const char *argument)
{
    return argument[0] ? argument : NULL;
}

int main(int count, char **arguments)
{
    struct host h = {0};

    if (count != 7) {
        fprintf(stderr, "sherpa-host is started by voicestand\n");
        return 2;
    }
    h.threads = (int)strtol(arguments[3], NULL, 10);
    h.language = given(arguments[5]);
    h.hotwords = given(arguments[6]);
    h.in = malloc(VS__WYOMING_EVENT_BYTES);
    h.out = malloc(VS__WYOMING_EVENT_BYTES);
    if (!h.in || !h.out || !find_model(&h, arguments[2], given(arguments[4])) ||
        !load_library(arguments[1]) || !load_model(&h, arguments[2])) {
        return 1;
    }
    tell("ready", "%s", vs__sherpa_kind_name(h.model.kind));
    while ((h.fd = next_connection()) >= 0) {
        serve(&h);
    }
    return 0;
}
