package attack

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
)

const page = "../../docs/security.md"

// told are the activities that only tell people, which whoever owns the namespace can do: the page says so.
var told = map[string]bool{"SendAlert": true, "PingDeadman": true}

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	tests  = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
)

// section is what stands below a heading of the page, up to the next one.
func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, heading)
	}
	below, _, _ = strings.Cut(below, "\n## ")
	return below
}

// rows are the rows of the tables of a section, cell by cell, without their heads.
func rows(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if strings.HasPrefix(cells[0], "`") {
			rows = append(rows, cells)
		}
	}
	return rows
}

func names(cell string) (all []string) {
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		all = append(all, match[1])
	}
	return all
}

// changing are the activities that have a row in the matrix.
func changing(t *testing.T) (all []string) {
	t.Helper()
	for _, row := range rows(section(t, "The matrix")) {
		all = append(all, names(row[0])...)
	}
	return all
}

// TestEveryActivityStandsOnThePage: an activity that a worker registers has a row in the matrix, with a test for
// each attacker, or stands among those that change nothing. So a new one is thought about before it is there.
func TestEveryActivityStandsOnThePage(t *testing.T) {
	stands := map[string]int{}
	for _, name := range changing(t) {
		stands[name]++
	}
	for _, row := range rows(section(t, "Activities that change nothing")) {
		for _, name := range names(row[0]) {
			stands[name]++
		}
	}
	registered := map[string]bool{}
	all := reflect.TypeFor[activities.All]()
	for i := range all.NumField() {
		owner := all.Field(i).Type
		for j := range owner.NumMethod() {
			name := owner.Method(j).Name
			registered[name] = true
			if stands[name] != 1 {
				t.Errorf("activity %s stands %d times on the page: give it one row in the matrix, or among those that change nothing", name, stands[name])
			}
		}
	}
	for name := range stands {
		if !registered[name] {
			t.Errorf("the page speaks of an activity %s that is not there", name)
		}
	}
	if len(registered) < 30 {
		t.Errorf("only %d activities were found: the test looks in the wrong place", len(registered))
	}
	for _, row := range rows(section(t, "The matrix")) {
		if len(row) != 5 {
			t.Errorf("the row of %s has %d cells, and there are four attackers", row[0], len(row))
			continue
		}
		for i, cell := range row[1:] {
			if !tests.MatchString(cell) {
				t.Errorf("the row of %s names no test for attacker %c", row[0], 'a'+i)
			}
		}
	}
}

// TestEveryTestOnThePageIsThere: what the page leans on exists by that name.
func TestEveryTestOnThePageIsThere(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	there := declared(t)
	named := 0
	for _, match := range tests.FindAllStringSubmatch(string(text), -1) {
		named++
		if !slices.Contains(there, match[1]) {
			t.Errorf("the page names %s, and there is no such test", match[1])
		}
	}
	if named < 40 {
		t.Errorf("the page names only %d tests", named)
	}
}

var declaration = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(t \*testing\.T\)`)

// declared are the tests of the whole tree.
func declared(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range declaration.FindAllStringSubmatch(string(text), -1) {
			all = append(all, match[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
