//go:build race

package relay_test

// frames is by how much the race detector may enlarge stacks.
const frames = 2
