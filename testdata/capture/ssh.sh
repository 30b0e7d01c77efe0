#!/usr/bin/env bash
# Captures identification lines into testdata/flights/ssh. Needs the Debian
# packages openssh-client, putty-tools, dropbear-bin and curl (with scp support).
source "$(dirname "$0")/lib.sh"
out=$here/../flights/ssh

flight "$out/openssh.bin" -- bash -c 'ssh -o BatchMode=yes -o ConnectTimeout=2 -o StrictHostKeyChecking=no -p $PORT nobody@127.0.0.1 true'
flight "$out/dropbear.bin" -- bash -c 'timeout 3 dbclient -y -y -p $PORT nobody@127.0.0.1 true'
flight "$out/putty.bin" -- bash -c 'timeout 3 plink -batch -ssh -P $PORT nobody@127.0.0.1 true'
flight "$out/libssh2.bin" -- bash -c 'curl -s -m 2 -k sftp://nobody@$ADDR/x'
