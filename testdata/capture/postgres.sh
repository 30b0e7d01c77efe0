#!/usr/bin/env bash
# Captures first flights of PostgreSQL clients into testdata/flights/postgres. Needs
# the Debian packages postgresql, postgresql-client, python3-psycopg2, krb5-kdc,
# krb5-user, krb5-admin-server; starts a server and a Kerberos realm of its own in a temporary directory.
source "$(dirname "$0")/lib.sh"
out=$here/../flights/postgres
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as=()
[[ $(id -u) != 0 ]] || as=(runuser -u postgres --)
chmod 755 "$tmp"
mkdir "$tmp/data"
[[ $(id -u) != 0 ]] || chown postgres "$tmp/data"
"${as[@]}" "$bin/initdb" -D "$tmp/data" -A trust -U alice >/dev/null
server=$("$tmp/sink" -out /dev/null -quiet 1ms & sleep 0.2; kill $!) # a port that was free
server=${server##*:}
"${as[@]}" "$bin/pg_ctl" -D "$tmp/data" -w -o "-p $server -h 127.0.0.1 -k ''" start >/dev/null
trap '"${as[@]}" "$bin/pg_ctl" -D "$tmp/data" -m immediate stop >/dev/null; rm -rf "$tmp"' EXIT

psql_() { psql "host=$HOST port=$PORT user=alice dbname=planets_db connect_timeout=3 $1" -c "${2:-select 1}"; }
export -f psql_

flight "$out/psql-disable.bin" -- bash -c 'psql_ "sslmode=disable gssencmode=disable"'
flight "$out/psql-require.bin" -- bash -c 'psql_ "sslmode=require gssencmode=disable"'
flight "$out/psql-prefer.bin" -- bash -c 'psql_ "sslmode=prefer gssencmode=disable"'
flight "$out/psql-replication.bin" -- bash -c 'psql_ "sslmode=disable gssencmode=disable replication=database" IDENTIFY_SYSTEM'
flight "$out/psql-options.bin" -- bash -c 'psql_ "sslmode=disable gssencmode=disable application_name=TablePlus options=-cstatement_timeout=5s"'
flight "$out/psycopg2.bin" -- /usr/bin/python3 -c '
import os, psycopg2
psycopg2.connect(host=os.environ["HOST"], port=os.environ["PORT"], user="bob", dbname="public_db", sslmode="disable", gssencmode="disable", connect_timeout=3)'
flight "$out/pg-isready.bin" -- bash -c 'PGGSSENCMODE=disable PGSSLMODE=disable pg_isready -t 3 -h "$HOST" -p "$PORT"'
# The second connection of an interrupted psql is the CancelRequest.
flight "$out/psql-cancel.bin" -conn 2 -to "127.0.0.1:$server" -- bash -c '
exec timeout -s INT 2 psql "host=$HOST port=$PORT user=alice dbname=postgres sslmode=disable gssencmode=disable" -c "select pg_sleep(30)"'

# libpq asks for GSSAPI encryption only when there is a ticket.
kdc=$("$tmp/sink" -out /dev/null & sleep 0.2; kill $!)
kdc=${kdc##*:}
cat >"$tmp/krb5.conf" <<END
[libdefaults]
	default_realm = EXAMPLE.TEST
	dns_lookup_kdc = false
	udp_preference_limit = 1
	rdns = false
[realms]
	EXAMPLE.TEST = {
		kdc = 127.0.0.1:$kdc
		database_name = $tmp/principal
		key_stash_file = $tmp/stash
		acl_file = $tmp/acl
		kdc_listen = 127.0.0.1:$kdc
		kdc_tcp_listen = 127.0.0.1:$kdc
	}
END
export KRB5_CONFIG=$tmp/krb5.conf KRB5_KDC_PROFILE=$tmp/krb5.conf KRB5CCNAME=FILE:$tmp/ccache
export PATH=$PATH:/usr/sbin
kdb5_util create -s -r EXAMPLE.TEST -P master >/dev/null
kadmin.local -q 'addprinc -pw secret alice' >/dev/null
krb5kdc -n >/dev/null &
kdc_pid=$!
trap 'kill $kdc_pid; "${as[@]}" "$bin/pg_ctl" -D "$tmp/data" -m immediate stop >/dev/null; rm -rf "$tmp"' EXIT
until kinit alice <<<secret >/dev/null 2>&1; do :; done
flight "$out/psql-gssenc.bin" -- bash -c 'psql_ gssencmode=require'
