#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Without this test a package could lack a header or a module, or the library leak a symbol.
# install.sh BUILD_FOLDER VERSION PREFIX: installs into a folder of its own and uses what is there.
# shellcheck disable=SC2317 # functions are called by name
set -u -o pipefail

build=$1 version=$2 prefix=$3
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
number=0 failed=0

# Run a command; its words are shown when it fails.
case_of()
{
    local name=$1
    shift
    number=$((number + 1))
    if "$@" >"$work/out" 2>&1; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        sed 's/^/# /' "$work/out"
        failed=1
    fi
}

installed()
{
    local file
    for file in "$@"; do
        [ -e "$file" ] || { echo "missing: ${file#"$dest"}"; return 1; }
    done
}

# What both libraries were asked for is what stands in the headers.
declared()
{
    sed -n 's/^VS_API.*\b\(vs_[a-z0-9_]*\)(.*/\1/p' "$dest$prefix"/include/voicestand/*.h | sort -u
}

exports_declared()
{
    diff <(declared) <(nm -D --defined-only "$shared" | awk '{print $3}' | sort -u)
}

modules_export_entries()
{
    local module names
    for module in "$(dirname "$shared")"/voicestand/*.so; do
        names=$(nm -D --defined-only "$module" | awk '$2 ~ /[A-Z]/ {print $3}' | sort | tr '\n' ' ')
        # some are the command's, not the library's
        case "${module##*/} $names" in
        "serve.so voicestand_serve " | *"-server.so voicestand_server ") ;;
        "bus.so voicestand_bus voicestand_key_portal voicestand_remote ") ;;
        "x11.so voicestand_key_x11 voicestand_x11 ") ;;
        "wayland.so voicestand_wayland ") ;;
        *".so vs_module_entry ") ;;
        *) echo "${module##*/}: $names"; return 1 ;;
        esac
    done
}

plugins_export_one()
{
    local plugin names
    for plugin in "$dest$prefix"/lib/ladspa/voicestand.so "$dest$prefix"/lib/lv2/voicestand.lv2/voicestand.so \
        "$(dirname "$shared")/gstreamer-1.0/libgstvoicestand.so"; do
        [ -e "$plugin" ] || continue
        names=$(nm -D --defined-only "$plugin" | awk '{print $3}' | tr '\n' ' ')
        case "$names" in
        "ladspa_descriptor " | "lv2_descriptor ") ;;
        "gst_plugin_voicestand_get_desc gst_plugin_voicestand_register ") ;;
        *) echo "${plugin##*/}: $names"; return 1 ;;
        esac
        readelf -d "$plugin" | grep -q 'NEEDED.*libvoicestand\.so\.0' || { echo "$plugin: without the library"; return 1; }
    done
}

static_names()
{
    ! nm --defined-only "$(dirname "$shared")/libvoicestand.a" 2>/dev/null |
        awk '$2 ~ /[A-Z]/ && $3 !~ /^vs_/ {print $3}' | grep .
}

needs_libc_only()
{
    ! readelf -d "$shared" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
        grep -vE '^(libc|libm|ld-linux[^.]*|ld-linux-x86-64)\.so'
}

soname()
{
    readelf -d "$shared" | grep -q 'SONAME.*\[libvoicestand\.so\.0\]'
}

no_build_path()
{
    ! grep -rlF "$root/" "$dest"
}

# What pkg-config says to users of the installed tree.
flags()
{
    PKG_CONFIG_SYSROOT_DIR=$dest PKG_CONFIG_LIBDIR=$(dirname "$shared")/pkgconfig \
        pkg-config "$@" voicestand
}

build_shared()
{
    local words
    words=$(flags --cflags --libs) || return 1
    # shellcheck disable=SC2086 # flags are words
    "$@" -Wall -Wextra -Werror "$here/user.c" -x none $words -o "$work/user" || return 1
    readelf -d "$work/user" | grep -q 'NEEDED.*libvoicestand\.so\.0' || return 1
    LD_LIBRARY_PATH=$(dirname "$shared") "$work/user" "$version"
}

build_static()
{
    local words
    words=$(flags --static --cflags --libs) || return 1
    words=${words//-lvoicestand/-l:libvoicestand.a}
    # shellcheck disable=SC2086 # flags are words
    "$@" -Wall -Wextra -Werror "$here/user.c" -x none $words -o "$work/user" || return 1
    ! readelf -d "$work/user" | grep -q 'NEEDED.*libvoicestand' || return 1
    "$work/user" "$version"
}

command_runs()
{
    LD_LIBRARY_PATH=$(dirname "$shared") "$dest$prefix/bin/voicestand" version | grep -F "$version"
}

command_finds_modules()
{
    local out
    cp /usr/share/sounds/alsa/Front_Center.wav "$work/in.wav" || return 1
    out=$(cd "$work" && LD_LIBRARY_PATH=$(dirname "$shared") \
        "$dest$prefix/bin/voicestand" segment --format jsonl in.wav) || return 1
    printf '%s\n' "$out"
    printf '%s\n' "$out" | grep -q '"event":"segment"'
}

# What scripts/sbom says is what the files need.
lists_all()
{
    "$root/scripts/sbom" "$build" >"$work/sbom.json" || return 1
    python3 - "$work/sbom.json" "$version" <<'END'
import json, sys
sbom = json.load(open(sys.argv[1]))
names = {c["bom-ref"]: c for c in sbom["components"]}
top = sbom["metadata"]["component"]
assert top["version"] == sys.argv[2] and sbom["bomFormat"] == "CycloneDX", top
depends = {d["ref"]: d["dependsOn"] for d in sbom["dependencies"]}
assert all(ref in names for refs in depends.values() for ref in refs), "a reference leads nowhere"
library = next(r for r in depends if "libvoicestand.so" in r)
packages = [names[r]["name"] for r in depends[library]]
assert packages == ["libc6"], packages
modules = {r: [names[d]["name"] for d in depends[r]] for r in depends if r.endswith("/sndfile.so")}
assert all("libsndfile1" in found for found in modules.values()), modules
assert all("version" in c for c in sbom["components"] if c["bom-ref"].startswith("pkg:")), "no version"
END
}

same_version()
{
    [ "$(flags --modversion)" = "$version" ]
}

dest=$work/root
echo "TAP version 13"
case_of "meson install works through DESTDIR" \
    env DESTDIR="$dest" meson install -C "$build" --no-rebuild --quiet
shared=$(find "$dest" -name "libvoicestand.so.$version" | head -n 1)
case_of "the libraries, links and pkg-config file are there" installed "$shared" \
    "${shared%."$version"}" "${shared%."$version"}.0" "${shared%.so.*}.a" \
    "${shared%/*}/pkgconfig/voicestand.pc"
for header in "$root"/include/voicestand/*.h; do
    headers+=("$dest$prefix/include/voicestand/${header##*/}")
done
case_of "all public headers are there" installed "${headers[@]}"
case_of "the library exports what its headers declare" exports_declared
case_of "a module exports its entries alone" modules_export_entries
case_of "a plugin exports its entry alone, and uses the shared library" plugins_export_one
case_of "all global names of the static library begin with vs_" static_names
case_of "the library needs the C library alone" needs_libc_only
case_of "the library's name for the loader ends in .so.0" soname
case_of "no installed file names the folder it was built in" no_build_path
case_of "pkg-config tells the version" same_version
if command -v dpkg-query >/dev/null; then
    case_of "the bill of materials names what the files need" lists_all
else
    number=$((number + 1))
    echo "ok $number - the bill of materials names what the files need # SKIP no dpkg-query"
fi
case_of "a C program uses the shared library" build_shared cc -std=c11 -pedantic
case_of "a C++ program uses the shared library" build_shared c++ -std=c++11 -pedantic -x c++
case_of "a C program uses the static library" build_static cc -std=c11
case_of "a C++ program uses the static library" build_static c++ -std=c++17 -x c++
if [ -e "$dest$prefix/bin/voicestand" ]; then
    case_of "the installed command runs" command_runs
    if [ -e /usr/share/sounds/alsa/Front_Center.wav ]; then
        case_of "the installed command finds its modules" command_finds_modules
    else
        number=$((number + 1))
        echo "ok $number - the installed command finds its modules # SKIP no alsa-utils recordings"
    fi
fi
echo "1..$number"
exit $failed
