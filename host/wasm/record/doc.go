// Package record keeps evaluations of WebAssembly matchers so that they can be made
// again: each with everything its result follows from, and the result. dwaar writes
// them where a plugin's declaration says record, and reads them for replay.
//
// A file of records is a line of JSON for each:
//
//	f, err := record.Open("/var/lib/dwaar/mc.records", 16<<20)
//	err = f.Write(&r)                 // ErrFull: the file stays as it is
//
//	for r := record.NewReader(file); ; {
//		rec, err := r.Next()          // io.EOF behind the last one
//		got, err := replayer.Replay(rec)
//		fmt.Print(rec.Outcome.Diff(&got))
//	}
//
// A matcher has no other inputs than those of a [Record]: its clock is the moment the
// connection was accepted, and its random numbers follow from the hash of the module.
//
// A file holds what clients sent, passwords included where a protocol has them in its
// first bytes. Its mode is 0600; of facts there are those that the matcher asked for,
// and no client's address where the matcher does not look at it.
package record
