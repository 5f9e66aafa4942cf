//go:build cuda

package cuda

import "github.com/yocobench/yocobench/runners"

func (o *ops) variant(op string) { o.failf("%w: %s", runners.ErrUnsupported, op) }

func (o *ops) Copy(int, runners.Mat, runners.Mat) { o.variant("Copy") }

func (o *ops) AddNorm(int, runners.Mat, runners.Mat, runners.Weight, float32) { o.variant("AddNorm") }

func (o *ops) HeadNorm(int, runners.Mat, int, runners.Weight, float32) { o.variant("HeadNorm") }

func (o *ops) AddBias(int, runners.Mat, runners.Weight) { o.variant("AddBias") }

func (o *ops) SoftCap(int, runners.Mat, float32) { o.variant("SoftCap") }
