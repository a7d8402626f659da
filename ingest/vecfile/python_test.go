package vecfile_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"nearside/ingest/vecfile"
)

// python runs a program with NumPy and pyarrow in a directory, and returns what it prints.
func python(t *testing.T, dir, program string) string {
	t.Helper()
	clients := os.Getenv("NEARSIDE_CLIENTS")
	if clients == "" {
		t.Skip("NEARSIDE_CLIENTS is not set: NumPy and pyarrow are not compared with")
	}
	cmd := exec.Command("python3", "-c", "import numpy as np, pyarrow as pa, pyarrow.parquet as pq\n"+program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(clients, "python"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestNumPyAndPyarrowReadWhatIsWritten(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(*seed, 3))
	var array, raw, table bytes.Buffer
	w := vecfile.NewParquetWriter(&table)
	const n = 500
	for i := range n {
		r := randomRecord(random, i)
		for _, v := range r.Values {
			raw.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	array.Write(vecfile.NpyHeader(n, 8))
	array.Write(raw.Bytes())
	for name, content := range map[string][]byte{"a.npy": array.Bytes(), "a.raw": raw.Bytes(), "a.parquet": table.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := python(t, dir, `
raw = np.fromfile("a.raw", dtype="<u4").reshape(-1, 8)
array = np.load("a.npy", mmap_mode="r")
table = pq.read_table("a.parquet")
values = np.array(table["values"].to_pylist(), dtype="<f4")
ids = table["id"].to_pylist()
print(array.dtype, array.shape, bool((array.view("<u4") == raw).all()), table.num_rows, bool((values.view("<u4") == raw).all()), ids[7].split("-")[0], table.column_names)`)
	if want := "float32 (500, 8) True 500 True 7 ['id', 'values', 'namespace', 'metadata', 'title', 'text']\n"; out != want {
		t.Errorf("python says %s, want %s", out, want)
	}
}

func TestWhatNumPyAndPyarrowWriteIsRead(t *testing.T) {
	dir := t.TempDir()
	python(t, dir, `
a = np.arange(-6, 6).reshape(3, 4)
for kind in ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "i1", "<i2", ">i2"]:
    np.save("npy-" + kind.strip("<>") + str(kind[0] == ">"), a.astype(kind))
for version in [(1, 0), (2, 0), (3, 0)]:
    with open("npy-version%d.npy" % version[0], "wb") as f:
        np.lib.format.write_array(f, a.astype("f4"), version=version)
np.save("fortran", np.asfortranarray(a.astype("f4")))
ids = pa.array(["r1", "r2", "r3"])
for name, column in {
    "list32": pa.array(a.tolist(), pa.list_(pa.float32())), "list64": pa.array(a.tolist(), pa.list_(pa.float64())),
    "large": pa.array(a.tolist(), pa.large_list(pa.float32())), "fixed": pa.array(a.tolist(), pa.list_(pa.float32(), 4)),
    "half": pa.array([list(map(np.float16, row)) for row in a], pa.list_(pa.float16())),
}.items():
    table = pa.table({"id": ids, "embedding": column, "year": pa.array([1, None, 3]), "when": pa.array([1, 2, 3], pa.timestamp("ms"))})
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
        pq.write_table(table, "parquet-%s-%s.parquet" % (name, codec), compression=codec)
    pq.write_table(table, "parquet-%s-v2.parquet" % name, data_page_version="2.0", row_group_size=2)
    pq.write_table(table, "parquet-%s-split.parquet" % name, use_dictionary=False, column_encoding={"embedding.list.element": "BYTE_STREAM_SPLIT"} if name != "half" else None)
`)
	files, err := filepath.Glob(filepath.Join(dir, "*-*"))
	if err != nil || len(files) < 50 {
		t.Fatalf("python wrote %d files, %v", len(files), err)
	}
	for _, path := range files {
		got, wrong, err := readAll(path)
		if err != nil || len(wrong) > 0 || len(got) != 3 {
			t.Errorf("%s: %d rows, %v, %v", filepath.Base(path), len(got), wrong, err)
			continue
		}
		for i, r := range got {
			first := float32(4*i - 6)
			if !slices.Equal(r.Values, []float32{first, first + 1, first + 2, first + 3}) {
				t.Errorf("%s: row %d is %v", filepath.Base(path), i+1, r.Values)
			}
			if year := map[int]string{0: `{"year":1}`, 2: `{"year":3}`}[i]; filepath.Ext(path) == ".parquet" && (r.ID != fmt.Sprint("r", i+1) || string(r.Metadata) != year) {
				t.Errorf("%s: row %d is %q with %s", filepath.Base(path), i+1, r.ID, r.Metadata)
			}
		}
	}
	if _, _, err := readAll(filepath.Join(dir, "fortran.npy")); err == nil {
		t.Error("an array in Fortran order is read")
	}
}
