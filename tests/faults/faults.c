/* SPDX-License-Identifier: MIT */
/* Runs of the shipped pipeline and stream in which everything may go wrong, each from its seed, in
   simulated time: what must hold holds all the same.

   faults [--runs N] [--from SEED] [--tap] [--classes]   N runs from seeds SEED on; figures at the
                            end, of each class of fault where they are asked for
   faults --seed SEED                        one of them, and what happened in it */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "devices.h"
#include "sim.h"

/* What a run was told, and what the user of it does meanwhile. */
static struct {
    vs_pipeline *pipeline;
    bool verbose, ended; /* ended: the ledger was told */
    uint64_t sequence, events;
    uint64_t open_segment, last_segment, starts, ends, segments;
    uint64_t gap_frames[VS_DROP_COUNT];
    struct vs_ledger ledger;
    uint32_t slow, abort_once_in, look; /* once in so many events */
    bool aborted;
} run;

/* Figures of all runs. */
static struct {
    uint64_t runs, live, in_line, streams, faults, aborted, refused, frames, dropped, events,
        allocations, threads;
} sum;

static void check_segment(const struct vs_event *e)
{
    switch (e->type) {
    case VS_EVENT_START:
        SIM_CHECK(run.open_segment == 0 && e->segment > run.last_segment);
        run.open_segment = run.last_segment = e->segment;
        run.starts++;
        break;
    case VS_EVENT_END:
        SIM_CHECK(run.open_segment == e->segment && e->end_frame >= e->start_frame);
        run.open_segment = 0;
        run.ends++;
        break;
    case VS_EVENT_SEGMENT:
        SIM_CHECK(e->segment <= run.last_segment);
        run.segments++;
        break;
    default:
        break;
    }
}

static void tell(const struct vs_event *e)
{
    printf("# %8.3f s  %s", (double)e->mono_ns * 1e-9, vs_event_name(e->type));
    if (e->segment)
        printf(" segment %llu", (unsigned long long)e->segment);
    if (e->end_frame)
        printf(" frames %llu to %llu", (unsigned long long)e->start_frame,
               (unsigned long long)e->end_frame);
    if (e->audio_frames)
        printf(" %zu frames at %llu", e->audio_frames, (unsigned long long)e->audio_position);
    if (e->status)
        printf(" status %d", e->status);
    printf(" %s\n", e->text ? e->text : "");
}

static void on_event(void *user, const struct vs_event *e)
{
    (void)user;
    SIM_CHECK(!run.ended);
    SIM_CHECK(run.events == 0 || e->sequence == run.sequence + 1);
    run.sequence = e->sequence;
    run.events++;
    check_segment(e);
    if (run.verbose && e->type != VS_EVENT_PROBABILITY)
        tell(e);
    if (e->type == VS_EVENT_GAP)
        run.gap_frames[e->cause] += e->end_frame - e->start_frame;
    if (e->type == VS_EVENT_LEDGER) {
        run.ledger = *e->ledger;
        run.ended = true;
    }
    if (device_fault(FAULT_USER_SLOW, run.slow))
        sim_sleep((int64_t)sim_draw(300) * 1000000);
    if (sim_once_in(run.look)) {
        struct vs_stats stats = {.size = sizeof(stats)};
        vs_pipeline_stats(run.pipeline, &stats);
    }
    if (run.pipeline && device_fault(FAULT_USER_ABORT, run.abort_once_in)) {
        run.aborted = true;
        vs_pipeline_abort(run.pipeline);
    }
}

static uint32_t rare(uint32_t n)
{
    static const uint32_t often[] = {0, 0, 300, 60, 10};

    return often[sim_draw(n)];
}

/* One of the formats that exist: each run has another. */
static void draw_devices(void)
{
    static const uint32_t rates[] = {16000, 48000, 44100, 8000, 11025, 96000, 192000, 12345},
                          blocks[] = {160, 512, 160, 256, 1, 4096, 333};
    static const int formats[] = {VS_FORMAT_F32, VS_FORMAT_S16, VS_FORMAT_S24, VS_FORMAT_S32};
    struct device_plan p = {0};

    p.rate_hz = rates[sim_draw(VS__COUNT(rates))];
    p.channels = sim_once_in(3) ? 1 + sim_draw(6) : 1;
    p.format = formats[sim_draw(VS__COUNT(formats))];
    p.live = sim_once_in(2);
    p.frames = sim_once_in(8) ? 1 + sim_draw(500) : p.rate_hz / 4 + sim_draw(p.rate_hz * 5);
    p.most = sim_once_in(2) ? p.rate_hz / 50 : 1 + sim_draw(sim_once_in(2) ? 9000 : 300);
    p.gap = rare(5);
    p.long_gap = rare(4);
    p.stall = rare(5);
    p.poison = rare(5);
    p.fail = rare(4);
    p.refuse_start = rare(5);
    p.slow_start = rare(5);
    p.talk = rare(5);
    p.never_ends_itself = sim_once_in(4);
    p.block = blocks[sim_draw(VS__COUNT(blocks))];
    p.latency = sim_once_in(3) ? sim_draw(800) : 0;
    p.vad_fail = rare(4);
    p.vad_nonsense = rare(5);
    p.vad_slow = rare(4);
    if (sim_once_in(3)) {
        p.vad_flags = VS_VAD_BLOCKS;
        p.vad_hang = rare(5);
        p.block = sim_once_in(2) ? 512 : 160;
        p.latency = sim_once_in(2) ? 160 : 0;
    }
    p.stt_fail = rare(5);
    p.stt_hang = rare(4);
    p.stt_slow = rare(5);
    device_plan = p;
}

static struct vs_pipeline_config draw_config(void)
{
    struct vs_pipeline_config c = {.size = sizeof(c), .vad_ops = &device_vad, .on_event = on_event};

    c.capture = "device";
    c.capture_ops = sim_once_in(2) ? &device_pull : &device_push;
    c.stt_ops = sim_once_in(2) ? &device_stt : NULL;
    c.realtime = c.save_power = -1;
    c.placement = "none";
    c.latency_ms = 2 + sim_draw(99);
    c.ring_ms = 20 + sim_draw(sim_once_in(2) ? 100 : 3000);
    c.backlog_ms = 1 + sim_draw(5000);
    c.probabilities = sim_once_in(2);
    c.audio = (int)sim_draw(3);
    c.enhance = sim_once_in(4) ? VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL : 0;
    c.enhance_text = sim_once_in(2);
    c.channel = sim_once_in(4) ? 1 + sim_draw(device_plan.channels) : 0;
    c.env.cpu = sim_once_in(3) ? "c" : NULL;
    run.slow = rare(5);
    run.abort_once_in = rare(4);
    run.look = rare(5);
    return c;
}

/* When the run is over, whatever happened: the account. */
static void check_account(bool told, bool cut)
{
    const struct vs_ledger *l = &run.ledger;
    uint64_t dropped = 0;

    SIM_CHECK(told == run.ended);
    if (!told)
        return;
    if (run.verbose)
        printf("# captured %llu delivered %llu, dropped: %llu ring full, %llu and %llu gaps, %llu "
               "at stop; "
               "%llu events dropped\n",
               (unsigned long long)l->captured, (unsigned long long)l->delivered,
               (unsigned long long)l->dropped[VS_DROP_RING_FULL],
               (unsigned long long)l->dropped[VS_DROP_GAP_EXACT],
               (unsigned long long)l->dropped[VS_DROP_GAP_ESTIMATED],
               (unsigned long long)l->dropped[VS_DROP_AT_STOP],
               (unsigned long long)l->events_dropped);
    for (int i = 0; i < VS_DROP_COUNT; i++)
        dropped += l->dropped[i];
    if (l->residual || l->captured != l->delivered + dropped)
        sim_fail("residual %lld: captured %llu, delivered %llu, dropped %llu",
                 (long long)l->residual, (unsigned long long)l->captured,
                 (unsigned long long)l->delivered, (unsigned long long)dropped);
    if (l->captured != device_truth.captured)
        sim_fail("captured %llu frames, the source counts %llu", (unsigned long long)l->captured,
                 (unsigned long long)device_truth.captured);
    SIM_CHECK(device_truth.fed_frames <= l->text_frames);
    if (l->events_dropped == 0) {
        SIM_CHECK(run.open_segment == 0);
        SIM_CHECK(run.segments == run.ends);
        for (int i = 0; i < VS_DROP_AT_STOP && !cut && !l->dropped[VS_DROP_AT_STOP]; i++)
            SIM_CHECK(run.gap_frames[i] == l->dropped[i]);
    }
    sum.frames += l->captured;
    sum.dropped += dropped;
    sum.events += run.events;
}

/* A source that only ends when it is stopped makes no run that ends by itself. */
static bool ends_by_itself(const struct vs_pipeline_config *c)
{
    return c->capture_ops == &device_pull || !device_plan.never_ends_itself;
}

/* What the owner of a started pipeline does, at instants that are drawn. @return how it ended, as far as is known */
static int own_run(vs_pipeline *p, const struct vs_pipeline_config *c)
{
    struct vs_stats stats = {.size = sizeof(stats)};
    bool patient = sim_once_in(2) && ends_by_itself(c) && !device_plan.stt_hang;
    int64_t until = vs__mono_ns() + (int64_t)sim_draw(8000) * 1000000;

    while (vs_pipeline_wait(p, 0) == 1 && (patient || vs__mono_ns() < until)) {
        vs_pipeline_stats(p, &stats);
        sim_sleep((int64_t)sim_draw(200) * 1000000);
    }
    if (device_fault(FAULT_OWNER_ABORT, 3) || device_plan.stt_hang) {
        run.aborted = true;
        vs_pipeline_abort(p);
    }
    if (sim_once_in(3))
        sim_sleep((int64_t)sim_draw(200) * 1000000);
    if (device_fault(FAULT_OWNER_STOP, 2))
        vs_pipeline_stop(p);
    if (sim_once_in(4))
        vs_pipeline_stop(p);
    int rc = vs_pipeline_wait(p, 0);
    return rc == 1 && device_truth.detector_failed ? -EIO : VS__MIN(rc, 0);
}

static bool may_be(int rc, bool failed_alloc)
{
    if (rc == 0 || (rc == -ENOMEM && failed_alloc) || (rc == -ECANCELED && run.aborted))
        return true;
    return rc == device_truth.source_status || (rc == -EIO && device_truth.detector_failed);
}

static void run_pipeline(void)
{
    struct vs_pipeline_config c = draw_config();
    bool in_line = c.capture_ops == &device_pull && sim_once_in(4) && !device_plan.stt_hang;
    uint32_t fail_alloc = sim_once_in(4) ? 1 + sim_draw(120) : 0, fail_thread = sim_draw(40);
    vs_pipeline *p = NULL;

    sum.allocations += fail_alloc > 0;
    sum.threads += fail_thread > 0 && fail_thread <= 5;
    device_faults[FAULT_ALLOCATION] += fail_alloc > 0;
    device_faults[FAULT_THREAD] += fail_thread > 0 && fail_thread <= 5;
    vs__alloc_fail_after(fail_alloc);
    sim_thread_fail_after(fail_thread);
    int rc = vs_pipeline_create(&c, &p);
    bool told = false;
    run.pipeline = p;
    if (rc == 0 && in_line) {
        sum.in_line++;
        rc = vs_pipeline_run(p);
        told = run.ended;
        SIM_CHECK(told || rc == -ENOMEM);
        SIM_CHECK(may_be(rc, fail_alloc > 0));
        if (!told && sim_once_in(2)) { /* memory is there again: it can be run */
            rc = vs_pipeline_run(p);
            told = true;
        }
    } else if (rc == 0) {
        sum.live++;
        rc = vs_pipeline_start(p);
        if (rc == 0) {
            rc = own_run(p, &c);
            SIM_CHECK(may_be(rc, false));
            told = true;
        } else if (sim_once_in(2)) {
            int again = vs_pipeline_start(p);
            SIM_CHECK(again == -EALREADY || again == 0 || run.events == 0);
            told = again == 0;
            if (told)
                vs_pipeline_abort(p), run.aborted = true;
        }
    }
    if (run.verbose)
        printf("# %s source, %s; %d; the run %s\n", c.capture_ops->name,
               in_line ? "in line" : "started", rc, run.ended ? "has ended" : "has not ended");
    if (rc < 0)
        sum.refused++;
    run.aborted = run.aborted || rc == -ECANCELED;
    vs_pipeline_destroy(p);
    run.pipeline = NULL;
    vs__alloc_fail_after(0);
    SIM_CHECK(device_truth.opened == device_truth.closed);
    SIM_CHECK(device_truth.started == device_truth.stopped);
    check_account(told, run.aborted || rc < 0);
    sum.aborted += run.aborted;
}

/* The stream: pieces of any size, gaps, errors in between, and on after them. */
static void run_stream(void)
{
    static unsigned char pcm[1 << 17];
    struct vs_stream_config c = {.size = sizeof(c), .vad_ops = &device_vad, .on_event = on_event};
    size_t most = sizeof(pcm) / (vs_format_bytes(device_plan.format) * device_plan.channels);
    uint32_t fail_alloc = sim_once_in(4) ? 1 + sim_draw(60) : 0;
    vs_stream *s = NULL;

    sum.streams++;
    sum.allocations += fail_alloc > 0;
    device_faults[FAULT_ALLOCATION] += fail_alloc > 0;
    device_plan.live = 0;
    c.rate_hz = device_plan.rate_hz;
    c.channels = device_plan.channels;
    c.format = device_plan.format;
    c.audio = (int)sim_draw(4);
    c.probabilities = sim_once_in(2);
    c.enhance = sim_once_in(3) ? VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL : 0;
    run.slow = rare(5);
    vs__alloc_fail_after(fail_alloc);
    int rc = vs_stream_create(&c, &s);
    vs__alloc_fail_after(0);
    if (rc < 0)
        sum.refused++;
    bool failed = false;
    for (uint64_t left = device_plan.frames; rc == 0 && left > 0;) {
        size_t n = sim_draw((uint32_t)most);
        n = (size_t)VS__MIN(left, (uint64_t)n); /* evaluates its arguments twice */
        int one = vs_stream_push(s, memset(pcm, sim_once_in(9) ? 0xff : 0, sizeof(pcm)), n);
        left -= n;
        device_truth.captured += n;
        if (device_fault(FAULT_STREAM_GAP, device_plan.gap)) {
            uint64_t lost = sim_draw(sim_once_in(2) ? 1000 : 100000);
            device_truth.captured += lost;
            one |= vs_stream_gap(s, lost);
        }
        failed = failed || one < 0;
    }
    if (rc == 0) {
        rc = vs_stream_finish(s);
        SIM_CHECK(rc == 0 || rc == -EIO);
        SIM_CHECK(vs_stream_push(s, pcm, 1) == -EALREADY);
    }
    vs_stream_destroy(s);
    check_account(s != NULL, failed || rc < 0);
}

static void run_seed(uint64_t seed, bool verbose)
{
    memset(&run, 0, sizeof(run));
    run.verbose = verbose;
    sim_begin(seed);
    devices_begin();
    draw_devices();
    sum.runs++;
    if (verbose)
        printf("# %u Hz, %u channels, format %d, %s, %llu frames, at most %u at a time; detector "
               "of %u "
               "frames, late by %u, flags %u\n",
               device_plan.rate_hz, device_plan.channels, device_plan.format,
               device_plan.live ? "live" : "not live", (unsigned long long)device_plan.frames,
               device_plan.most, device_plan.block, device_plan.latency, device_plan.vad_flags);
    if (sim_once_in(6))
        run_stream();
    else
        run_pipeline();
    sim_end();
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    uint64_t runs = 1000, from = 1, one = 0;
    bool tap = false, single = false, classes = false;

    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--runs") == 0)
            runs = number(argv[++i]);
        else if (more && strcmp(argv[i], "--from") == 0)
            from = number(argv[++i]);
        else if (more && strcmp(argv[i], "--seed") == 0)
            single = true, one = number(argv[++i]);
        else if (strcmp(argv[i], "--tap") == 0)
            tap = true;
        else if (strcmp(argv[i], "--classes") == 0)
            classes = true;
        else
            return fprintf(stderr,
                           "usage: faults [--runs N] [--from SEED] [--seed SEED] [--classes]\n"),
                   2;
    }
    sim_program = argv[0];
    if (tap)
        printf("TAP version 13\n1..1\n");
    if (single)
        run_seed(one, true);
    for (uint64_t i = 0; !single && i < runs; i++)
        run_seed(from + i, false);
    printf(
        "%s%llu runs from seed %llu: %llu started, %llu in line, %llu streams; %llu aborted, %llu "
        "refused, %llu allocations and %llu thread starts failed; %llu frames, %llu of them "
        "dropped "
        "and counted, %llu events; residual 0\n",
        tap ? "ok 1 - " : "", (unsigned long long)sum.runs, (unsigned long long)from,
        (unsigned long long)sum.live, (unsigned long long)sum.in_line,
        (unsigned long long)sum.streams, (unsigned long long)sum.aborted,
        (unsigned long long)sum.refused, (unsigned long long)sum.allocations,
        (unsigned long long)sum.threads, (unsigned long long)sum.frames,
        (unsigned long long)sum.dropped, (unsigned long long)sum.events);
    for (int i = 0; classes && i < FAULT_COUNT; i++)
        printf("fault %llu %s\n", (unsigned long long)device_faults[i], device_fault_words[i]);
    return 0;
}
