// Package codecache keeps machine code in a directory from one run of a program to the
// next, so safely that it can be run.
//
//	d, err := codecache.Open("/var/cache/dwaar/plugins", 256<<20)
//	defer d.Close()
//	code, err := d.Get(key)           // ErrMissing, ErrDamaged: make it anew
//	err = d.Put(key, code)
//
// Whoever can write to the directory could have the program run what they like, so that
// it must belong to the user of the process and be closed to all others, and nobody but
// them and root may rename anything on the way to it. What is in it is still not
// trusted to be whole: an entry names its key and ends with a hash of all its bytes, is
// read once, and what was hashed is what is returned. That finds files that a crash or
// a failing disk damaged, and those that were exchanged; against somebody who runs
// programs as the same user there is no defence here, as there is none elsewhere.
//
// Entries appear at once (by rename), so that any number of processes can share a
// directory. The oldest used ones go when all together are larger than allowed.
package codecache
