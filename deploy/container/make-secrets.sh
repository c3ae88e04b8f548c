#!/bin/sh
# Makes the secrets of compose.yaml, in the folder `secrets` (or the one named); never over old ones.
set -eu
folder=${1:-$(dirname "$0")/secrets}
if [ -e "$folder" ]; then
    echo "$folder is there already" >&2
    exit 1
fi
umask 077
mkdir -p "$folder"
cd "$folder"

random() { openssl rand -hex 24; }

random >postgres_password
random >jwt_secret
echo "postgresql://postgres:$(cat postgres_password)@postgres/sonnette" >admin_database_url
for part in service gateway poller; do
    password=$(random)
    echo "postgresql://sonnette_$part:$password@postgres/sonnette" >"${part}_database_url"
    echo "alter role sonnette_$part password '$password';" >>roles.sql
done
printf '# See docs/providers.md.\n[[account]]\nname = "hero"\ndialect = "hero"\napi_key = "KEY"\n' >providers.toml
# A container reads them as an account of its own; the folder keeps others of this machine out.
chmod 0644 ./*
