#!/bin/sh
# Makes keys, the configuration and a signed order in $1, from the template in $2. What is there is kept. All keys lie
# together here, the escrow key and the owner's too: that is for trying out only (docs/setup.md says where they belong).
set -eu
etc=$1 template=$2
export LIFEBOAT_CONFIG="$etc/lifeboat.yaml"
[ -e "$etc/keys" ] || lifeboat keygen "$etc/keys" >/dev/null
recipient() { sed -n 's/^# public key: //p' "$etc/keys/$1.agekey"; }
sed -e "s/VERIFICATION/$(recipient verification)/" -e "s/ESCROW/$(recipient escrow)/" "$template" > "$LIFEBOAT_CONFIG"
if [ ! -e "$etc/lifeboat.order.json" ]; then
  lifeboat order new --valid 30d
  lifeboat order sign --key "$etc/keys/owner_ed25519"
fi
lifeboat config check >/dev/null
