package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/reports"
	"github.com/yocobench/yocobench/reports/serve"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

func newServe() *cobra.Command {
	var addr string
	var expose bool
	var hosts []string
	c := &cobra.Command{
		Use:   "serve DIR",
		Short: "List, open and compare the runs of a folder in a browser",
		Long: `Serve the runs in a folder and its subfolders to a browser: list them, open
their reports, rendered from results.jsonl, and compare selected runs. Nothing
is written. Only this machine can reach the pages, unless --expose allows
another --addr. There is no password: anyone who reaches the address can read
every run.`,
		Example: `  yocobench serve runs
  yocobench serve runs --addr 127.0.0.1:9000
  yocobench serve runs --addr 0.0.0.0:80 --expose --host bench.example.org`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return serveRuns(c.Context(), args[0], addr, hosts, expose, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "address to listen on: host:port; port 0 picks a free port")
	c.Flags().BoolVar(&expose, "expose", false, "allow an --addr that other machines can reach")
	c.Flags().StringArrayVar(&hosts, "host", nil, "additional allowed host name of requests, such as a proxy's (repeatable)")
	return c
}

// serveRuns serves until ctx ends.
func serveRuns(ctx context.Context, dir, addr string, hosts []string, expose bool, stdout, stderr io.Writer) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return usagef("%s is not a folder", dir)
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return usagef("--addr is host:port, such as 127.0.0.1:8080, not %q", addr)
	}
	for _, h := range hosts {
		if h == "" || strings.ContainsAny(h, " /:*") {
			return usagef("--host is a name such as runs.example.org, without a port, not %q", h)
		}
	}
	if !serve.Loopback(addr) {
		if !expose {
			return usagef("other machines can reach %s and read every run in %s\n  hint: add --expose to allow that", addr, dir)
		}
		fmt.Fprintf(stderr, "warning: other machines can reach %s; there is no password: anyone who reaches it can read every run in %s\n", addr, dir)
	}
	s, err := serve.New(dir, serve.Options{
		Addr: addr, Hosts: hosts,
		Report: func(ctx context.Context, w io.Writer, j *result.Journal) error {
			gates, _ := gatesOf(j, dir) // an unreadable suite gives no verdicts
			return reports.HTMLTo(ctx, w, j, shown(judge(gates, j, nil)))
		},
		Gates: func(j *result.Journal) ([]gate.Gate, error) { return gatesOf(j, dir) },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w\n  hint: use another address, such as --addr 127.0.0.1:0", err)
	}
	fmt.Fprintf(stdout, "http://%s/ shows the runs in %s; stop with Ctrl-C\n", l.Addr(), dir)
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16,
		ErrorLog: log.New(stderr, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		// Let requests in progress finish, up to a limit.
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		err = server.Shutdown(limit)
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
