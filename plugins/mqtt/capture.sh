#!/usr/bin/env bash
# Captures the samples: the CONNECT packets of MQTT clients. Needs the Debian packages
# mosquitto-clients, mosquitto (whose broker is a client of another one as its bridge)
# and python3-paho-mqtt.
source "$(dirname "$0")/../../testdata/capture/lib.sh"
cd "$(dirname "$0")/testdata/samples"
PATH=$PATH:/usr/sbin

pub() { timeout 2 mosquitto_pub -h "$HOST" -p "$PORT" -t t -m m "$@"; }
bridge() {
	printf '%s\n' 'allow_anonymous true' "user $(id -un)" 'connection hall' "address $ADDR" 'topic # out' \
		'remote_clientid bridge-hall' "bridge_protocol_version $1" "listener 0 $tmp/broker.sock" >"$tmp/bridge.conf"
	timeout 3 mosquitto -c "$tmp/bridge.conf"
}
export -f pub bridge
export tmp

flight pub-3.1.bin -- bash -c 'pub -V mqttv31 -i sensor-17'
flight pub-3.1.1.bin -- bash -c 'pub -V mqttv311 -i sensor-17'
flight pub-5.bin -- bash -c 'pub -V mqttv5 -i sensor-17'
flight pub-3.1.1-no-id.bin -- bash -c 'pub -V mqttv311'
flight pub-5-no-id.bin -- bash -c 'pub -V mqttv5'
flight pub-3.1.1-user-will.bin -- bash -c 'pub -V mqttv311 -i "Küche 2" -u alice -P secret --will-topic gone --will-payload kitchen --will-qos 1 --will-retain'
flight pub-5-properties.bin -- bash -c 'pub -V mqttv5 -i sensor-18 -u alice -D connect session-expiry-interval 60 -D connect receive-maximum 20 -D connect user-property room hall -D connect request-problem-information 0 --will-topic gone -D will will-delay-interval 5'
flight bridge-3.1.1.bin -- bash -c 'bridge mqttv311'
flight bridge-5.bin -- bash -c 'bridge mqttv50'
flight paho-3.1.1.bin -- /usr/bin/python3 -c '
import os, paho.mqtt.client as mqtt
mqtt.Client("paho/1").connect(os.environ["HOST"], int(os.environ["PORT"]))'
