// Package capture reads what clients said first from packet captures: files of
// tcpdump and Wireshark, pcap and pcapng.
//
//	flights, err := capture.Flights(file)
//	for _, f := range flights {
//		fmt.Println(f.Network, f.Client, len(f.Head))
//	}
//
// A flight of a TCP connection is what the client sent in order until the server
// answered it; of UDP, its datagrams until then. Captures come from anywhere: what is
// kept of one is bounded, whatever it says of itself, and what cannot be read as IP is
// passed over, as a capture has much that nobody asked for.
package capture
