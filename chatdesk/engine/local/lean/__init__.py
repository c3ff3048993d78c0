"""The lean decode step: a model's step on the CPU as one compiled function over torch's own memory.

`LeanMaker` makes steps as `graphs.StepMaker` does for a GPU. `Compiler` compiles the kernels once for a machine, in a
process of its own while torch's path answers, and loads them from the person's cache folder. `Compaction` keeps
bfloat16 weights a second time, in twelve bits.
"""
