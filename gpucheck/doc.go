// Package gpucheck checks and benchmarks the CUDA runner on a GPU, next to PyTorch if it is
// installed. It is empty without the build tag cuda.
//
//  1. Run runs the parts of a call: fixtures, peaks, kernels, peers, models. Each of the first three
//     runs in its own processes (Part.Run), so that a kernel that breaks the GPU's context affects no
//     other part.
//  2. The peers part passes the kernels' inputs to a Python program (peers.py), which times PyTorch
//     on them and returns samples of its results.
//  3. The models part runs the paper's suite with the program itself.
//  4. Results holds all results. It is written as JSON and Markdown after each one; Read resumes an
//     earlier call.
package gpucheck
