/* SPDX-License-Identifier: MIT */
/* The stream: push audio from your own thread, get segments in the same call.
   Reads 16 kHz mono 16-bit samples from standard input, as fast as they come:
   sox speech.wav -t raw -r 16000 -c 1 -b 16 -e signed - | stream */
#include <stdio.h>

#include <voicestand/voicestand.h>

static void on_event(void *user, const struct vs_event *e)
{
    (void)user;
    if (e->type == VS_EVENT_SEGMENT)
        printf("speech from %.2f s to %.2f s\n", e->start_s, e->end_s);
    if (e->type == VS_EVENT_LEDGER)
        printf("heard %.2f s, %lld frames missing\n", e->end_s, (long long)e->ledger->residual);
}

int main(void)
{
    struct vs_stream_config config = {
        .size = sizeof(config),
        .rate_hz = 16000,
        .channels = 1,
        .format = VS_FORMAT_S16,
        .on_event = on_event,
    };
    vs_stream *stream;
    int16_t pcm[1600];
    size_t frames;

    int status = vs_stream_create(&config, &stream);
    while (status == 0 && (frames = fread(pcm, sizeof(pcm[0]), 1600, stdin)) > 0)
        status = vs_stream_push(stream, pcm, frames);
    if (status == 0)
        status = vs_stream_finish(stream);
    if (status < 0) {
        fprintf(stderr, "stream: %s\n", vs_strerror(status));
        return 1;
    }
    vs_stream_destroy(stream);
    return 0;
}
