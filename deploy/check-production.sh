#!/bin/sh
# Django's deployment checks on the settings of production, with keys that live as long as this script.
set -eu
cd "$(dirname "$0")/.."
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT
.venv/bin/python -m trialsite.runtime.keys "$keys" >/dev/null
env TRIALSITE_ENV=prod ALLOWED_HOSTS=trial.example MAIL_FROM=appointments@hospital.example TRIALSITE_VAR="$keys/var" \
    SECRET_KEY_FILE="$keys/secret_key" DATA_KEYS_FILE="$keys/data_keys" INDEX_KEYS_FILE="$keys/index_keys" \
    SEQUENCE_KEY_FILE="$keys/sequence_key" TRUSTED_PROXIES=1 WITNESS_FILE="$keys/witness/ledger.jsonl" \
    .venv/bin/python manage.py check --deploy --fail-level WARNING
