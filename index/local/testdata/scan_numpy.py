"""The exact scan in numpy, for TestScanBesideNumpy (scan_numpy_internal_test.go).

Reads idx files of vectors and of queries (gzip) whose names are given, then
for each number of a query on standard input prints one line: the nanoseconds
of the search, and the k nearest rows by squared Euclidean distance.

This is the fastest way we know to write it: the squared norms of the rows are
computed beforehand, so that a query is one matrix-vector product (OpenBLAS),
one addition over the products, a partial sort, and a sort of k numbers. The
query's own norm changes no order and is left out.
"""

import gzip
import sys
import time

import numpy as np


def read(name):
    with gzip.open(name) as f:
        head = np.frombuffer(f.read(16), ">u4")
        return np.frombuffer(f.read(), np.uint8).reshape(head[1], -1).astype(np.float32)


def main():
    rows, queries, k = read(sys.argv[1]), read(sys.argv[2]), int(sys.argv[3])
    norms = np.einsum("ij,ij->i", rows, rows)
    products = np.empty(len(rows), np.float32)
    print("numpy", np.__version__, flush=True)
    for line in sys.stdin:
        query = queries[int(line)]
        begin = time.perf_counter_ns()
        np.dot(rows, query, out=products)
        np.multiply(products, -2, out=products)
        np.add(products, norms, out=products)
        nearest = np.argpartition(products, k)[:k]
        nearest = nearest[np.argsort(products[nearest])]
        took = time.perf_counter_ns() - begin
        print(took, *nearest, flush=True)


main()
