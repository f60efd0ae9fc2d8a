/* SPDX-License-Identifier: MIT */
/* The pipeline: it owns the source and the threads; events come by callback.
   pipeline [SOURCE [SECONDS]], e.g. pipeline file:speech.wav, or pipeline pipewire 10 */
#include <stdio.h>
#include <stdlib.h>

#include <voicestand/voicestand.h>

static void on_event(void *user, const struct vs_event *e)
{
    (void)user;
    switch (e->type) {
    case VS_EVENT_START:
        printf("speech at %.2f s\n", e->start_s);
        break;
    case VS_EVENT_END:
        printf("speech from %.2f s to %.2f s\n", e->start_s, e->end_s);
        break;
    case VS_EVENT_LEDGER:
        printf("%llu frames captured, %lld unaccounted\n", (unsigned long long)e->ledger->captured,
               (long long)e->ledger->residual);
        break;
    default:
        break;
    }
}

static void on_log(void *user, int level, const char *topic, const char *message)
{
    (void)user;
    if (level <= VS_LOG_WARNING)
        fprintf(stderr, "pipeline: %s: %s\n", topic, message);
}

int main(int argc, char **argv)
{
    struct vs_pipeline_config config = {
        .size = sizeof(config),
        .env.log.write = on_log,
        .capture = argc > 1 ? argv[1] : "auto",
        .on_event = on_event,
    };
    vs_pipeline *pipeline;

    if (vs_pipeline_create(&config, &pipeline) < 0)
        return 1; /* the log has said why */
    int status = vs_pipeline_start(pipeline);
    if (status == 0)
        status = vs_pipeline_wait(pipeline, argc > 2 ? atoi(argv[2]) * 1000 : -1);
    vs_pipeline_destroy(pipeline); /* stops it: all that was captured is processed */
    return status < 0;
}
