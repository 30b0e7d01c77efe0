package main

import (
	"fmt"
	"strings"

	"dwaar.dev/dwaar/host/control"
)

// demoTries are commands for the demonstration.
const demoTries = `try it:
  curl http://127.0.0.1:8443/
  curl -k https://127.0.0.1:8443/
  printf 'PING\r\n' | nc -N 127.0.0.1 8443
  nc 127.0.0.1 8443              (say nothing for three seconds)
`

// ownTries are commands for any other configuration.
const ownTries = `try it:
  dwaar status
  dwaar connections
  dwaar reload
`

// intro tells somebody at a terminal what this program does now.
func (s *server) intro(text string, socket *control.Socket) {
	var b strings.Builder
	if s.config == defaultName {
		b.WriteString("There is no configuration here: this is the demonstration that dwaar brings along.\nWrite ./Dwaarfile for your own; `dwaar help directives` lists what can stand in it.\n\n")
	}
	fmt.Fprintf(&b, "dwaar %s serves %s\n\n%s\nlistening on", version(), s.config, text)
	for _, l := range s.engine.Stats().Listeners {
		b.WriteString(" " + l.Addr)
	}
	flag := ""
	if socket != nil {
		fmt.Fprintf(&b, "\ncontrol socket %s", socket.Path())
		if control.Find(control.Paths(s.getenv)) != socket.Path() {
			flag = " --control " + socket.Path()
		}
	}
	b.WriteString("\n\n")
	if s.demo {
		b.WriteString(demoTries)
	} else {
		for line := range strings.Lines(ownTries) {
			if rest, ok := strings.CutPrefix(line, "  dwaar"); ok {
				line = "  dwaar" + strings.TrimSuffix(rest, "\n") + flag + "\n"
			}
			b.WriteString(line)
		}
	}
	b.WriteString("\n")
	fmt.Fprint(s.err, b.String())
}
