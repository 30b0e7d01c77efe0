#!/usr/bin/env bash
# Captures queries of DNS clients into testdata/flights/dns: over UDP the first datagram,
# over TCP the first flight with its length in front. Needs the Debian packages
# knot-dnsutils and bind9-dnsutils.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/dns

kdig_() { kdig @"$HOST" -p "$PORT" +time=1 +retry=0 "$@"; }
dig_() { dig @"$HOST" -p "$PORT" +time=1 +tries=1 "$@"; }
nsupdate_() { printf 'server %s %s\nzone example.com\nupdate add new.example.com 60 A 192.0.2.1\nsend\n' "$HOST" "$PORT" | nsupdate -t 1 -u 1 -r 0 "$@"; }
export -f kdig_ dig_ nsupdate_

flight "$out/udp-kdig.bin" -udp -- bash -c 'kdig_ www.example.com'
flight "$out/udp-kdig-edns.bin" -udp -- bash -c 'kdig_ +edns +nsid +dnssec WWW.Example.com AAAA'
flight "$out/udp-kdig-cookie.bin" -udp -- bash -c 'kdig_ +cookie=0011223344556677 example.com MX'
flight "$out/udp-kdig-padding.bin" -udp -- bash -c 'kdig_ +padding=128 _dmarc.example.com TXT'
flight "$out/udp-kdig-root.bin" -udp -- bash -c 'kdig_ . NS'
flight "$out/udp-kdig-chaos.bin" -udp -- bash -c 'kdig_ version.bind CH TXT'
flight "$out/udp-kdig-type.bin" -udp -- bash -c 'kdig_ example.com TYPE65280'
flight "$out/udp-kdig-reverse.bin" -udp -- bash -c 'kdig_ -x 2001:db8::1'
flight "$out/udp-kdig-escapes.bin" -udp -- bash -c 'kdig_ "a\.b\032c\255.example.com" A'
flight "$out/tcp-kdig-ixfr.bin" -- bash -c 'kdig_ example.com IXFR=7'
flight "$out/udp-kdig-notify.bin" -udp -- bash -c 'kdig_ example.com NOTIFY=7'
flight "$out/udp-dig.bin" -udp -- bash -c 'dig_ www.example.com'
flight "$out/udp-dig-noedns.bin" -udp -- bash -c 'dig_ +noedns +noadflag +norecurse www.example.com HTTPS'
flight "$out/udp-dig-tsig.bin" -udp -- bash -c 'dig_ -y hmac-sha256:key.example.com:c2VjcmV0 www.example.com SOA'
flight "$out/udp-dig-no-question.bin" -udp -- bash -c 'dig_ +header-only +cookie example.com'
flight "$out/udp-nsupdate.bin" -udp -- bash -c 'nsupdate_'
flight "$out/tcp-kdig.bin" -- bash -c 'kdig_ +tcp www.example.com'
flight "$out/tcp-kdig-edns.bin" -- bash -c 'kdig_ +tcp +edns +dnssec +cookie=0011223344556677 Mail.Example.com MX'
flight "$out/tcp-dig.bin" -- bash -c 'dig_ +tcp www.example.com'
flight "$out/tcp-dig-axfr.bin" -- bash -c 'dig_ example.com AXFR'
flight "$out/tcp-dig-keepopen.bin" -- bash -c 'dig_ +tcp +keepopen +keepalive a.example.com b.example.com'
flight "$out/tcp-nsupdate.bin" -- bash -c 'nsupdate_ -v'
