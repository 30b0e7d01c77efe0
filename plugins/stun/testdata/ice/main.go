// Command ice begins a connectivity check of ICE (RFC 8445 §7) with a peer that is
// at an address: udp, or tcp with the framing of RFC 4571. It is told how the peer is
// called, as signalling would.
//
//	ADDR=127.0.0.1:4000 ice tcp
package main

import (
	"context"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pion/ice/v4"
)

func main() {
	if err := check(os.Args[1], os.Getenv("ADDR")); err != nil {
		log.Fatal(err)
	}
}

func check(network, addr string) error {
	types := map[string]ice.NetworkType{"udp": ice.NetworkTypeUDP4, "tcp": ice.NetworkTypeTCP4}
	agent, err := ice.NewAgent(&ice.AgentConfig{
		NetworkTypes: []ice.NetworkType{types[network]}, IncludeLoopback: true,
		CandidateTypes: []ice.CandidateType{ice.CandidateTypeHost},
		IPFilter:       func(ip net.IP) bool { return ip.IsLoopback() },
	})
	if err != nil {
		return err
	}
	if err := agent.OnCandidate(func(ice.Candidate) {}); err != nil {
		return err
	}
	if err := agent.GatherCandidates(); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	c := &ice.CandidateHostConfig{Network: network, Address: host, Port: n, Component: 1}
	if network == "tcp" {
		c.TCPType = ice.TCPTypePassive
	}
	remote, err := ice.NewCandidateHost(c)
	if err != nil {
		return err
	}
	if err := agent.AddRemoteCandidate(remote); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err = agent.Dial(ctx, "theirs", "a password of the peer's")
	return err
}
