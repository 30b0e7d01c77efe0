package main

import (
	"crypto/tls"
	"net"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/bench"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/plaingo"
)

// helperCommand has the processes that run starts of this program itself.
func helperCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "helper", Short: "What run starts; not for people", Hidden: true}
	cmd.AddCommand(&cobra.Command{
		Use: "load", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bench.Clients(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}, upstreamCommand(), plainGoCommand())
	return cmd
}

func upstreamCommand() *cobra.Command {
	var ports int
	cmd := &cobra.Command{
		Use: "upstream", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bench.Upstream(cmd.Context(), ports, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&ports, "ports", 1, "`N` ports")
	return cmd
}

func plainGoCommand() *cobra.Command {
	var listen, secure, to, cert, key string
	cmd := &cobra.Command{
		Use: "plain-go", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			plain, err := net.Listen("tcp", listen)
			if err != nil {
				return failed{err}
			}
			defer plain.Close()
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return failed{err}
			}
			terminated, err := tls.Listen("tcp", secure, &tls.Config{Certificates: []tls.Certificate{pair}})
			if err != nil {
				return failed{err}
			}
			defer terminated.Close()
			ended := make(chan error, 2)
			go func() { ended <- plaingo.Serve(plain, to) }()
			go func() { ended <- plaingo.Serve(terminated, to) }()
			return <-ended
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "`ADDRESS` to listen on")
	f.StringVar(&secure, "secure", "127.0.0.1:0", "`ADDRESS` to terminate TLS on")
	f.StringVar(&to, "to", "", "`ADDRESS` of the upstream")
	f.StringVar(&cert, "cert", "", "`FILE` with the certificate")
	f.StringVar(&key, "key", "", "`FILE` with its key")
	return cmd
}
