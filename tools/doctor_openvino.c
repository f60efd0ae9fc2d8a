/* SPDX-License-Identifier: MIT */
/* voicestand doctor: OpenVINO's devices, measured beside native on the same audio. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/choice.h"
#include "doctor.h"

enum { SECONDS = 20, FRAMES = SECONDS * VS_RATE_HZ, HOPS = SECONDS * 100, SEGMENTS = 32 };
#define AREA "OpenVINO"

/* What one detector made of the audio. */
struct heard {
    float *p; /* by hop */
    size_t hops, segments;
    uint64_t bounds[SEGMENTS][2];
    struct vs_stats stats;
};

static struct {
    const struct vs_env *env;
    float *audio;
    struct heard native;
    bool has_npu;
    struct measured measured[MOST_MEASURED];
    size_t count;
} openvino;

/* audio -------------------------------------------------------------------------------------- */

static float draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*seed >> 40) / (1 << 23) - 1.0);
}

/* A stand-in for a voice, so that nothing need be installed: pulses through two resonances that
   wander as vowels do, in syllables and in phrases, over a little noise. */
static void make_audio(float *ret)
{
    uint64_t seed = 1;
    double phase = 0, y[2][2] = {{0}};

    for (size_t n = 0; n < FRAMES; n++) {
        double t = (double)n / VS_RATE_HZ, in = 0, out = 0;
        double phrase = fmod(t, 3.1) < 2.0 ? 1 : 0;
        double syllable = 0.5 - 0.5 * cos(2 * 3.14159265 * 4.3 * t);
        double formants[2] = {500 + 250 * sin(2 * 3.14159265 * 1.9 * t),
                              1500 + 600 * sin(2 * 3.14159265 * 1.3 * t)};

        phase += (118 + 22 * sin(2 * 3.14159265 * 0.7 * t)) / VS_RATE_HZ;
        if (phase >= 1) {
            phase -= 1;
            in = phrase * syllable;
        }
        for (int k = 0; k < 2; k++) {
            double turn = 2 * 3.14159265 * formants[k] / VS_RATE_HZ;
            double now = in + 2 * 0.97 * cos(turn) * y[k][0] - 0.97 * 0.97 * y[k][1];

            y[k][1] = y[k][0];
            y[k][0] = now;
            out += now;
        }
        ret[n] = (float)(0.05 * out) + 0.0005f * draw(&seed);
    }
}

/* hearing ------------------------------------------------------------------------------------ */

static void take_event(void *user, const struct vs_event *e)
{
    struct heard *h = user;

    if (e->type == VS_EVENT_PROBABILITY && h->hops < HOPS)
        h->p[h->hops++] = e->probability;
    if (e->type == VS_EVENT_END && h->segments < SEGMENTS) {
        h->bounds[h->segments][0] = e->start_frame;
        h->bounds[h->segments++][1] = e->end_frame;
    }
}

static int hear(const char *vad, struct heard *ret)
{
    struct vs_stream_config config = {.size = sizeof(config),
                                      .env = *openvino.env,
                                      .vad = vad,
                                      .probabilities = 1,
                                      .on_event = take_event,
                                      .user = ret};
    vs_stream *stream;
    int status;

    *ret = (struct heard){.p = calloc(HOPS, sizeof(float)), .stats = {.size = sizeof(ret->stats)}};
    if (ret->p == NULL)
        return -ENOMEM;
    status = vs_stream_create(&config, &stream);
    if (status < 0)
        return status;
    for (size_t at = 0; at < FRAMES && status == 0; at += VS_HOP_FRAMES)
        status = vs_stream_push(stream, openvino.audio + at, VS_HOP_FRAMES);
    if (status == 0)
        status = vs_stream_finish(stream);
    vs_stream_stats(stream, &ret->stats);
    ret->stats.vad_device.device = NULL; /* lives with the stream */
    vs_stream_destroy(stream);
    return status;
}

static double find_difference(const struct heard *a, const struct heard *b)
{
    double most = a->hops == b->hops ? 0 : 1;

    for (size_t i = 0; i < a->hops && i < b->hops; i++) {
        double difference = fabs((double)a->p[i] - (double)b->p[i]);

        if (difference > most) /* fmax() here makes gcc 12 for arm64 give up at -O3 */
            most = difference;
    }
    return most;
}

static double find_moved_ms(const struct heard *a, const struct heard *b)
{
    uint64_t most = 0;

    if (a->segments != b->segments)
        return -1;
    for (size_t i = 0; i < a->segments; i++)
        for (int k = 0; k < 2; k++) {
            uint64_t x = a->bounds[i][k], y = b->bounds[i][k], moved = x > y ? x - y : y - x;

            most = moved > most ? moved : most;
        }
    return (double)most * 1000 / VS_RATE_HZ;
}

/* devices ------------------------------------------------------------------------------------ */

static void report_measured(const struct measured *m, size_t segments)
{
    char words[100], bounds[100], name[48];
    const char *refusal = choice_refuse(m, words, sizeof(words));

    if (m->moved_ms < 0)
        snprintf(bounds, sizeof(bounds), "other segments");
    else if (m->moved_ms > 0)
        snprintf(bounds, sizeof(bounds), "bounds of %zu segments within %g ms", segments,
                 m->moved_ms);
    else
        snprintf(bounds, sizeof(bounds), "the same bounds of all %zu segments", segments);
    report(AREA, m->device, OK, NULL, "%.3f ms a hop, 99 of 100 within %.3f ms", m->p50_ms,
           m->p99_ms);
    snprintf(name, sizeof(name), "%s agreement", m->device);
    report(AREA, name, OK, NULL, "with native: probabilities within %.1e, %s", m->difference,
           bounds);
    snprintf(name, sizeof(name), "%s for auto", m->device);
    report(AREA, name, OK, NULL, "%s%s", refusal != NULL ? "no: " : "yes",
           refusal != NULL ? refusal : "");
}

static void measure(const char *device)
{
    struct heard other;
    char vad[64];
    int status;

    snprintf(vad, sizeof(vad), "openvino:%s", device);
    status = hear(vad, &other);
    if (status < 0) {
        report(
            AREA, device, MISSING,
            "voicestand segment -v --vad with its name tells the reason; for an NPU see its steps",
            "no inference: %s", vs_strerror(status));
    } else if (openvino.count < MOST_MEASURED) {
        struct measured *m = &openvino.measured[openvino.count++];
        const struct vs_latency *latency = &other.stats.stage[VS_STAGE_VAD];

        *m = (struct measured){.p50_ms = (double)latency->p50_ns / 1e6,
                               .p99_ms = (double)latency->p99_ns / 1e6,
                               .difference = find_difference(&openvino.native, &other),
                               .moved_ms = find_moved_ms(&openvino.native, &other),
                               .missed = other.stats.vad_device.by_native};
        snprintf(m->device, sizeof(m->device), "%s", device);
        report_measured(m, other.segments);
    }
    free(other.p);
}

struct devices {
    char names[MOST_MEASURED][32];
    size_t count;
};

static void visit(void *user, const char *device, const char *description)
{
    struct devices *d = user;

    if (d->count == 0)
        report(AREA, "library", OK, NULL, "%.130s",
               strstr(description, "OpenVINO") != NULL ? strstr(description, "OpenVINO")
                                                       : description);
    openvino.has_npu = openvino.has_npu || strncmp(device, "NPU", 3) == 0;
    if (d->count < MOST_MEASURED)
        snprintf(d->names[d->count++], sizeof(d->names[0]), "%s", device);
}

static void report_list(const struct devices *d, bool npu)
{
    char all[200] = "";

    for (size_t i = 0; i < d->count; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? ", " : "",
                 d->names[i]);
    if (npu && !openvino.has_npu)
        report(AREA, "devices", MISSING,
               "its steps are all there, so the versions do not fit: update OpenVINO and the NPU's "
               "driver",
               "%s; the NPU is not among them", all);
    else
        report(AREA, "devices", OK, NULL, "%s", all);
}

static void measure_all(const struct devices *d)
{
    int status;

    openvino.audio = malloc(FRAMES * sizeof(float));
    if (openvino.audio == NULL)
        return;
    make_audio(openvino.audio);
    status = hear("native", &openvino.native);
    if (status == 0 && openvino.native.segments == 0)
        status = -ENOMSG; /* nothing could be compared */
    for (size_t i = 0; i < d->count && status == 0; i++)
        measure(d->names[i]);
    free(openvino.native.p);
    free(openvino.audio);
    status = choice_write(openvino.measured, openvino.count);
    if (status < 0)
        report(AREA, "memory", WARN, "make $XDG_STATE_HOME, or ~/.local/state, writable",
               "what was measured cannot be kept for --vad auto: %s", strerror(-status));
}

void check_openvino(const struct vs_env *env, bool npu)
{
    struct devices d = {.count = 0};
    int count;

    openvino.env = env;
    count = vs_vad_devices(env, "openvino", visit, &d);
    if (count < 0) {
        report(AREA, "library", MISSING,
               "none is needed without an NPU; pip install openvino, or set VOICESTAND_OPENVINO",
               "%s", "OpenVINO is not to be found, or its module is not built");
        return;
    }
    report_list(&d, npu);
    measure_all(&d);
}
