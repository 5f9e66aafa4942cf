package main

import (
	"errors"
	"fmt"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
)

// assumedGPU is the device profile that a dry run assumes if there is no GPU: that of the paper.
const assumedGPU = "h100-sxm"

// plannedGPU is the cuda runner of a dry run without a GPU. It plans but loads no model.
type plannedGPU struct {
	profile runners.Profile
	why     error
}

func (g plannedGPU) Name() string { return "cuda" }

func (g plannedGPU) Device() runners.Device {
	return runners.Device{Kind: "cuda", Name: g.profile.Name, Memory: g.profile.Memory}
}

func (g plannedGPU) Load(runners.Config, runners.Weights, runners.Options) (runners.Instance, error) {
	return nil, g.why
}

// assumption is the device that a dry run assumes in place of a missing GPU. It is empty if there
// is a GPU, or if no case needs one.
type assumption struct {
	Device     string             `json:"device"`
	Efficiency runners.Efficiency `json:"efficiency"`
	// Why is the reason for which there is no GPU.
	Why string `json:"why"`
}

// gpu returns a plannedGPU and fills in the assumption.
func (a *assumption) gpu(why error) (runners.Runner, error) {
	p, err := runners.FindProfile(assumedGPU)
	if err != nil {
		return nil, err
	}
	a.Device, a.Efficiency, a.Why = p.Name, p.Efficiency, why.Error()
	if pr := (*suites.Problem)(nil); errors.As(why, &pr) {
		a.Why = pr.Msg
	}
	return plannedGPU{p, why}, nil
}

func (a *assumption) String() string {
	return fmt.Sprintf("%s: cases of the cuda runner are estimated for the device %s, assuming %g of its peak FLOP/s and %g of its bandwidth",
		a.Why, a.Device, a.Efficiency.Compute, a.Efficiency.Bandwidth)
}
