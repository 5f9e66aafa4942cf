package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the Go version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, commit := buildVersion()
			_, err := fmt.Fprintf(c.OutOrStdout(), "yocobench %s %s %s %s/%s\n", v, firstOf(commit, "(no commit)"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
