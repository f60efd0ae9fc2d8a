/* SPDX-License-Identifier: MIT */
/* The process in which sherpa-onnx runs: its library ends the process where a model does not please
   it.

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
#include "host/serve.h"
#include "host/sherpa_model.h"
#include "modules/sandbox.h"

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
    unsigned layers; /* of the sandbox */
    struct vs__sherpa_model model;
    const char *language, *hotwords;
    int threads;
    const SherpaOnnxOnlineRecognizer *online;
    const SherpaOnnxOfflineRecognizer *offline;
    /* the segment */
    float *audio;
    size_t frames, room_frames;
    const SherpaOnnxOnlineStream *stream;
    char *text; /* so far */
};

/* loading ----------------------------------------------------------------------------------- */

/* The layout of its structures changes from version to version, so it must be that of the headers. */
static bool load_library(const char *path)
{
    void *library = dlopen(path[0] ? path : "libsherpa-onnx-c-api.so", RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        vs__serve_tell("missing", "sherpa-onnx does not load: %s", dlerror());
        return false;
    }
#define FIND(name)                                                                                 \
    *(void **)&call.name = dlsym(library, #name);                                                  \
    if (!call.name) {                                                                              \
        vs__serve_tell("missing", "sherpa-onnx lacks %s: it is too old", #name);                   \
        return false;                                                                              \
    }
    CALLS(FIND)
#undef FIND
    if (strcmp(call.SherpaOnnxGetVersionStr(), VS__SHERPA_VERSION) == 0) {
        return true;
    }
    vs__serve_tell("missing",
                   "sherpa-onnx %s is here and this build is for %s: install that, or build again",
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
        vs__serve_tell(status == -EINVAL ? "usage" : "files", "%s: %s", folder, why);
    }
    return status == 0;
}

/* Models come from others, and ONNX names files of its own: before one is read, no file can be opened but
   the model's and the hot words. */
static void give_up_rights(struct host *h, const char *folder)
{
    const struct vs__sherpa_model *m = &h->model;
    const char *models[] = {folder,      h->hotwords ? h->hotwords : "",
                            m->tokens,   m->encoder,
                            m->decoder,  m->joiner,
                            m->model,    m->preprocessor,
                            m->uncached, m->cached,
                            m->merged,   NULL};

    h->layers = vs__sandbox_engine(models);
}

static bool load_model(struct host *h, const char *folder)
{
    give_up_rights(h, folder);
    if (vs__sherpa_is_streaming(h->model.kind)) {
        load_online(h);
    } else {
        load_offline(h);
    }
    if (!h->online && !h->offline) {
        vs__serve_tell("damaged", "%s: sherpa-onnx refuses this model as one of the kind %s",
                       folder, vs__sherpa_kind_name(h->model.kind));
        return false;
    }
    return true;
}

/* hearing ----------------------------------------------------------------------------------- */

static void set_text(struct host *h, const char *text)
{
    free(h->text);
    h->text = strdup(text ? text : "");
}

static bool begin(void *user)
{
    struct host *h = user;

    h->frames = 0;
    set_text(h, "");
    h->stream = h->online ? call.SherpaOnnxCreateOnlineStream(h->online) : NULL;
    return !h->online || h->stream;
}

static void decode_online(struct host *h)
{
    while (call.SherpaOnnxIsOnlineStreamReady(h->online, h->stream)) {
        call.SherpaOnnxDecodeOnlineStream(h->online, h->stream);
    }
    const SherpaOnnxOnlineRecognizerResult *r =
        call.SherpaOnnxGetOnlineStreamResult(h->online, h->stream);
    set_text(h, r ? r->text : NULL);
    call.SherpaOnnxDestroyOnlineRecognizerResult(r);
}

static bool feed(void *user, const float *audio, size_t frames)
{
    struct host *h = user;

    if (h->online) {
        call.SherpaOnnxOnlineStreamAcceptWaveform(h->stream, VS_RATE_HZ, audio, (int)frames);
        decode_online(h);
        return true;
    }
    if (h->frames + frames > h->room_frames) {
        size_t room = 2 * (h->frames + frames);
        float *grown = realloc(h->audio, room * sizeof(*grown));
        if (!grown) {
            return false;
        }
        h->audio = grown;
        h->room_frames = room;
    }
    memcpy(h->audio + h->frames, audio, frames * sizeof(*audio));
    h->frames += frames;
    return true;
}

static const char *partial(void *user)
{
    const struct host *h = user;

    return h->online ? h->text : NULL;
}

static void finish_online(struct host *h)
{
    static const float silence[VS_RATE_HZ * 3 / 10]; /* pushes the last words out of the network */

    call.SherpaOnnxOnlineStreamAcceptWaveform(h->stream, VS_RATE_HZ, silence, VS__COUNT(silence));
    call.SherpaOnnxOnlineStreamInputFinished(h->stream);
    decode_online(h);
}

static void finish_offline(struct host *h)
{
    const SherpaOnnxOfflineStream *stream = call.SherpaOnnxCreateOfflineStream(h->offline);

    call.SherpaOnnxAcceptWaveformOffline(stream, VS_RATE_HZ, h->audio, (int)h->frames);
    call.SherpaOnnxDecodeOfflineStream(h->offline, stream);
    const SherpaOnnxOfflineRecognizerResult *r = call.SherpaOnnxGetOfflineStreamResult(stream);
    set_text(h, r ? r->text : NULL);
    call.SherpaOnnxDestroyOfflineRecognizerResult(r);
    call.SherpaOnnxDestroyOfflineStream(stream);
}

static const char *finish(void *user)
{
    struct host *h = user;

    if (h->online) {
        finish_online(h);
    } else {
        finish_offline(h);
    }
    return h->text;
}

static void end(void *user)
{
    struct host *h = user;

    if (h->stream) {
        call.SherpaOnnxDestroyOnlineStream(h->stream);
    }
    h->stream = NULL;
}

static const char *given(const char *argument)
{
    return argument[0] ? argument : NULL;
}

int main(int count, char **arguments)
{
    struct host h = {0};
    const struct vs__serve_engine engine = {&h, begin, feed, partial, finish, NULL, end};

    if (count != 7) {
        fprintf(stderr, "sherpa-host is started by voicestand\n");
        return 2;
    }
    h.threads = (int)strtol(arguments[3], NULL, 10);
    h.language = given(arguments[5]);
    h.hotwords = given(arguments[6]);
    if (!find_model(&h, arguments[2], given(arguments[4])) || !load_library(arguments[1]) ||
        !load_model(&h, arguments[2])) {
        return 1;
    }
    vs__serve_ready(vs__sherpa_kind_name(h.model.kind), h.layers);
    return vs__serve(&engine);
}
