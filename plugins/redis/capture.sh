#!/usr/bin/env bash
# Captures first flights of Redis clients into testdata/samples. Needs the Debian
# packages redis-tools, redis-server, python3-redis and netcat-openbsd.
source "$(dirname "${BASH_SOURCE[0]}")/../../testdata/capture/lib.sh"
out=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/testdata/samples

cli() { redis-cli -h "$HOST" -p "$PORT" "$@"; }
python() { # ARGUMENTS OF redis.Redis
	/usr/bin/python3 -c 'import os, redis
redis.Redis(host=os.environ["HOST"], port=os.environ["PORT"], socket_timeout=2, '"$1"').get("planet")'
}
export -f cli python

flight "$out/ping.bin" -- bash -c 'cli PING'
flight "$out/set.bin" -- bash -c 'cli SET planet earth'
flight "$out/interactive.bin" -- script -q -c 'redis-cli -h "$HOST" -p "$PORT"' /dev/null
flight "$out/auth-password.bin" -- bash -c 'cli --no-auth-warning -a secret PING'
flight "$out/auth-user.bin" -- bash -c 'cli --no-auth-warning --user alice --pass secret PING'
flight "$out/select.bin" -- bash -c 'cli -n 5 PING'
flight "$out/resp3.bin" -- bash -c 'cli -3 PING'
flight "$out/hello-auth.bin" -- bash -c 'cli HELLO 3 AUTH alice secret SETNAME tests'
flight "$out/big-value.bin" -- bash -c 'head -c 5000 /dev/zero | tr "\0" x | cli -x SET planet'
flight "$out/rdb.bin" -- bash -c 'cli --rdb "$0/dump.rdb"' "$tmp"
flight "$out/benchmark.bin" -- bash -c 'redis-benchmark -h "$HOST" -p "$PORT" -c 1 -n 8 -P 4 -t incr'
flight "$out/replica.bin" -- bash -c 'cd "$0" && exec timeout 5 redis-server --port 0 --unixsocket s --dbfilename none --replicaof "$HOST" "$PORT"' "$tmp"
flight "$out/python.bin" -- bash -c 'python "db=2"'
flight "$out/python-user.bin" -- bash -c 'python "username=\"bob\", password=\"secret\""'
flight "$out/inline-ping.bin" -- bash -c 'printf "PING\r\n" | nc -N "$HOST" "$PORT"'
flight "$out/inline-auth.bin" -- bash -c 'printf "auth alice \"pass word\"\r\n" | nc -N "$HOST" "$PORT"'
flight "$out/inline-select.bin" -- bash -c 'echo "select 3" | nc -N "$HOST" "$PORT"'
flight "$out/inline-info.bin" -- bash -c 'printf "info replication\r\n" | nc -N "$HOST" "$PORT"'
