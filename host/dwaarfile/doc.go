// Package dwaarfile turns the text of a configuration into the tree of directives
// that everything else reads.
//
//	tree, err := dwaarfile.Parse("Dwaarfile", src, grammar, dwaarfile.Options{Env: os.LookupEnv})
//
// err is [sdk.Errors]: all faults of the text at once, each with its place. What
// the directives mean is not known here: an unknown name, a missing argument or a
// bad value stays in the tree for whoever checks it.
package dwaarfile
