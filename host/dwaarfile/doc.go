// Package dwaarfile turns the text of a configuration, a Dwaarfile or TOML, into
// the tree of directives that everything else reads, and the tree into text.
//
//	root, err := os.OpenRoot("/etc/dwaar")
//	…
//	o := dwaarfile.Options{Env: os.LookupEnv}
//	o.Open, o.Glob = dwaarfile.Dir(root)
//	tree, err := dwaarfile.Parse("/etc/dwaar/Dwaarfile", src, grammar, o)
//
// err is [sdk.Errors]: all faults of the text at once, each with its place. What
// the directives mean is not known here. An unknown name, a missing argument or a
// bad value stays in the tree for whoever checks it; an error is only what no tree
// can carry. What the parser knows of directives, where arguments end and what a
// block holds, it reads from a [sdk.Grammar].
//
// # Text
//
//	file      = [ block ] { snippet | directive }      the first block: global options
//	snippet   = "(" NAME ")" block                     at the top of a file
//	directive = name { word } [ block ] ( line end | end of the block )
//	          | "@"NAME ( block | matchers )           a set of matchers
//	          | "import" word { word }
//	matchers  = matcher { matcher }                    rule 4 says where one ends
//	matcher   = name { word } { option { word } } [ block ]
//	          | "not" ( matcher | block )
//	block     = "{" { directive } "}"
//	word      = bare | "…" | `…` | heredoc
//	heredoc   = "<<"MARKER line end { line } MARKER
//	comment   = "#" at the beginning of a word, to the line's end
//
// Words are separated by white space. A bare word may hold braces in pairs; a "{"
// alone opens a block, a "}" without its "{" in the same word closes one. In "…" a
// run of backslashes before a quotation mark is halved and an odd one makes the
// mark a character; all others are characters, so every text can be written. A
// backslash at the end of a line continues it. {$NAME} and {$NAME:default} stand
// for one word or a part of it, except in `…` and heredocs; the value is never
// read as syntax.
//
// # Rules
//
// 1. A directive ends with its line or its block; no word splits a line. A
// directive's name that fits nowhere on a line is an error ("write it on its own
// line").
//
// 2. A block is flat when a word follows its brace on the same line; the blocks in
// it are flat too. There, arguments also end before a directive of that block or
// an @name, but not where an argument is still needed.
//
// 3. Which words fit an argument is its shape, [sdk.Arg.Fits].
//
// 4. On the line of an @name, and behind not, a word is an option of the matcher
// being read; else an argument if it fits; else the next matcher; else an error. A
// host or protocol is not the unquoted name of a builtin matcher.
//
// 5. A name that the global options declare ends no list. It begins a matcher only
// where rule 4 wants one, takes all words to the end of its line, and stands for the
// builtin matcher of that name behind the block that declares it.
//
// 6. not takes one matcher with all its options, or a block. Behind a matcher with
// a not of its own, it is that one if an option of the matcher follows.
//
// 7. What a name means comes from the block it stands in. A quoted word is never a
// directive.
//
// # Bounds
//
// A file has at most 16 MiB, blocks nest 32 deep and imports 16, a configuration
// has at most 2²² words after imports: a hundred thousand routes have 8 MB and a third
// of that. Imports never leave the directory of the
// main file.
package dwaarfile
