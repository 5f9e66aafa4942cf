//go:build !amd64

package cpu

func archTiers() []*Tier { return nil }

// Features names the processor's features that decide about tiers.
func Features() []string { return nil }
