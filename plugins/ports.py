#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The controls of the plugins, said once: their table for C, their description for LV2 hosts.

ports.py --header              the table, for what is C
ports.py --manifest            manifest.ttl of the LV2 bundle
ports.py --describe VERSION    voicestand.ttl of the LV2 bundle
ports.py --document BUILD      docs/plugins.md with its tables made anew, on standard output"""
import os
import re
import subprocess
import sys

# symbol, name, direction, least, most, default, unit of LV2, what it does
CONTROLS = [
    ("enabled", "Enabled", "in", 0, 1, 1, None,
     "0 lets the sound through as it comes, as late as with 1, so that nothing jumps."),
    ("amount", "Amount (%)", "in", 0, 100, 100, "pc",
     "How much of the sound is what was enhanced; the rest is as it came, equally late."),
    ("threshold", "Voice Threshold (%)", "in", 0, 100, 0, "pc",
     "The sound is silenced where voice is less probable than this; 0 silences nothing. "
     "50 is where the library itself says speech."),
    ("grace", "Grace (ms)", "in", 0, 1000, 250, "ms",
     "How long the sound stays open behind the last voice."),
    ("retroactive", "Retroactive Grace (ms)", "in", 0, 500, 0, "ms",
     "How long before the first voice the sound opens. All sound is later by this."),
    ("voice", "Voice Activity", "out", 0, 1, 0, None,
     "Probability that what comes out at the end of the block is voice."),
    ("latency", "latency", "out", 0, 192000, 0, "frame",
     "Frames between a sound going in and coming out, exactly."),
]
# symbol, name, levelled, channels, label of LADSPA and end of the URI, unique number of LADSPA
PLUGINS = [
    ("VoiceStand Enhance (mono)", 1, 1, "enhance_mono", 0x565301),
    ("VoiceStand Enhance (stereo)", 1, 2, "enhance_stereo", 0x565302),
    ("VoiceStand Denoise (mono)", 0, 1, "denoise_mono", 0x565303),
    ("VoiceStand Denoise (stereo)", 0, 2, "denoise_stereo", 0x565304),
]
URI = "urn:voicestand:"
PREFIXES = """@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix units: <http://lv2plug.in/ns/extensions/units#> .
"""


def hint(least, most, default):
    """LADSPA knows no defaults but these."""
    quarter = least + (most - least) / 4
    known = {0: "0", 1: "1", 100: "100", 440: "440", quarter: "LOW", (least + most) / 2: "MIDDLE"}
    return "LADSPA_HINT_DEFAULT_" + known[default]


def header():
    print("/* Made by plugins/ports.py. */")
    print("/* X(symbol, name, is an input, least, most, default, hints of LADSPA) */")
    print("#define VOICE_CONTROLS(X) \\")
    for symbol, name, direction, least, most, default, _, _ in CONTROLS:
        bounded = "LADSPA_HINT_BOUNDED_BELOW | LADSPA_HINT_BOUNDED_ABOVE"
        hints = "LADSPA_HINT_TOGGLED" if symbol == "enabled" else bounded
        hints += " | " + hint(least, most, default) if direction == "in" else ""
        print('    X(%s, "%s", %d, %d, %d, %d, %s) \\'
              % (symbol, name, direction == "in", least, most, default, hints))
    print("\n/* What a control does. */")
    for symbol, _, _, _, _, _, _, words in CONTROLS:
        print('#define VOICE_WORDS_%s "%s"' % (symbol, words.rstrip(".")))
    print("\n/* X(name, levelled, channels, label, unique number of LADSPA, URI of LV2) */")
    print("#define VOICE_PLUGINS(X) \\")
    for name, level, channels, label, unique in PLUGINS:
        print('    X("%s", %d, %d, "%s", 0x%x, "%s") \\'
              % (name, level, channels, label, unique, URI + label))
    print()


def manifest():
    print(PREFIXES)
    for _, _, _, label, _ in PLUGINS:
        print("<%s%s>\n    a lv2:Plugin ;\n    lv2:binary <voicestand.so> ;\n"
              "    rdfs:seeAlso <voicestand.ttl> .\n" % (URI, label))


def audio_ports(channels):
    sides = [("", "")] if channels == 1 else [("_left", " Left"), ("_right", " Right")]
    for direction, word in (("in", "Input"), ("out", "Output")):
        for symbol, side in sides:
            yield ("a lv2:%sPort , lv2:AudioPort" % word, direction + symbol, word + side, [])


def control_ports():
    for symbol, name, direction, least, most, default, unit, words in CONTROLS:
        more = ["lv2:minimum %d" % least, "lv2:maximum %d" % most, 'rdfs:comment "%s"' % words]
        if direction == "in":
            more.append("lv2:default %d" % default)
        if unit:
            more.append("units:unit units:" + unit)
        if symbol == "enabled":
            more += ["lv2:designation lv2:enabled", "lv2:portProperty lv2:toggled"]
        if symbol == "latency":
            more += ["lv2:designation lv2:latency",
                     "lv2:portProperty lv2:reportsLatency , lv2:integer , pprops:notOnGUI"]
        yield ("a lv2:%sPort , lv2:ControlPort" % ("Input" if direction == "in" else "Output"),
               symbol, name, more)


def describe(version):
    _, minor, micro = version.split(".")
    print(PREFIXES)
    print("<%sproject>\n    a doap:Project ;\n    doap:name \"VoiceStand\" ;\n"
          "    doap:maintainer [ a <http://xmlns.com/foaf/0.1/Person> ;\n"
          "        <http://xmlns.com/foaf/0.1/name> \"VoiceStand\" ] .\n" % URI)
    for name, level, channels, label, _ in PLUGINS:
        ports = [*audio_ports(channels), *control_ports()]
        words = "Noise is lowered" + (", speech is brought to -23 LUFS, no sample beyond -1 dB."
                                      if level else "; the level stays.")
        texts = []
        for index, (kind, symbol, port, more) in enumerate(ports):
            lines = [kind, "lv2:index %d" % index, 'lv2:symbol "%s"' % symbol,
                     'lv2:name "%s"' % port, *more]
            texts.append("[\n        " + " ;\n        ".join(lines) + "\n    ]")
        # LV2 counts an odd minor number as work that is not released.
        print("<%s%s>\n    a lv2:Plugin , lv2:FilterPlugin ;\n    doap:name \"%s\" ;\n"
              "    doap:license <http://opensource.org/licenses/MIT> ;\n"
              "    lv2:project <%sproject> ;\n"
              "    lv2:minorVersion %d ;\n    lv2:microVersion %d ;\n"
              "    rdfs:comment \"%s\" ;\n"
              "    lv2:optionalFeature lv2:hardRTCapable ;\n    lv2:port %s .\n"
              % (URI, label, name, URI, 2 * int(minor), 2 * int(micro), words, " , ".join(texts)))


def latency(build, name, rate):
    """Frames, as the plugin tells."""
    host = os.path.join(build, "tests/integration/plugin_host")
    p = subprocess.run([host, "ladspa", os.path.join(build, "plugins/voicestand.so"), "voicestand_" + name,
                        str(rate), "1", "64", "apart", "1,100,0,0,0"], input=bytes(256), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return int(p.stderr.split()[0])


def document(build):
    ports = ["| Name in LADSPA | Symbol in LV2 | | Range [default] | What it does |", "|---|---|---|---|---|"]
    for symbol, name, direction, least, most, default, _, words in CONTROLS:
        ports.append("| %s | `%s` | %s | %d–%d%s | %s |" % (
            name, symbol, direction, least, most, " [%d]" % default if direction == "in" else "", words))
    late = ["| Rate | Enhance | Denoise |", "|---|---|---|"]
    for rate in (8000, 16000, 44100, 48000, 96000, 192000):
        cells = ["%d frames, %.1f ms" % (n, 1000 * n / rate) for n in (
            latency(build, name, rate) for name in ("enhance_mono", "denoise_mono"))]
        late.append("| %d Hz | %s |" % (rate, " | ".join(cells)))
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../docs/plugins.md")) as f:
        text = f.read()
    for marker, lines in (("ports", ports), ("latency", late)):
        made = "<!-- %s -->\n%s\n<!-- /%s -->" % (marker, "\n".join(lines), marker)
        text = re.sub(r"<!-- %s -->.*?<!-- /%s -->" % (marker, marker), lambda _: made, text, flags=re.S)
    sys.stdout.write(text)


if __name__ == "__main__":
    {"--document": document, "--header": header, "--manifest": manifest, "--describe": describe}[sys.argv[1]](*sys.argv[2:])
