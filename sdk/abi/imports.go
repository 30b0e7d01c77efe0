package abi

// Import is a function that a host offers. Params and Results are one letter a
// value: "i" is i32, "I" is i64.
type Import struct {
	Module, Name, Params, Results string
}

// Imports returns every function that a module may import: those of [Module], and
// those of WASI preview 1 and of asc, which exist so that compilers' output loads and
// which give nothing. A host refuses a module that imports anything else.
func Imports() []Import {
	list := []Import{
		{Module, "get", "iiii", "i"},
		{Module, "set", "iiii", "i"},
		{Module, "reject", "iii", ""},
		{Module, "log", "iii", ""},
		{Module, "fail", "ii", ""},
		{ModuleEnv, "abort", "iiii", ""},
	}
	for _, f := range wasi {
		list = append(list, Import{ModuleWASI, f[0], f[1], results(f[0])})
	}
	return list
}

// results are what a function of WASI returns: its error number, unless it does not
// return.
func results(name string) string {
	if name == "proc_exit" {
		return ""
	}
	return "i"
}

// Error numbers of WASI that a host answers with.
const (
	WASISuccess = 0
	WASIBadf    = 8  // fd_prestat_get, so that looking for directories ends; fd_write beyond 1 and 2
	WASINosys   = 52 // everything that is not served
)

// wasi is preview 1: name and parameters.
var wasi = [...][2]string{
	{"args_get", "ii"},
	{"args_sizes_get", "ii"},
	{"clock_res_get", "ii"},
	{"clock_time_get", "iIi"},
	{"environ_get", "ii"},
	{"environ_sizes_get", "ii"},
	{"fd_advise", "iIIi"},
	{"fd_allocate", "iII"},
	{"fd_close", "i"},
	{"fd_datasync", "i"},
	{"fd_fdstat_get", "ii"},
	{"fd_fdstat_set_flags", "ii"},
	{"fd_fdstat_set_rights", "iII"},
	{"fd_filestat_get", "ii"},
	{"fd_filestat_set_size", "iI"},
	{"fd_filestat_set_times", "iIIi"},
	{"fd_pread", "iiiIi"},
	{"fd_prestat_dir_name", "iii"},
	{"fd_prestat_get", "ii"},
	{"fd_pwrite", "iiiIi"},
	{"fd_read", "iiii"},
	{"fd_readdir", "iiiIi"},
	{"fd_renumber", "ii"},
	{"fd_seek", "iIii"},
	{"fd_sync", "i"},
	{"fd_tell", "ii"},
	{"fd_write", "iiii"},
	{"path_create_directory", "iii"},
	{"path_filestat_get", "iiiii"},
	{"path_filestat_set_times", "iiiiIIi"},
	{"path_link", "iiiiiii"},
	{"path_open", "iiiiiIIii"},
	{"path_readlink", "iiiiii"},
	{"path_remove_directory", "iii"},
	{"path_rename", "iiiiii"},
	{"path_symlink", "iiiii"},
	{"path_unlink_file", "iii"},
	{"poll_oneoff", "iiii"},
	{"proc_exit", "i"},
	{"proc_raise", "i"},
	{"random_get", "ii"},
	{"sched_yield", ""},
	{"sock_accept", "iii"},
	{"sock_recv", "iiiiii"},
	{"sock_send", "iiiii"},
	{"sock_shutdown", "ii"},
}
