//go:build !amd64 && !arm64

package cpu

var featureTable []feature

func archTiers() []*Tier { return nil }
