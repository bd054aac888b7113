package runbooks

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// File is the text of a runbook that comes with Lifeboat.
type File struct {
	// Name is that of the runbook, which is the file's without .yaml.
	Name string
	Text []byte
}

// Builtin are the runbooks that come with Lifeboat, by name. They are texts like any other: nothing runs
// them before their owners have signed them.
func Builtin() []File {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // the files are in the program
	}
	all := make([]File, 0, len(entries))
	for _, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		all = append(all, File{Name: strings.TrimSuffix(entry.Name(), ".yaml"), Text: text})
	}
	return all
}

// BuiltinNamed is the text of one of them.
func BuiltinNamed(name string) (text []byte, ok bool) {
	for _, file := range Builtin() {
		if file.Name == name {
			return file.Text, true
		}
	}
	return nil, false
}
