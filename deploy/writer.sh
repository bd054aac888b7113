#!/bin/sh
# Makes the writer, who has no rights but those of the buckets' policies. Safe to repeat.
set -eu
for site in east west; do
  admin="versitygw admin --access $ROOT_ACCESS_KEY --secret $ROOT_SECRET_KEY --endpoint-url http://s3-$site:7070"
  $admin list-users | grep -q lifeboatwriter ||
    $admin create-user --access lifeboatwriter --secret "$VAULT_SECRET_KEY" --role user
done
