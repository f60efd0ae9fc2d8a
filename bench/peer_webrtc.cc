/* SPDX-License-Identifier: MIT */
/* The gain control of webrtc-audio-processing, or its noise suppression, nothing else of it. */
#include <webrtc/modules/audio_processing/include/audio_processing.h>
#include <webrtc/modules/interface/module_common_types.h>

#include "peer_webrtc.h"

void *bench_webrtc_open(void)
{
    webrtc::AudioProcessing *apm = webrtc::AudioProcessing::Create();
    webrtc::GainControl *gain = apm ? apm->gain_control() : nullptr;

    if (!gain || gain->set_mode(webrtc::GainControl::kAdaptiveDigital) != 0 ||
        gain->set_target_level_dbfs(18) != 0 || gain->set_compression_gain_db(30) != 0 ||
        gain->enable_limiter(true) != 0 || gain->Enable(true) != 0)
        return nullptr;
    return apm;
}

void *bench_webrtc_open_suppression(void)
{
    webrtc::AudioProcessing *apm = webrtc::AudioProcessing::Create();
    webrtc::NoiseSuppression *noise = apm ? apm->noise_suppression() : nullptr;

    if (!noise || noise->set_level(webrtc::NoiseSuppression::kHigh) != 0 ||
        noise->Enable(true) != 0)
        return nullptr;
    return apm;
}

void bench_webrtc_hop(void *state, int16_t *pcm)
{
    webrtc::AudioFrame frame;

    frame.sample_rate_hz_ = 16000;
    frame.samples_per_channel_ = 160;
    frame.num_channels_ = 1;
    for (int i = 0; i < 160; i++)
        frame.data_[i] = pcm[i];
    static_cast<webrtc::AudioProcessing *>(state)->ProcessStream(&frame);
    for (int i = 0; i < 160; i++)
        pcm[i] = frame.data_[i];
}

void bench_webrtc_close(void *state)
{
    delete static_cast<webrtc::AudioProcessing *>(state);
}
