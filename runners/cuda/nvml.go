//go:build cuda

package cuda

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"gorgonia.org/cu"
)

// State is the GPU's state as reported by NVML. Zero values are unknown.
type State struct {
	// Driver is the driver's own version, such as "550.54.15".
	Driver string `json:"driver,omitempty"`
	// SMClock and MemoryClock are in MHz; the Max fields are their upper limits.
	SMClock        int `json:"sm_mhz,omitempty"`
	SMClockMax     int `json:"sm_mhz_max,omitempty"`
	MemoryClock    int `json:"memory_mhz,omitempty"`
	MemoryClockMax int `json:"memory_mhz_max,omitempty"`
	// Power and its limit are in watts, Temperature in degrees Celsius.
	Power       float64 `json:"power_w,omitempty"`
	PowerLimit  float64 `json:"power_limit_w,omitempty"`
	Temperature int     `json:"temperature_c,omitempty"`
	// Throttled lists the reasons for reduced clocks, except idleness.
	Throttled []string `json:"throttled,omitempty"`
}

// throttles names NVML's bits. Bit 0 is idleness.
var throttles = []struct {
	bit  uint64
	name string
}{
	{2, "clocks set by an application"}, {4, "power cap"}, {8, "hardware slowdown"}, {16, "sync boost"}, {32, "thermal slowdown (software)"},
	{64, "thermal slowdown (hardware)"}, {128, "power brake"}, {256, "display clock"}, {512, "board limit"}, {1024, "reliability"},
}

// Attributes that gorgonia.org/cu names differently or not at all.
const (
	attrPCIBus    cu.DeviceAttribute = 33
	attrPCIDevice cu.DeviceAttribute = 34
	attrPCIDomain cu.DeviceAttribute = 50
)

// Now reads the GPU's state from NVML, whose library comes with the driver. The error says why it
// is not available.
func Now() (s State, err error) {
	dev, _, err := inspect()
	if err != nil {
		return s, err
	}
	var pci [3]int
	for i, a := range []cu.DeviceAttribute{attrPCIDomain, attrPCIBus, attrPCIDevice} {
		if pci[i], err = dev.Attribute(a); err != nil {
			return s, failure("the GPU's PCI address", err)
		}
	}
	if r := nvml.Init(); r != nvml.SUCCESS {
		return s, fmt.Errorf("NVML does not start: %w", r)
	}
	defer nvml.Shutdown() //nolint:errcheck // nothing depends on it
	g, r := nvml.DeviceGetHandleByPciBusId(fmt.Sprintf("%08x:%02x:%02x.0", pci[0], pci[1], pci[2]))
	if r != nvml.SUCCESS {
		return s, fmt.Errorf("NVML does not find the GPU: %w", r)
	}
	if v, r := nvml.SystemGetDriverVersion(); r == nvml.SUCCESS {
		s.Driver = v
	}
	for _, c := range []struct {
		to  *int
		get func(nvml.ClockType) (uint32, nvml.Return)
		of  nvml.ClockType
	}{
		{&s.SMClock, g.GetClockInfo, nvml.CLOCK_SM}, {&s.SMClockMax, g.GetMaxClockInfo, nvml.CLOCK_SM},
		{&s.MemoryClock, g.GetClockInfo, nvml.CLOCK_MEM}, {&s.MemoryClockMax, g.GetMaxClockInfo, nvml.CLOCK_MEM},
	} {
		if v, r := c.get(c.of); r == nvml.SUCCESS {
			*c.to = int(v)
		}
	}
	if v, r := g.GetPowerUsage(); r == nvml.SUCCESS {
		s.Power = float64(v) / 1000
	}
	if v, r := g.GetEnforcedPowerLimit(); r == nvml.SUCCESS {
		s.PowerLimit = float64(v) / 1000
	}
	if v, r := g.GetTemperature(nvml.TEMPERATURE_GPU); r == nvml.SUCCESS {
		s.Temperature = int(v)
	}
	if bits, r := g.GetCurrentClocksThrottleReasons(); r == nvml.SUCCESS {
		s.Throttled = throttled(bits)
	}
	return s, nil
}

func throttled(bits uint64) (names []string) {
	for _, t := range throttles {
		if bits&t.bit != 0 {
			names = append(names, t.name)
		}
	}
	return names
}
