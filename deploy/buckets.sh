#!/bin/sh
# Makes the two vaults with Object Lock, and lets the writer create, read, list and lengthen locks there. Safe to repeat.
set -eu
for site in us-east-1 us-west-2; do
  url=http://s3-$site:7070
  bucket=vault-$site
  aws --endpoint-url "$url" s3api head-bucket --bucket "$bucket" 2>/dev/null ||
    aws --endpoint-url "$url" s3api create-bucket --bucket "$bucket" --object-lock-enabled-for-bucket
  sed "s/BUCKET/$bucket/" /deploy/writer-policy.json > /tmp/policy.json
  aws --endpoint-url "$url" s3api put-bucket-policy --bucket "$bucket" --policy file:///tmp/policy.json
done
