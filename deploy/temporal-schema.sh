#!/bin/sh
# Makes and updates Temporal's two databases. Safe to repeat.
set -eu
for db in temporal temporal_visibility; do
  tool="temporal-sql-tool --plugin postgres12 --ep temporal-db -p 5432 -u temporal --db $db"
  dir=/etc/temporal/schema/postgresql/v12/${db#temporal_}/versioned
  $tool create || true # it is there already at the second start
  $tool setup-schema -v 0.0 || true
  $tool update-schema -d "$dir"
done
