#!/usr/bin/env bash
# Captures first flights of RDP clients into testdata/flights/rdp. Needs the Debian
# packages freerdp2-x11, rdesktop, xvfb and xauth.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/rdp

display() { xvfb-run -a "$@"; }
freerdp() { display xfreerdp /v:"$ADDR" /cert:ignore /timeout:2000 "$@"; }
export -f display freerdp

flight "$out/freerdp.bin" -- bash -c 'freerdp /u:alice /p:secret'
flight "$out/freerdp-domain.bin" -- bash -c 'freerdp /u:alice /d:EXAMPLE /p:secret'
flight "$out/freerdp-no-user.bin" -- bash -c 'freerdp /p:secret'
flight "$out/freerdp-rdp.bin" -- bash -c 'freerdp /sec:rdp /u:Administrator /p:secret'
flight "$out/freerdp-tls.bin" -- bash -c 'freerdp /sec:tls /u:alice /p:secret'
flight "$out/freerdp-restricted-admin.bin" -- bash -c 'freerdp /restricted-admin /u:alice /p:secret'
flight "$out/freerdp-token.bin" -- bash -c 'freerdp /u:alice /p:secret "/load-balance-info:Cookie: msts=3640205228.15629.0000"'
flight "$out/freerdp-custom.bin" -- bash -c 'freerdp /u:alice /p:secret "/load-balance-info:tsv://MS Terminal Services Plugin.1.Desktops"'
flight "$out/rdesktop.bin" -- bash -c 'display rdesktop -u alice -p secret "$ADDR"'
flight "$out/rdesktop-long-user.bin" -- bash -c 'display rdesktop -4 -u "alice.of.the.sales.department" -p secret "$ADDR"'
