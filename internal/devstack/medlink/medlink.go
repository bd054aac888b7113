// Package medlink is the sample application that Lifeboat protects in the development stack and in tests:
// MedLink Claims Hub, a claims application in small. It installs its schema, fills it with synthetic data,
// writes claims all the while, and can tell afterwards which of them are still there.
//
// All data is made up from the word lists of this package: no name, number or code in it is anybody's.
package medlink

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// Install creates the schema in an empty database, all or nothing. The connection's role owns the
// database and needs no other right.
func Install(ctx context.Context, conn *pgx.Conn) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().Exec(ctx, schema).ReadAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("install the sample application: %w", err)
	}
	return nil
}
