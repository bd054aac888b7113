// Package postgres reads a PostgreSQL database into chunks of COPY text and a schema archive, puts them
// back into an empty database, and compares the two. It runs pg_dump for the schema and speaks to the
// server itself for everything else, restoring the schema included: pg_dump's archive has a table of contents
// that says what needs what, and is read entry by entry. It knows no store, no encryption and no workflow.
//
// Reading: [Connect] (or [Export] on a server that goes on writing), [Inspect], [Split], then [CopyOut]
// for every chunk and [DumpSchema] once. Restoring: [NewRestorer], then Prepare, PreData, Load for every
// chunk, PostData, Compare, Finish. Every step may be repeated, by another process, too: what is done is
// recorded in the target, in the schema lifeboat_restore, in the transaction that did it.
//
// # Format of chunks
//
// A chunk of a table is COPY text (UTF-8, or whatever the database's encoding is) of the columns that
// the catalog lists, in that order:
//
//	COPY schema.table (columns) FROM STDIN
//
// A chunk of large objects is COPY text of three columns, and psql restores it as follows:
//
//	CREATE TEMP TABLE lo (oid oid, pos bigint, data bytea);
//	\copy lo FROM 'c00007'
//	SELECT pg_catalog.lo_create(oid) FROM lo GROUP BY oid;
//	SELECT pg_catalog.lo_put(oid, pos, data) FROM lo;
//
// A row's fingerprint is the XXH3-128 hash of its line without the final newline; a chunk's is the sum of
// its rows' modulo 2^128, so it depends neither on the order of rows nor on where chunks end.
//
// Errors hold no values of the data: of a server's error only the code, names and a message without
// quoted values remain.
package postgres
