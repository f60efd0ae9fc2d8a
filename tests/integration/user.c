/* SPDX-License-Identifier: MIT */
/* A program of somebody else, in the words that C and C++ share: pushes a second of silence. */
#include <stdio.h>
#include <string.h>

#include <voicestand/voicestand.h>

static void on_event(void *user, const struct vs_event *event)
{
    if (event->type == VS_EVENT_LEDGER)
        *(struct vs_ledger *)user = *event->ledger;
}

int main(int argc, char **argv)
{
    static float silence[VS_RATE_HZ];
    struct vs_stream_config config;
    struct vs_ledger ledger;
    vs_stream *stream = NULL;

    memset(&config, 0, sizeof config);
    memset(&ledger, 0, sizeof ledger);
    config.size = sizeof config;
    config.on_event = on_event;
    config.user = &ledger;
    if (argc < 2 || strcmp(argv[1], vs_version()) != 0)
        return 1;
    if (vs_stream_create(&config, &stream) < 0 || vs_stream_push(stream, silence, VS_RATE_HZ) < 0 ||
        vs_stream_finish(stream) < 0)
        return 2;
    vs_stream_destroy(stream);
    printf("captured %lu delivered %lu residual %ld\n", (unsigned long)ledger.captured,
           (unsigned long)ledger.delivered, (long)ledger.residual);
    return ledger.captured == VS_RATE_HZ && ledger.residual == 0 ? 0 : 3;
}
