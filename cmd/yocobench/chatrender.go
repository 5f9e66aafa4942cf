package main

import (
	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners/chat"
)

// newChatRender is the child process of chat.Format.Load.
func newChatRender() *cobra.Command {
	return &cobra.Command{
		Use:    chat.Command,
		Short:  "Render the chat template on standard input, within limits",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return chat.Child(c.InOrStdin(), raw(c.OutOrStdout()))
		},
	}
}
