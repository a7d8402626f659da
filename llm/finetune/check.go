package finetune

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"nearside/disk"
)

// rescue is the way out for a file of a fine-tune: it came from somewhere.
const rescue = "remove the fine-tune and store it again: DELETE nearside/finetunes/{id}"

// Check examines the fine-tunes of a data directory that nobody has open: the
// database, and each file against its checksum. That there are none is nothing wrong.
func Check(ctx context.Context, dir *disk.Dir) ([]disk.Finding, error) {
	if there, err := dir.HasDB(databaseName); err != nil || !there {
		return nil, err
	}
	findings, err := dir.CheckDB(ctx, databaseName, schema)
	if err != nil || len(findings) > 0 {
		return findings, err
	}
	return checkFiles(ctx, dir)
}

// checkFiles compares every file with what is filed of it.
func checkFiles(ctx context.Context, dir *disk.Dir) (findings []disk.Finding, err error) {
	db, err := dir.OpenDB(databaseName, schema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files := dir.Sub(folderName)
	err = db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT f.id, f.name, a.name, a.file, a.bytes, a.sha256 FROM assets a JOIN finetunes f ON f.id = a.finetune`, func(r *disk.Row) error {
			problem, err := compare(files, r.Text(3), r.Int(4), r.Blob(5))
			if problem != "" {
				findings = append(findings, disk.Finding{
					Path: files.Path(r.Text(3)), Problem: fmt.Sprintf("%s of the fine-tune %q (%s) %s", r.Text(2), r.Text(1), r.Text(0), problem), Rescue: rescue,
				})
			}
			return err
		})
	})
	return findings, err
}

// compare says what is wrong with a file; "" if nothing is.
func compare(files *disk.Dir, name string, size int64, sum []byte) (problem string, err error) {
	there, err := files.Exists(name)
	if err != nil || !there {
		return "is missing", err
	}
	f, err := files.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	now := sha256.New()
	n, err := io.Copy(now, f)
	switch {
	case err != nil:
		return "cannot be read", nil
	case n != size:
		return fmt.Sprintf("has %d bytes; %d were stored", n, size), nil
	case !bytes.Equal(now.Sum(nil), sum):
		return "is not what was stored: its checksum differs", nil
	}
	return "", nil
}
