/* SPDX-License-Identifier: MIT */
/* Runs a started pipeline on a source and compares what it found with the file that was played:
   live_equals_file CAPTURE RAW-S16-48K-MONO [PID-OF-FEEDER]
   The source's own calls are passed through and what it delivers is kept, so that three things can
   be shown apart: the source delivered the file sample by sample; the pipeline found in it exactly
   what a stream finds in the same audio; and what a stream finds in the file itself, moved by the
   time before the playing began. A detector remembers what was before, silence too, and hops are
   counted from the first frame of a run: so the file gets as much silence in front as the run had.
   Speaks TAP; modules from VOICESTAND_MODULE_DIR. */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <voicestand/backend.h>
#include <voicestand/voicestand.h>

#define RATE         48000
#define MAX_SEGMENTS 4096
#define SILENCE      480

struct segments {
    size_t count;
    uint64_t start[MAX_SEGMENTS], end[MAX_SEGMENTS];
    struct vs_ledger ledger;
};

static struct play {
    int16_t *file;
    size_t file_frames;
    const struct vs_capture_ops *ops; /* the real ones */
    const struct vs_capture_sink *sink;
    int format;
    float *kept;
    _Atomic size_t kept_frames;
    size_t kept_max;
    atomic_bool lost; /* something: what comes after it cannot be the file any more */
} play;

static int cases, failures;

__attribute__((format(printf, 2, 3))) static void check(bool ok, const char *format, ...)
{
    va_list list;

    failures += !ok;
    printf("%sok %d - ", ok ? "" : "not ", ++cases);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
    fflush(stdout);
}

/* the source, listened to --------------------------------------------------------------------- */

static void keep(const void *pcm, size_t frames)
{
    size_t at = play.kept_frames;

    if (frames > play.kept_max - at)
        frames = play.kept_max - at;
    for (size_t i = 0; i < frames; i++)
        play.kept[at + i] = play.format == VS_FORMAT_F32
                                ? ((const float *)pcm)[i]
                                : (float)((const int16_t *)pcm)[i] / 32768.0f;
    play.kept_frames = at + frames;
}

static int tap_open(void *state, const struct vs_capture_params *params,
                    struct vs_capture_format *ret)
{
    int rc = play.ops->open(state, params, ret);

    if (rc == 0 && (ret->rate_hz != RATE || ret->channels != 1 ||
                    (ret->format != VS_FORMAT_F32 && ret->format != VS_FORMAT_S16))) {
        printf("Bail out! the source gives %u Hz, %u channels, format %d\n", ret->rate_hz,
               ret->channels, ret->format);
        exit(1);
    }
    play.format = ret->format;
    return rc;
}

static void tap_push(void *user, const void *pcm, size_t frames,
                     const struct vs_capture_stamp *stamp)
{
    keep(pcm, frames);
    play.sink->push(user, pcm, frames, stamp);
}

static int tap_start(void *state, const struct vs_capture_sink *sink)
{
    static struct vs_capture_sink own;

    play.sink = sink;
    own = *sink;
    own.push = tap_push;
    return play.ops->start(state, &own);
}

static int64_t tap_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    size_t left = play.file_frames - play.kept_frames; /* a tape may be endless */

    if (left == 0)
        return 0;
    int64_t n = play.ops->read(state, pcm, frames < left ? frames : left, ret);
    if (n > 0)
        keep(pcm, (size_t)n);
    return n;
}

static const struct vs_capture_ops *find_ops(const char *capture)
{
    const char *folder = getenv("VOICESTAND_MODULE_DIR");
    char path[4096];

    snprintf(path, sizeof(path), "%s/%.*s.so", folder ? folder : "", (int)strcspn(capture, ":"),
             capture);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct vs_module *entry = module ? dlsym(module, VS_MODULE_ENTRY) : NULL;
    if (entry == NULL || entry->capture == NULL) {
        printf("Bail out! %s: no such module\n", path);
        exit(1);
    }
    return entry->capture;
}

/* segments ------------------------------------------------------------------------------------ */

static void on_event(void *user, const struct vs_event *e)
{
    struct segments *s = user;

    if (e->type == VS_EVENT_LEDGER)
        s->ledger = *e->ledger;
    if (e->type == VS_EVENT_GAP)
        play.lost = true;
    if (e->type != VS_EVENT_SEGMENT || s->count == MAX_SEGMENTS)
        return;
    s->start[s->count] = e->start_frame;
    s->end[s->count++] = e->end_frame;
}

static void on_log(void *user, int level, const char *topic, const char *message)
{
    (void)user;
    if (level <= VS_LOG_WARNING)
        fprintf(stderr, "# %s: %s\n", topic, message);
}

/* @param lead frames of silence in front */
static void find_segments(struct segments *ret, int format, const void *pcm, size_t frames,
                          size_t lead)
{
    static const float silence[SILENCE];
    struct vs_stream_config config = {.size = sizeof(config),
                                      .rate_hz = RATE,
                                      .format = format,
                                      .on_event = on_event,
                                      .user = ret};
    vs_stream *s;

    int rc = vs_stream_create(&config, &s);
    for (size_t n; rc >= 0 && lead > 0; lead -= n) {
        n = lead < SILENCE ? lead : SILENCE;
        rc = vs_stream_push(s, silence, n);
    }
    if (rc < 0 || vs_stream_push(s, pcm, frames) < 0 || vs_stream_finish(s) < 0) {
        printf("Bail out! the stream failed\n");
        exit(1);
    }
    vs_stream_destroy(s);
}

/* Whether all segments of `a` are those of `b` moved by the same time. */
static bool are_equal(const struct segments *a, const struct segments *b)
{
    if (a->count != b->count || a->count == 0)
        return false;
    int64_t shift = (int64_t)(a->start[0] - b->start[0]);
    for (size_t i = 0; i < a->count; i++) {
        int64_t start = (int64_t)(a->start[i] - b->start[i]) - shift;
        int64_t end = (int64_t)(a->end[i] - b->end[i]) - shift;
        if (start != 0 || end != 0) {
            fprintf(stderr, "# segment %zu: start %+lld, end %+lld frames\n", i, (long long)start,
                    (long long)end);
            return false;
        }
    }
    return true;
}

/* Where the file begins in what was kept, by the first sample that is not silent. */
static bool find_file(int64_t *ret)
{
    size_t in_file = 0, in_kept = 0, kept = play.kept_frames;

    while (in_file < play.file_frames && play.file[in_file] == 0)
        in_file++;
    while (in_kept < kept && play.kept[in_kept] == 0)
        in_kept++;
    *ret = (int64_t)in_kept - (int64_t)in_file;
    return in_kept < kept;
}

static size_t count_differences(int64_t offset)
{
    size_t differences = 0, kept = play.kept_frames;

    for (size_t i = 0; i < play.file_frames; i++) {
        int64_t at = (int64_t)i + offset;
        if (at < 0)
            continue; /* silence before the source was there */
        differences += (size_t)at >= kept || play.kept[at] != (float)play.file[i] / 32768.0f;
    }
    return differences;
}

/* the run ------------------------------------------------------------------------------------- */

/* Until the whole file was heard and a second of silence, or the source ends or loses something. */
static void listen_to_all(vs_pipeline *p, pid_t feeder)
{
    struct timespec moment = {0, 20000000};
    int64_t offset;
    int tries = 0;

    if (feeder > 0)
        while (play.kept_frames < RATE / 2 && tries++ < 500)
            nanosleep(&moment, NULL);
    if (feeder > 0)
        kill(feeder, SIGUSR1);
    while (vs_pipeline_wait(p, 20) == 1 && !play.lost) {
        size_t kept = play.kept_frames;
        if (feeder > 0 && kept > play.file_frames && find_file(&offset) &&
            (int64_t)kept > offset + (int64_t)play.file_frames + RATE)
            break;
        if (kept == play.kept_max)
            break;
    }
}

static void run_live(struct segments *ret, const char *capture, pid_t feeder)
{
    struct vs_capture_ops tap = *(play.ops = find_ops(capture));
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = capture,
                                        .capture_ops = &tap,
                                        .rate_hz = RATE,
                                        .channels = 1,
                                        .ring_ms = 60000, /* the graph may run far too fast */
                                        .on_event = on_event,
                                        .user = ret};
    vs_pipeline *p;

    config.env.log.write = on_log;
    tap.open = tap_open;
    if (tap.read)
        tap.read = tap_read;
    else
        tap.start = tap_start;
    if (vs_pipeline_create(&config, &p) < 0 || vs_pipeline_start(p) < 0) {
        printf("Bail out! the pipeline does not start\n");
        exit(1);
    }
    listen_to_all(p, feeder);
    vs_pipeline_destroy(p);
}

static bool read_file(const char *path)
{
    FILE *in = fopen(path, "rb");

    if (in == NULL || fseek(in, 0, SEEK_END) < 0)
        return false;
    play.file_frames = (size_t)ftell(in) / sizeof(*play.file);
    rewind(in);
    play.file = malloc(play.file_frames * sizeof(*play.file));
    play.kept_max = play.file_frames * 3 + (size_t)60 * RATE;
    play.kept = malloc(play.kept_max * sizeof(float));
    size_t got =
        play.file && play.kept ? fread(play.file, sizeof(*play.file), play.file_frames, in) : 0;
    fclose(in);
    if (play.kept)
        memset(play.kept, 0, play.kept_max * sizeof(float)); /* touched before the rush */
    return got && got == play.file_frames;
}

int main(int argc, char **argv)
{
    static struct segments live, kept, file;
    int64_t offset = 0;

    if (argc < 3 || !read_file(argv[2])) {
        fprintf(stderr, "live_equals_file: CAPTURE RAW-S16-48K-MONO [PID-OF-FEEDER]\n");
        return 2;
    }
    run_live(&live, argv[1], argc > 3 ? (pid_t)atoi(argv[3]) : 0);
    bool lost = live.ledger.captured != live.ledger.delivered;
    check(live.ledger.residual == 0, "every frame is accounted for: %llu captured, residual %lld",
          (unsigned long long)live.ledger.captured, (long long)live.ledger.residual);
    if (lost) {
        check(false, "the source lost nothing (%llu frames of %llu)",
              (unsigned long long)(live.ledger.captured - live.ledger.delivered),
              (unsigned long long)live.ledger.captured);
        printf("1..%d\n", cases);
        return 3; /* the machine was too slow for the speed of this test: try again */
    }
    bool found = find_file(&offset);
    check(found && count_differences(offset) == 0, "the source delivered the file bit by bit");
    find_segments(&kept, VS_FORMAT_F32, play.kept, play.kept_frames, 0);
    check(live.count == kept.count && are_equal(&live, &kept) && live.start[0] == kept.start[0],
          "live and stream find the same %zu segments in it", live.count);
    find_segments(&file, VS_FORMAT_S16, play.file, play.file_frames,
                  offset > 0 ? (size_t)offset : 0);
    check(are_equal(&live, &file), "they are the %zu segments of the file", file.count);
    printf("1..%d\n", cases);
    return failures > 0;
}
