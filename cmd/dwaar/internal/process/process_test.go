package process

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// system is /proc and /sys of a process, with the groups below them.
func system(cgroup, mountinfo string, files map[string]string) fs.FS {
	root := fstest.MapFS{"proc/self/cgroup": {Data: []byte(cgroup)}, "proc/self/mountinfo": {Data: []byte(mountinfo)}}
	for name, text := range files {
		root["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return root
}

// What /proc says on a machine with both versions (Linux 6.18), on one with version 2 alone,
// and in a container that sees the whole of version 2's hierarchy, or of version 1's a part.
const (
	bothGroups = `9:name=systemd:/
8:pids:/
4:memory:/service/42
3:cpuset:/
2:cpuacct:/
1:cpu:/service/42
0::/
`
	bothMounts = `30 22 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
32 30 0:29 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 30 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 30 0:36 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	unifiedMounts = `30 22 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
`
	partMounts = `34 30 0:31 /docker/a\040b /sys/fs/cgroup/memory ro,relatime master:17 - cgroup cgroup rw,memory
31 30 0:28 /docker/a\040b /sys/fs/cgroup/cpu,cpuacct ro,relatime master:12 - cgroup cgroup rw,cpu,cpuacct
`
)

func TestTheLimitsOfAContainerAreThoseOfItsGroupAndOfAllAbove(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		root fs.FS
		want limits
	}{
		"none": {system("", "", nil), limits{}},
		"version 1, without limits": {system(bothGroups, bothMounts, map[string]string{
			"memory/service/42/memory.limit_in_bytes": "9223372036854771712", "memory/memory.limit_in_bytes": "9223372036854771712",
			"cpu/service/42/cpu.cfs_quota_us": "-1", "cpu/service/42/cpu.cfs_period_us": "100000",
		}), limits{}},
		"version 1": {system(bothGroups, bothMounts, map[string]string{
			"memory/service/42/memory.limit_in_bytes": "9223372036854771712", "memory/service/memory.limit_in_bytes": "536870912",
			"memory/memory.limit_in_bytes":    "1073741824",
			"cpu/service/42/cpu.cfs_quota_us": "150000", "cpu/service/42/cpu.cfs_period_us": "100000",
			"unified/memory.max": "1", "unified/cpu.max": "1 100000",
		}), limits{512 << 20, 1.5}},
		"version 2": {system("0::/system.slice/dwaar.service\n", unifiedMounts, map[string]string{
			"system.slice/dwaar.service/memory.max": "1073741824", "system.slice/dwaar.service/memory.high": "max",
			"system.slice/memory.max": "max", "system.slice/memory.high": "805306368",
			"system.slice/dwaar.service/cpu.max": "max 100000", "system.slice/cpu.max": "50000 100000",
			"system.slice/other.service/memory.max": "1",
		}), limits{768 << 20, 0.5}},
		"version 2, in a namespace": {system("0::/\n", unifiedMounts, map[string]string{
			"memory.max": "67108864", "cpu.max": "300000 100000",
		}), limits{64 << 20, 3}},
		"version 2, above the namespace": {system("0::/../other\n", unifiedMounts, map[string]string{"memory.max": "67108864"}), limits{64 << 20, 0}},
		"a part of version 1": {system("4:memory:/docker/a b\n1:cpu,cpuacct:/docker/a b/inner\n", partMounts, map[string]string{
			"memory/memory.limit_in_bytes": "67108864", "cpu,cpuacct/inner/cpu.cfs_quota_us": "20000", "cpu,cpuacct/inner/cpu.cfs_period_us": "10000",
		}), limits{64 << 20, 2}},
		"another part": {system("4:memory:/docker/a bc\n", partMounts, map[string]string{"memory/memory.limit_in_bytes": "67108864"}), limits{64 << 20, 0}},
		"nonsense": {system("0::\n0\n:::", "30\n - \n"+unifiedMounts, map[string]string{
			"memory.max": "-5", "memory.high": "many", "cpu.max": "100000 0",
		}), limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, limitsOf(c.root), cmp.AllowUnexported(limits{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAQuotaBoundsWhatCanBeKeptBusy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		found int
		set   bool
		quota float64
		want  int
	}{
		{8, false, 0, 8},
		{8, false, 16, 8},
		{8, false, 2.5, 3},
		{2, false, 1, 1},
		{2, false, 0.1, 1},
		{4, true, 1, 4},
	} {
		if got := processors(c.found, c.set, c.quota); got != c.want {
			t.Errorf("of %d processors and a quota of %v %d are used, want %d", c.found, c.quota, got, c.want)
		}
	}
}

func TestAFifthOfTheMemoryIsLeftForWhatGoDoesNotSee(t *testing.T) {
	t.Parallel()
	if got := share(1 << 30); got != 858993460 {
		t.Errorf("of a gibibyte it is %d bytes", got)
	}
}
