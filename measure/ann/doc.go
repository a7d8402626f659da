// Package ann measures how fast and how well engines find nearest vectors.
//
// A Set is vectors, queries and, for each query, the exact answer. Made sets come
// from fixed seeds (Make), others from files (ReadSet). An Engine has built its
// index over a set and answers queries one at a time; Engines of this package are
// nearside's index, its bare graph, exact search, and a library of others as a
// baseline. Engines that are compared take turns in one run, round after round, and
// a figure is the median of its rounds: so a busy machine slows all alike.
//
// The experiments are Sweep (recall against speed), Filtered, Churn, Build, Scale,
// Memory and Start. Each returns plain figures for a table, JSON or Plot.
//
// What is promised: sets are the same bytes each time; an answer is right if it is
// as near as the k-th of the exact answer, so that ties cost nobody anything; the
// time of a query is that of the engine alone. Beside times, which are a machine's,
// stand counts that are not: distances, hops and bytes.
//
// What the package does not do: it prints nothing, and it speaks no HTTP.
package ann
