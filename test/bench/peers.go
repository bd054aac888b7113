package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is another way to back up, as a shell script that its users would write. The scripts see the source as
// libpq's PG… variables, KEY (where to store, below the bucket), DIR (an empty folder), and the programs of
// [world.peerEnv]. They run with pipefail, so that no failure in a pipe is lost.
type peer struct {
	name  string
	needs []string // programs
	// backup stores the database below $KEY; restore brings it from there into the empty target database.
	backup, restore string
	// restores is what the restore is called in its table; empty leaves it out, and it is only used to check.
	restores string
}

// The quickest level of each compressor, as Lifeboat's own: gzip -1 where a program knows no zstd.
var peers = []peer{
	{
		name: "classic", restores: "classic", needs: []string{"tar", "gzip", "openssl", "aws", "psql"},
		// The plain text lies on a disk twice before it is encrypted: that is how it is done.
		backup: `
			pg_dump -f "$DIR/dump.sql"
			tar -C "$DIR" -I 'gzip -1' -cf "$DIR/dump.tar.gz" dump.sql
			openssl enc -aes-256-cbc -pbkdf2 -pass env:BENCH_PASSPHRASE -in "$DIR/dump.tar.gz" -out "$DIR/dump.enc"
			"$AWS" s3 cp --quiet --endpoint-url "$BENCH_S3_ENDPOINT" "$DIR/dump.enc" "s3://$BENCH_S3_BUCKET/$KEY/dump.enc"`,
		restore: `
			"$AWS" s3 cp --quiet --endpoint-url "$BENCH_S3_ENDPOINT" "s3://$BENCH_S3_BUCKET/$KEY/dump.enc" "$DIR/dump.enc"
			openssl enc -d -aes-256-cbc -pbkdf2 -pass env:BENCH_PASSPHRASE -in "$DIR/dump.enc" -out "$DIR/dump.tar.gz"
			tar -C "$DIR" -xzf "$DIR/dump.tar.gz"
			psql -q --no-psqlrc -v ON_ERROR_STOP=1 -o /dev/null -f "$DIR/dump.sql"`,
	},
	{
		name: "pg_dump-Fc", needs: []string{"age"},
		backup:  `pg_dump -Fc -Z1 | age -r "$RECIPIENT" | LIFEBOAT_BENCH_CHILD=put "$SELF" "$KEY/dump.age"`,
		restore: `LIFEBOAT_BENCH_CHILD=get "$SELF" "$KEY/dump.age" | age -d -i "$IDENTITY" | pg_restore --exit-on-error -d "$PGDATABASE"`,
	},
	{
		name: "pg_dump-Fd", restores: "pg_restore-j2", needs: []string{"age", "zstd"},
		backup: `
			pg_dump -Fd -j2 -Z0 -f "$DIR/plain"
			mkdir "$DIR/sealed"
			export DIR RECIPIENT
			ls "$DIR/plain" | xargs -P2 -I{} bash -o pipefail -c 'zstd -q -1 -c "$DIR/plain/{}" | age -r "$RECIPIENT" -o "$DIR/sealed/{}"'
			LIFEBOAT_BENCH_CHILD=put-dir "$SELF" "$DIR/sealed" "$KEY"`,
		restore: `
			mkdir "$DIR/sealed" "$DIR/plain"
			LIFEBOAT_BENCH_CHILD=get-dir "$SELF" "$KEY" "$DIR/sealed"
			export DIR IDENTITY
			ls "$DIR/sealed" | xargs -P2 -I{} bash -o pipefail -c 'age -d -i "$IDENTITY" "$DIR/sealed/{}" | zstd -q -d -o "$DIR/plain/{}"'
			pg_restore --exit-on-error -j2 -d "$PGDATABASE" "$DIR/plain"`,
	},
	{
		name: "pg_dump-zstd-age", needs: []string{"age", "zstd"},
		backup:  `pg_dump -Fc -Z0 | zstd -q -1 | age -r "$RECIPIENT" | LIFEBOAT_BENCH_CHILD=put "$SELF" "$KEY/dump.zst.age"`,
		restore: `LIFEBOAT_BENCH_CHILD=get "$SELF" "$KEY/dump.zst.age" | age -d -i "$IDENTITY" | zstd -q -d | pg_restore --exit-on-error -d "$PGDATABASE"`,
	},
	{
		name: "restic", needs: []string{"restic"},
		// A repository of its own for each run, made before the clock starts: nothing is found there already.
		backup:  `pg_dump -Fc -Z0 | restic -q --no-cache backup --stdin --stdin-filename dump`,
		restore: `restic -q --no-cache dump latest dump | pg_restore --exit-on-error -d "$PGDATABASE"`,
	},
}

// prepare is what a peer may do before the clock starts.
func (p peer) prepare() string {
	if p.name == "restic" {
		return `restic -q --no-cache init`
	}
	return ""
}

// missing lists the programs that are not there.
func missing(wanted []peer) error {
	var absent []string
	for _, p := range wanted {
		for _, program := range append(p.needs, "bash", "xargs") {
			if _, err := find(program); err != nil {
				absent = append(absent, program+" (for "+p.name+")")
			}
		}
	}
	if len(absent) > 0 {
		return fmt.Errorf("these programs are missing: %s: run scripts/setup bench, or leave their users out with BENCH_ONLY", strings.Join(absent, ", "))
	}
	return nil
}

// find prefers the system's own program: a wrapper before it in PATH would be measured, too.
func find(program string) (string, error) {
	if path := filepath.Join("/usr/bin", program); exec.Command("test", "-x", path).Run() == nil {
		return path, nil
	}
	return exec.LookPath(program)
}

// run runs a script of a peer on a database, with an empty folder that is removed afterwards.
func (w *world) run(ctx context.Context, script string, database environment, key string) (m measured, err error) {
	if script == "" {
		return m, nil
	}
	dir, err := os.MkdirTemp(w.dir, "peer-")
	if err != nil {
		return m, fmt.Errorf("make folder of peer: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bash, err := find("bash")
	if err != nil {
		return m, err
	}
	cmd := exec.Command(bash, "-euo", "pipefail", "-c", script)
	cmd.Env = append(append(os.Environ(), w.peerEnv()...), database.libpq()...)
	cmd.Env = append(cmd.Env, "KEY="+key, "DIR="+dir, "RESTIC_REPOSITORY=s3:"+w.store.Endpoint()+"/"+peerBucket+"/"+key)
	return runGroup(ctx, cmd)
}
