// Package router measures what the model router adds to a call.
//
// A Target is an address that speaks OpenAI's API: a model server, or nearside
// before it. Compare asks both for the same, in turns within one run, and takes the
// time of whole calls, the time to the first piece and the gaps between pieces, by
// one caller and by many. Failover times calls whose first backend is dead. Fsync
// and Charges show what durability costs: a charge is on disk before a reply ends.
//
// Serve is a model server that does no work: its answers are fixed and come at a
// set pace, so that what differs is the way to them. Every time is taken by the
// client, from before the request is sent.
//
// What is promised: targets that are compared are asked by the same code, call by
// call in turns where one caller asks, and batch by batch where many do; what was
// added is the median of the rounds' differences. What is not: times are a
// machine's, and client, nearside and model server share its cores.
package router
