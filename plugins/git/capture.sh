#!/usr/bin/env bash
# Captures requests of git clients into testdata/samples. Needs git, and the Debian
# package python3-dulwich for another one.
source "$(dirname "${BASH_SOURCE[0]}")/../../testdata/capture/lib.sh"
out=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/testdata/samples

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

git init -q "$tmp/work"
git -C "$tmp/work" -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m x

flight "$out/ls-remote.bin" -- bash -c 'git ls-remote "git://$ADDR/team/project.git"'
flight "$out/ls-remote-version-0.bin" -- bash -c 'git -c protocol.version=0 ls-remote "git://$ADDR/team/project.git"'
flight "$out/ls-remote-version-1.bin" -- bash -c 'git -c protocol.version=1 ls-remote "git://$ADDR/team/project.git"'
flight "$out/ls-remote-localhost.bin" -- bash -c 'git ls-remote "git://localhost:$PORT/other/project"'
flight "$out/virtual-host.bin" -- bash -c 'GIT_OVERRIDE_VIRTUAL_HOST=Git.Example.com git clone "git://$ADDR/team/project.git" "$0/clone"' "$tmp"
flight "$out/virtual-host-ipv6.bin" -- bash -c 'GIT_OVERRIDE_VIRTUAL_HOST="[::1]:9418" git ls-remote "git://$ADDR/~alice/project"'
flight "$out/push.bin" -- bash -c 'git -C "$0/work" push "git://$ADDR/team/project.git" HEAD:main' "$tmp"
flight "$out/archive.bin" -- bash -c 'git archive --remote="git://$ADDR/team/project.git" HEAD'
flight "$out/dulwich.bin" -- /usr/bin/python3 -c '
import os
from dulwich.client import TCPGitClient
TCPGitClient(os.environ["HOST"], int(os.environ["PORT"])).get_refs(b"/team/project.git")'
