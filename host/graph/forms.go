package graph

// Form is a way to write an address to listen on.
type Form struct {
	Example string
	Doc     string // what it means
}

// AddressForms returns every way to write an address to listen on, for help.
func AddressForms() []Form {
	return []Form{
		{":443", "every address of this machine, IPv4 and IPv6"},
		{"10.0.0.1:443", "one address; 0.0.0.0:443 is every IPv4 address"},
		{"[2001:db8::1]:443", "one address; [::]:443 is every IPv6 address, and no IPv4"},
		{"[fe80::1%eth0]:443", "a link-local address, with its interface"},
		{"localhost:443", "127.0.0.1; tcp6/localhost:443 is [::1]"},
		{":1000-1010", "a range of ports, each a listener; with every form that has a port"},
		{"tcp4/:443", "the family in front: tcp4/ or tcp6/; tcp/ changes nothing"},
		{"unix//run/app.sock", "a Unix stream socket; behind a bar the mode of its file, unix//run/app.sock|0660"},
		{"unix/@app", "a Unix stream socket in the abstract namespace of Linux, without a file"},
		{"fd/3", "an open socket that the service manager passes (systemd: ListenStream=), by its number"},
		{"fd/web", "the same by its name (systemd: FileDescriptorName=)"},
	}
}
