// Verifies a tiled log in a folder with golang.org/x/mod/sumdb, the code behind Go's checksum database.
// Arguments: folder, verifier key, an older size. Prints size, root, and how many entries were proven.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type folder string

func (f folder) Height() int { return 8 }

// Go's paths name the height (tile/8/0/000), those of tlog-tiles do not (tile/0/000).
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var contents [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		content, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return contents, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	root := folder(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	old, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err)
	content, err := os.ReadFile(filepath.Join(string(root), "checkpoint"))
	check(err)
	opened, err := note.Open(content, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], hash)

	// Every tile that is read from here on is checked against the signed root.
	hashes := tlog.TileHashReader(tree, root)
	proven := 0
	for start := int64(0); start < size; start += 256 {
		tile := tlog.Tile{H: 8, L: -1, N: start / 256, W: int(min(256, size-start))}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(string(root), path))
		check(err)
		reader := bytes.NewReader(bundle)
		for index := start; index < start+int64(tile.W); index++ {
			var length uint16
			check(binary.Read(reader, binary.BigEndian, &length))
			entry := make([]byte, length)
			_, err := reader.Read(entry)
			check(err)
			proof, err := tlog.ProveRecord(size, index, hashes)
			check(err)
			check(tlog.CheckRecord(proof, size, tree.Hash, index, tlog.RecordHash(entry)))
			proven++
		}
		if reader.Len() > 0 {
			check(fmt.Errorf("%s holds more than %d entries", path, tile.W))
		}
	}
	oldHash, err := tlog.TreeHash(old, hashes)
	check(err)
	growth, err := tlog.ProveTree(size, old, hashes)
	check(err)
	check(tlog.CheckTree(growth, size, tree.Hash, old, oldHash))
	fmt.Println(size, tree.Hash, proven, len(growth))
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
