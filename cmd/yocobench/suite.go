package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/suites"
)

func newSuite() *cobra.Command {
	explain := &cobra.Command{
		Use:   "explain [TASK]",
		Short: "Explain every field of a suite, or of one task",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return suites.Explain(c.OutOrStdout(), tasks(), firstOf(args...))
		},
	}
	show := &cobra.Command{
		Use:     "show SUITE",
		Short:   "Print a shipped suite, as a starting point",
		Example: "  yocobench suite show needle > mine.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := suites.ReadShipped(args[0])
			if err != nil {
				return &suites.Problem{Msg: fmt.Sprintf("no shipped suite %q", args[0]), Hint: suites.Suggest(args[0], suites.Shipped())}
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	check := &cobra.Command{
		Use:   "check SUITE...",
		Short: "Check suites without running them",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, a := range args {
				s, err := suites.Load(a, nil, tasks())
				if err != nil {
					return err
				}
				p, err := suites.NewPlan(c.Context(), s, wiring(c.Context(), deviceOptions{}, nil))
				if err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: ok, %s\n", a, numberOf(len(p.Cases)))
			}
			return nil
		},
	}
	return group("suite", "Explain, print or check suites", explain, show, check)
}
