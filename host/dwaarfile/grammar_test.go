package dwaarfile_test

import "dwaar.dev/dwaar/sdk"

// grammar holds the words of the reference that the traps of the language need.
func grammar() *sdk.Grammar {
	routes := sdk.Block{Options: serverOptions(), Holds: sdk.HoldsRoutes}
	layer4 := sdk.Spec{Name: "layer4", Need: true, Many: true, Block: &sdk.Block{
		Holds: sdk.HoldsServers,
		Options: []sdk.Spec{{Name: "udp", Many: true, Args: []sdk.Arg{sdk.Some("ADDR", sdk.Addr)}, Block: &sdk.Block{
			Holds: sdk.HoldsHandlers,
		}}},
	}}
	return &sdk.Grammar{
		Top: []sdk.Spec{layer4},
		Global: sdk.Spec{Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "plugin", Many: true, Declares: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.Maybe("FILE", sdk.Free)}, Block: &sdk.Block{Options: []sdk.Spec{
				{Name: "sha256", Args: []sdk.Arg{sdk.One("SUM", sdk.Free)}},
				{Name: "reads", Args: []sdk.Arg{sdk.Some("FACT", sdk.Free)}},
				{Name: "on_error", Args: []sdk.Arg{sdk.Choice("WHAT", "close", "no_match", "match")}},
			}}},
			{Name: "certificate", Many: true, Args: []sdk.Arg{sdk.Some("NAME", sdk.Free)}},
			{Name: "grace_period", Args: []sdk.Arg{sdk.One("TIME", sdk.Duration)}},
			layer4,
		}}},
		Server:   sdk.Spec{Name: "server", Args: []sdk.Arg{sdk.Some("ADDR", sdk.Addr)}, Need: true, Block: &routes},
		Route:    sdk.Spec{Name: "route", Many: true, Need: true, Args: []sdk.Arg{sdk.List("@NAME", sdk.Ref)}, Block: &sdk.Block{Holds: sdk.HoldsHandlers}},
		Matchers: matchers(),
		Handlers: handlers(&routes),
	}
}

func serverOptions() []sdk.Spec {
	return []sdk.Spec{
		{Name: "matching_timeout", Args: []sdk.Arg{sdk.One("TIME", sdk.Duration)}},
		{Name: "max_head", Args: []sdk.Arg{sdk.One("SIZE", sdk.Size)}},
	}
}

func addresses(name string) sdk.Spec {
	return sdk.Spec{Name: name, Args: []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)}}
}

func matchers() []sdk.Spec {
	hello := &sdk.Block{Options: []sdk.Spec{
		{Name: "sni", Many: true, Args: []sdk.Arg{sdk.Some("NAME", sdk.Host)}},
		{Name: "sni_regexp", Args: []sdk.Arg{sdk.One("PATTERN", sdk.Regexp)}},
		{Name: "alpn", Args: []sdk.Arg{sdk.Some("PROTO", sdk.Proto)}},
		addresses("remote_ip"), addresses("local_ip"),
	}}
	return []sdk.Spec{
		{Name: "tls", Block: hello},
		{Name: "quic", Block: hello},
		{Name: "http", Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "host", Args: []sdk.Arg{sdk.Some("HOST", sdk.Host)}},
			{Name: "method", Args: []sdk.Arg{sdk.Some("METHOD", sdk.Free)}},
			{Name: "path", Args: []sdk.Arg{sdk.Some("PATH", sdk.Free)}},
			{Name: "header", Many: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.Maybe("VALUE", sdk.Free)}},
			{Name: "not", Many: true, Negates: true},
			addresses("remote_ip"),
		}}},
		{Name: "ssh"},
		{Name: "xmpp"},
		{Name: "postgres", Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "user", Many: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.List("DB", sdk.Free)}},
			{Name: "client", Args: []sdk.Arg{sdk.Some("APP", sdk.Free)}},
			{Name: "tls", Args: []sdk.Arg{sdk.Choice("STATE", "enabled", "disabled", "*")}},
		}}},
		addresses("remote_ip"), addresses("local_ip"),
		{Name: "not", Many: true, Need: true, Block: &sdk.Block{Holds: sdk.HoldsMatchers}},
		{Name: "vars", Many: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.Some("VALUE", sdk.Free)}},
		{Name: "regexp", Many: true, Args: []sdk.Arg{
			sdk.One("PATTERN", sdk.Regexp),
			{Name: "COUNT", Shape: sdk.Int, Max: 1, AnyOrder: true},
			{Name: "hex", Shape: sdk.Enum, Words: []string{"hex"}, Max: 1, AnyOrder: true},
		}},
		{Name: "clock", Args: []sdk.Arg{
			{Name: "AFTER", Shape: sdk.Time, Words: []string{"after", "before"}, Min: 1, Max: 1},
			sdk.One("BEFORE", sdk.Time), sdk.Maybe("TZ", sdk.Free),
		}},
		{Name: "dns", Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "allow", Many: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.Maybe("TYPE", sdk.Free), sdk.Maybe("CLASS", sdk.Free)}},
			{Name: "deny", Many: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.Maybe("TYPE", sdk.Free), sdk.Maybe("CLASS", sdk.Free)}},
			{Name: "default_deny"},
		}}},
		{Name: "proxy_protocol"},
		{Name: "socks5", Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "auth_methods", Args: []sdk.Arg{sdk.Some("N", sdk.Int)}},
		}}},
	}
}

func handlers(routes *sdk.Block) []sdk.Spec {
	return []sdk.Spec{
		{Name: "proxy", Ends: true, Args: []sdk.Arg{sdk.List("ADDR", sdk.Addr)}, Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "to", Many: true, Args: []sdk.Arg{sdk.Some("ADDR", sdk.Addr)}},
			{Name: "upstream", Aliases: []string{"upstreams"}, Many: true, Args: []sdk.Arg{sdk.List("ADDR", sdk.Addr)}, Block: &sdk.Block{Options: []sdk.Spec{
				{Name: "dial", Many: true, Args: []sdk.Arg{sdk.Some("ADDR", sdk.Addr)}},
				{Name: "weight", Args: []sdk.Arg{sdk.One("N", sdk.Int)}},
				{Name: "tls"},
			}}},
			{Name: "lb_policy", Args: []sdk.Arg{sdk.Choice("POLICY", "round_robin", "least_conn", "random", "ip_hash", "first"), sdk.Maybe("N", sdk.Int)}},
			{Name: "max_fails", Args: []sdk.Arg{sdk.One("N", sdk.Int)}},
			{Name: "fail_duration", Args: []sdk.Arg{sdk.One("TIME", sdk.Duration)}},
			{Name: "health_timeout", Args: []sdk.Arg{sdk.One("TIME", sdk.Duration)}},
			{Name: "proxy_protocol", Args: []sdk.Arg{sdk.Choice("VERSION", "v1", "v2")}},
			{Name: "allow", Many: true, Args: []sdk.Arg{sdk.Some("WHAT", sdk.Free)}},
			{Name: "tls"},
		}}},
		{Name: "tls", Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "cert", Args: []sdk.Arg{sdk.One("FILE", sdk.Free)}},
			{Name: "alpn", Args: []sdk.Arg{sdk.Some("PROTO", sdk.Proto)}},
		}}},
		{Name: "subroute", Block: routes},
		{Name: "tee", Need: true, Block: &sdk.Block{Holds: sdk.HoldsHandlers}},
		{Name: "echo", Ends: true},
		{Name: "close", Ends: true, Args: []sdk.Arg{{Name: "HOW", Shape: sdk.Enum, Words: []string{"reset"}, Max: 1}}},
		{Name: "vars", Many: true, Args: []sdk.Arg{sdk.Maybe("NAME", sdk.Free), sdk.Maybe("VALUE", sdk.Free)}, Block: &sdk.Block{
			Line: &sdk.Spec{Name: "NAME", Many: true, Args: []sdk.Arg{sdk.One("VALUE", sdk.Free)}},
		}},
		{Name: "socks5", Ends: true, Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "bind_ip", Args: []sdk.Arg{sdk.One("IP", sdk.Free)}},
			{Name: "commands", Args: []sdk.Arg{{Name: "COMMAND", Shape: sdk.Enum, Words: []string{"CONNECT", "ASSOCIATE", "BIND"}, Min: 1, Max: -1}}},
			{Name: "credentials", Many: true, Args: []sdk.Arg{sdk.One("USER", sdk.Free), sdk.One("PASS", sdk.Free)}},
		}}},
		{Name: "proxy_protocol", Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "allow", Many: true, Args: []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)}},
			{Name: "timeout", Args: []sdk.Arg{sdk.One("TIME", sdk.Duration)}},
		}}},
	}
}
