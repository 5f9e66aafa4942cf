//go:build !slowdown

package main

import "github.com/yocobench/yocobench/runners"

// slowed returns the model unchanged; see slow.go.
func slowed(m runners.Instance, err error) (runners.Instance, error) { return m, err }
