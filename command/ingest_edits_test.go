package command_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/client"
)

// TestAnyEditsThenARunIsOneCleanLoad changes a folder in every way that people do, and after each
// few changes loads it into an index that has seen all its past, and into a new one. Both must hold
// the same records: ids, texts, metadata, vectors.
func TestAnyEditsThenARunIsOneCleanLoad(t *testing.T) {
	folders, steps := 3, 6
	if *long {
		folders, steps = 8, 10
	}
	t.Logf("folderseed %d", *folderSeed)
	p := start(t, t.TempDir(), "--embed-cache", "0")
	api := p.ready()
	random := rand.New(rand.NewPCG(*folderSeed, 11))
	for n := range folders {
		e := &edited{folder: newFolder(t, random, 4+random.IntN(10)), api: api, index: fmt.Sprintf("old-%d", n)}
		createFor(t, api, e.index, lexicalHash)
		for step := range steps {
			var did []string
			for range 1 + random.IntN(4) {
				did = append(did, e.edit())
			}
			e.compare(step, did)
		}
		dropIndex(t, api, e.index)
	}
	p.stop()
}

const lexicalHash = "@nearside/lexical-hash"

// edited is a folder whose edits are loaded into an index.
type edited struct {
	*folder
	api   *client.Client
	index string
}

// compare loads the folder into its index, and into a new one.
func (e *edited) compare(step int, did []string) {
	e.t.Helper()
	e.load(e.index)
	fresh := e.index + "-clean"
	createFor(e.t, e.api, fresh, lexicalHash)
	e.load(fresh)
	if diff := differences(recordsOf(e.t, e.api, e.index), recordsOf(e.t, e.api, fresh)); diff != "" {
		e.t.Fatalf("step %d of %s, after\n  %s\n%s", step, e.index, strings.Join(did, "\n  "), diff)
	}
	dropIndex(e.t, e.api, fresh)
}

// load runs the loader; that some files cannot be read is no failure.
func (e *edited) load(index string) {
	e.t.Helper()
	out, errs, code := runHere(e.t, "ingest", e.dir, "--index", index, "--url", e.api.URL, "--size", "40", "--prune", "--yes", "--json")
	if code != 0 && code != 3 {
		e.t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
}

// edit changes the folder in one way, and says which.
func (e *edited) edit() string {
	edits := []func() string{
		e.create, e.create, e.change, e.change, e.change, e.remove, e.rename, e.touch, e.moveFolder, e.chmod, e.swap, e.becomesFolder,
		e.renameCase, e.member, e.removeFolder, e.copy, e.sameSize, e.spoil, e.ignore, e.link,
	}
	return edits[e.random.IntN(len(edits))]()
}

func (e *edited) rename() string {
	from := e.one()
	if from == "" {
		return e.create()
	}
	to := e.name(filepath.Ext(from))
	e.must(os.Rename(from, to))
	return "rename " + e.short(from) + " to " + e.short(to)
}

// touch changes the time alone.
func (e *edited) touch() string {
	path := e.one()
	if path == "" {
		return e.create()
	}
	now := time.Now().Add(time.Duration(e.random.IntN(7200)-3600) * time.Second)
	e.must(os.Chtimes(path, now, now))
	return "touch " + e.short(path)
}

func (e *edited) moveFolder() string {
	dirs := e.folders()
	if len(dirs) == 0 {
		return e.create()
	}
	from := dirs[e.random.IntN(len(dirs))]
	e.made++
	to := filepath.Join(e.dir, fmt.Sprintf("moved%d", e.made))
	e.must(os.Rename(from, to))
	return "move the folder " + e.short(from) + " to " + e.short(to)
}

func (e *edited) removeFolder() string {
	dirs := e.folders()
	if len(dirs) == 0 {
		return e.create()
	}
	dir := dirs[e.random.IntN(len(dirs))]
	e.must(os.RemoveAll(dir))
	return "delete the folder " + e.short(dir)
}

// chmod takes the right to read away, or gives it back. To root it makes no difference.
func (e *edited) chmod() string {
	path := e.one()
	if path == "" {
		return e.create()
	}
	mode := []fs.FileMode{0o600, 0o644, 0o444}[e.random.IntN(3)]
	e.must(os.Chmod(path, mode))
	return fmt.Sprintf("chmod %o %s", mode, e.short(path))
}

// swap exchanges two files, with their times.
func (e *edited) swap() string {
	a, b := e.one(), e.one()
	if a == b {
		return e.create()
	}
	between := filepath.Join(e.dir, "between")
	e.must(os.Rename(a, between))
	e.must(os.Rename(b, a))
	e.must(os.Rename(between, b))
	return "swap " + e.short(a) + " and " + e.short(b)
}

// becomesFolder puts a folder of the same name in a file's place.
func (e *edited) becomesFolder() string {
	path := e.one()
	if path == "" {
		return e.create()
	}
	e.must(os.Remove(path))
	e.must(os.Mkdir(path, 0o755))
	e.write(filepath.Join(path, "within.txt"), []byte(e.paragraph()))
	return "make a folder of " + e.short(path)
}

// renameCase changes the case of a name alone.
func (e *edited) renameCase() string {
	from := e.one()
	if from == "" {
		return e.create()
	}
	name := strings.ToUpper(filepath.Base(from))
	if name == filepath.Base(from) {
		name = strings.ToLower(name)
	}
	to := filepath.Join(filepath.Dir(from), name)
	if _, err := os.Lstat(to); err == nil {
		return e.create()
	}
	e.must(os.Rename(from, to))
	return "rename " + e.short(from) + " to " + e.short(to)
}

// member changes one member of an archive; others stay.
func (e *edited) member() string {
	path := filepath.Join(e.dir, "two.zip")
	same := "This member is never another. It stays as it is."
	e.write(path, zipped("same.txt", same, "other.md", e.markdown()))
	return "change a member of two.zip"
}

// copy makes a second file with the same words.
func (e *edited) copy() string {
	from := e.one()
	if from == "" {
		return e.create()
	}
	data, err := os.ReadFile(from)
	e.must(err)
	to := e.name(filepath.Ext(from))
	e.write(to, data)
	return "copy " + e.short(from) + " to " + e.short(to)
}

// sameSize writes other words of the same length, and sets the time back to what it was.
func (e *edited) sameSize() string {
	e.made++
	path := filepath.Join(e.dir, "fixed.txt")
	then := time.Now().Add(-time.Hour).Truncate(time.Hour)
	e.must(os.WriteFile(path, fmt.Appendf(nil, "The lamp was lit %09d times.", e.made), 0o644))
	e.must(os.Chtimes(path, then, then))
	return "change fixed.txt to as many bytes of the same time"
}

// spoil makes a file unreadable as what it is: what came of it must go.
func (e *edited) spoil() string {
	path := e.one()
	if path == "" {
		return e.create()
	}
	e.must(os.Remove(path))
	e.write(path, [][]byte{nil, {0, 1, 2, 3}, []byte("\x89PNG\r\n\x1a\n\x00\x00"), []byte("PK\x03\x04 cut off"), []byte("%PDF-1.7 cut off")}[e.random.IntN(5)])
	return "spoil " + e.short(path)
}

// ignore writes an ignore file: what it names counts as gone.
func (e *edited) ignore() string {
	dir := e.within()
	pattern := []string{"*.md", "*.zip", "a b*", "dir1/", "!*.txt", "*\n!note*"}[e.random.IntN(6)]
	e.must(os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(pattern+"\n"), 0o644))
	return fmt.Sprintf("ignore %q in %s", pattern, e.short(dir))
}

// link makes a link to a file, to the folder itself, to nowhere, or out of the folder.
func (e *edited) link() string {
	e.made++
	path := filepath.Join(e.dir, fmt.Sprintf("link%d.txt", e.made))
	to := []string{e.one(), e.dir, filepath.Join(e.dir, "nowhere"), filepath.Dir(e.dir)}[e.random.IntN(4)]
	if to == "" {
		return e.create()
	}
	e.must(os.Symlink(to, path))
	return "link " + e.short(path) + " to " + to
}
