#!/bin/sh
# Makes the writer, who has no rights but those of the buckets' policies, with the secrets that "prepare" made. Safe to repeat.
set -eu
for site in us-east-1 us-west-2; do
  admin="versitygw admin --access $ROOT_ACCESS_KEY --secret $ROOT_SECRET_KEY --endpoint-url http://s3-$site:7070"
  $admin list-users | grep -q lifeboatwriter ||
    $admin create-user --access lifeboatwriter --secret "$(cat "/state/keys/s3-$site.secret")" --role user
done
