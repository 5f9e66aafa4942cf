// Package gpucheck checks the CUDA runner on a GPU and measures it, next to PyTorch where that is
// installed. It is empty without the build tag cuda.
//
//  1. Run does the parts of a call: fixtures, peaks, kernels, peers, models. Each of the first three runs in processes of its
//     own (Part.Run), so that a kernel that breaks the GPU's context costs no other part anything.
//  2. The peers part gives the kernels' inputs to a Python program (peers.py), which times PyTorch on them and returns
//     samples of its results.
//  3. The models part runs the paper's suite with the program itself.
//  4. Results is what was found. It is written after each figure, as JSON and Markdown; Read continues an earlier call.
package gpucheck
