"""The decode step on a CUDA device as five kernels of our own for each block of a model.

The files that end in .cu hold them, `driver` compiles and launches them with what comes with torch and with the
device's driver, `program` says which ones a model needs. Architectures are the same data as on the CPU
(`lean.description`).
"""
