package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc's times; Linux has shown 100 a second to programs for decades.
const tick = 10 * time.Millisecond

// cpuOf is how much of the processors a process and the children it waited for have used; zero when it is gone.
func cpuOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// After the name come state, parent, …; the 14th to 17th field are user, system, and the children's.
	_, rest, found := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 15 {
		return 0
	}
	var sum int64
	for _, text := range fields[11:15] {
		n, _ := strconv.ParseInt(text, 10, 64)
		sum += n
	}
	return time.Duration(sum) * tick
}

// cpuOfTree is the same for a server whose children are still at work.
func cpuOfTree(pid int) time.Duration {
	sum := cpuOf(pid)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return sum
	}
	for text := range strings.FieldsSeq(string(children)) {
		if child, err := strconv.Atoi(text); err == nil {
			sum += cpuOf(child)
		}
	}
	return sum
}
