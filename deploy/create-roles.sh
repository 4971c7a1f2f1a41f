#!/bin/sh
# Run once by the PostgreSQL image on an empty data folder: roles, database and rights from roles.sql.
set -eu
APP_PASSWORD=$(cat /run/secrets/app_password) OWNER_PASSWORD=$(cat /run/secrets/owner_password) \
    psql -X -v ON_ERROR_STOP=1 -v database=trialsite -U postgres -d postgres -f /opt/trialsite/roles.sql
