package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// maxFile bounds the file in bytes; a configuration of a hundred components is far below.
const maxFile = 128 << 10

// Load reads and checks a configuration file. When anything is wrong the error is of type [Problems] and
// holds all of it; otherwise Warnings of the result may still have something to say.
func Load(path string) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find configuration %s: %w", path, err)
	}
	data, err := read(absolute)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := parse(path, filepath.Dir(absolute), data)
	if err != nil {
		return nil, err
	}
	c.File = absolute
	return c, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes: is it the right file?", path, maxFile)
	}
	return data, err
}

// parse turns the text of a file into a checked configuration. File is its name in messages, dir what
// relative paths are meant from.
func parse(file, dir string, data []byte) (*Config, error) {
	d := decoder{file: file, dir: dir, places: map[string]place{}, failed: map[string]bool{}}
	var c Config
	if root, ok := d.root(data); ok {
		d.value(root, "", reflect.ValueOf(&c).Elem())
		if !d.failed[""] {
			d.check(&c)
		}
	}
	if len(d.problems) > 0 {
		return nil, Problems(inOrder(d.problems))
	}
	c.Warnings = inOrder(d.warnings)
	return &c, nil
}

// root parses the YAML and finds its only document.
func (d *decoder) root(data []byte) (ast.Node, bool) {
	root, fault := strictyaml.Root(data)
	if fault != nil {
		d.fail(fault.Place, "", "%s", fault.Message)
		return nil, false
	}
	if root == nil {
		d.fail(place{Line: 1, Column: 1}, "", "the file is empty: begin with a copy of lifeboat.example.yaml")
		return nil, false
	}
	return root, true
}
