#!/bin/bash
# Installs the Debian packages that the interop tests run against; names those it cannot install.
# It never fails: a test whose program is missing is skipped, and says which one.
set -uo pipefail
cd "$(dirname "$0")/../.."

wanted=(tigervnc-standalone-server tigervnc-viewer tigervnc-tools qemu-system-x86 qemu-utils xvfb chromium
        chromium-driver haproxy xterm x11-utils x11-xserver-utils xdotool imagemagick openssl curl fonts-dejavu-core
        x11vnc libpam-wrapper gvncviewer socat spice-client-gtk virt-viewer)
export DEBIAN_FRONTEND=noninteractive

missing() {
    for package in "${wanted[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || echo "$package"
    done
}

# Debian's noVNC pages alone: as a package they would bring OpenStack's libraries.
unpack_novnc() {
    [ -d .work/novnc/usr/share/novnc ] && return
    local box
    box=$(mktemp -d)
    (cd "$box" && apt-get -qq download novnc > /dev/null 2>&1) && mkdir -p .work/novnc \
        && dpkg-deb -x "$box"/novnc_*.deb .work/novnc
    rm -rf "$box"
    [ -d .work/novnc/usr/share/novnc ] || echo "Debian's novnc could not be fetched: its tests are skipped" >&2
}

if ! command -v apt-get > /dev/null; then
    echo "this is no Debian: tests whose program is missing are skipped (wanted: ${wanted[*]})" >&2
    exit 0
fi

mapfile -t absent < <(missing)
as_root=()
if [ "$(id -u)" != 0 ]; then
    if [ -t 0 ]; then as_root=(sudo); else as_root=(sudo -n); fi
fi
if [ "${#absent[@]}" -gt 0 ] && { [ "$(id -u)" = 0 ] || command -v sudo > /dev/null; }; then
    echo "installing ${absent[*]}"
    "${as_root[@]}" apt-get -qq update > /dev/null 2>&1
    mapfile -t known < <(for package in "${absent[@]}"; do apt-cache show "$package" > /dev/null 2>&1 && echo "$package"; done)
    log=$(mktemp)
    [ "${#known[@]}" -eq 0 ] \
        || "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${known[@]}" > "$log" 2>&1 \
        || tail -n 5 "$log" >&2
    rm -f "$log"
    mapfile -t absent < <(missing)
fi
[ "${#absent[@]}" -eq 0 ] || echo "missing, and their tests are skipped: ${absent[*]} (apt-get install ${absent[*]})" >&2
unpack_novnc
exit 0
