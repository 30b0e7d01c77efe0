package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// jsonFlag gives a command --json.
func jsonFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "json", false, "print JSON, for programs")
}

// configFlag gives a command --config.
func configFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVarP(to, "config", "c", "",
		"configuration `FILE`, TOML if its name ends so [$DWAAR_CONFIG, ./Dwaarfile, ./dwaar.toml, /etc/dwaar/Dwaarfile]")
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints rows in columns, under their titles.
func (a *app) table(titles string, rows int, row func(i int) string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, titles)
	for i := range rows {
		fmt.Fprintln(w, row(i))
	}
	return w.Flush()
}

// dash stands for what is not there: an empty column looks like a mistake.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// age is how long ago something was, in units people think in.
func age(since time.Time) string { return ageOf(time.Since(since)) }

func ageOf(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// bytes is an amount of bytes in units of 1024.
func bytes[T int64 | uint64](n T) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1024 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f%ciB", v, units[unit])
}
